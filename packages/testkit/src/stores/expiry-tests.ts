import { describe, expect, it } from 'vitest';
import { grant, insert, login, REGISTRATION, type StoreBench, value, write } from './store-bench.ts';

const LOGINS = { registration: REGISTRATION, kind: 'login', limit: 1000 } as const;
const FAR_MS = 3_600_000;

/** `expiresAt` and `now`. */
export function expiryTests({ name, open, clock }: StoreBench): void {
  describe('time', () => {
    it(`${name}: tells epoch milliseconds that do not go back, with each answer`, async () => {
      const store = await open();
      const instants = [
        await store.now(),
        (await store.read(grant('u'))).now,
        (await store.cas(grant('u'), null, value())).now,
        (await store.cas(grant('u'), null, value())).now,
        (await store.read(grant('u'))).now,
        await store.now(),
      ];
      expect(instants).toEqual([...instants].sort((a, b) => a - b));
      expect(instants[0]).toBeGreaterThan(Date.UTC(2020, 0, 1));
      expect(instants.at(-1)).toBeLessThan(Date.UTC(2100, 0, 1));
    });

    it(`${name}: counts a login that has ended as absent everywhere`, async () => {
      const store = await open();
      const now = await store.now();
      const over = await insert(store, login('over'), { expiresAt: now, dueAt: 1 });
      await insert(store, login('open'), { expiresAt: now + FAR_MS, dueAt: 1 });
      expect((await store.read(login('over'))).row).toBeNull();
      expect((await store.read(login('open'))).row?.expiresAt).toBe(now + FAR_MS);
      expect((await store.list(LOGINS)).map(({ id }) => id)).toEqual(['open']);
      expect((await store.list({ ...LOGINS, dueBefore: 1 })).map(({ id }) => id)).toEqual(['open']);
      expect((await store.list({ ...LOGINS, state: 'connected' })).map(({ id }) => id)).toEqual(['open']);
      expect(await store.cas(login('over'), over, value())).toMatchObject({ ok: false, row: null });
      const anew = await insert(store, login('over'));
      expect(anew).not.toBe(over);
      expect((await store.read(login('over'))).row).toEqual({ ...value(), rev: anew });
    });

    it(`${name}: never drops a row that may hold tokens, whatever its expiresAt says`, async () => {
      const store = await open();
      const now = await store.now();
      for (const kind of ['grant', 'registration'] as const) {
        const key = { registration: REGISTRATION, kind, id: 'u' };
        // A store may also refuse such a row.
        const result = await store.cas(key, null, value({ expiresAt: now - FAR_MS })).catch(() => null);
        if (!result) continue;
        const rev = result.ok ? result.rev : null;
        expect((await store.read(key)).row?.rev).toBe(rev);
        expect(await store.list({ registration: REGISTRATION, kind, limit: 10 })).toHaveLength(1);
        expect((await store.cas(key, null, value())).ok).toBe(false);
        expect(await write(store, key, rev)).toBeGreaterThan(0);
      }
    });

    it(`${name}: works on among very many logins that have ended`, async () => {
      const store = await open();
      const now = await store.now();
      const names = Array.from({ length: 600 }, (_, index) => `login ${index}`);
      await Promise.all(names.map((id) => insert(store, login(id), { expiresAt: now })));
      await insert(store, login('open'), { expiresAt: now + FAR_MS });
      await insert(store, grant('u'));
      expect((await store.list(LOGINS)).map(({ id }) => id)).toEqual(['open']);
      expect((await store.read(grant('u'))).row).not.toBeNull();
      expect((await store.read(login('open'))).row).not.toBeNull();
    });

    if (!clock) return;

    it(`${name}: follows its clock by the millisecond`, async () => {
      const store = await open();
      const now = await store.now();
      await clock.advance(1);
      expect(await store.now()).toBe(now + 1);
      await clock.advance(86_400_000);
      expect((await store.read(grant('u'))).now).toBe(now + 86_400_001);
      expect((await store.cas(grant('u'), null, value())).now).toBe(now + 86_400_001);
    });

    it(`${name}: ends a login at its instant and not a millisecond before`, async () => {
      const store = await open();
      const expiresAt = (await store.now()) + 1000;
      const rev = await insert(store, login('u'), { expiresAt });
      await clock.advance(999);
      expect((await store.read(login('u'))).row?.rev).toBe(rev);
      expect(await store.list(LOGINS)).toHaveLength(1);
      expect(await store.cas(login('u'), null, value())).toMatchObject({
        ok: false,
        row: { rev, expiresAt },
      });
      await clock.advance(1);
      expect((await store.read(login('u'))).row).toBeNull();
      expect(await store.list(LOGINS)).toHaveLength(0);
      expect(await store.cas(login('u'), rev, value())).toMatchObject({ ok: false, row: null });
      expect(await insert(store, login('u'), { expiresAt: expiresAt + 1000 })).toBeGreaterThan(rev);
    });

    it(`${name}: lets a later write move the end of a login`, async () => {
      const store = await open();
      const now = await store.now();
      const rev = await insert(store, login('u'), { expiresAt: now + 1000 });
      const moved = await write(store, login('u'), rev, { expiresAt: now + 2000 });
      await clock.advance(1999);
      expect((await store.read(login('u'))).row?.rev).toBe(moved);
      await clock.advance(1);
      expect((await store.read(login('u'))).row).toBeNull();
    });
  });
}
