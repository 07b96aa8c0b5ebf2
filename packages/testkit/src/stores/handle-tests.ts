import { isHighQError, type TokenStore } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { grant, insert, REGISTRATION, type StoreBench, value } from './store-bench.ts';

const ALL = { registration: REGISTRATION, kind: 'grant', limit: 10 } as const;

/** Closing, and several handles. */
export function handleTests({ name, open, openTwo, canReopen }: StoreBench): void {
  describe('handles', () => {
    it(`${name}: says what it is`, async () => {
      expect((await open()).name).toMatch(/^[a-z][a-z0-9-]*$/);
    });

    it(`${name}: closes twice without complaint, and rejects every operation afterwards`, async () => {
      const store = await open();
      await insert(store, grant('u'));
      await store.close();
      await store.close();
      const operations: ReadonlyArray<(store: TokenStore) => Promise<unknown>> = [
        (closed) => closed.read(grant('u')),
        (closed) => closed.cas(grant('u'), 1, value()),
        (closed) => closed.list(ALL),
        (closed) => closed.now(),
      ];
      for (const operation of operations) {
        const error: unknown = await operation(store).catch((reason: unknown) => reason);
        expect(isHighQError(error) && error.code).toBe('store_unavailable');
      }
    });

    it(`${name}: keeps what one store holds from another`, async () => {
      const [one, other] = [await open(), await open()];
      await insert(one, grant('u'));
      expect((await other.read(grant('u'))).row).toBeNull();
    });

    if (!canReopen) return;

    it(`${name}: shows each handle at once what the other has written`, async () => {
      const [one, other] = await openTwo();
      expect((await other.read(grant('u'))).row).toBeNull();
      for (let rev = 1; rev < 20; rev += 2) {
        const [odd, even] = [JSON.stringify({ rev }), JSON.stringify({ rev: rev + 1 })];
        const expected = rev === 1 ? null : rev - 1;
        expect(await one.cas(grant('u'), expected, value({ body: odd }))).toMatchObject({ ok: true, rev });
        expect((await other.read(grant('u'))).row).toEqual({ ...value({ body: odd }), rev });
        expect(await other.cas(grant('u'), expected, value())).toMatchObject({ ok: false, row: { rev } });
        expect(await other.cas(grant('u'), rev, value({ body: even }))).toMatchObject({ rev: rev + 1 });
        expect(await one.list(ALL)).toMatchObject([{ id: 'u', body: even, rev: rev + 1 }]);
      }
    });

    it(`${name}: leaves the other handle open when one is closed`, async () => {
      const [one, other] = await openTwo();
      await insert(one, grant('u'));
      await one.close();
      expect((await other.read(grant('u'))).row?.rev).toBe(1);
      expect(await other.cas(grant('u'), 1, value())).toMatchObject({ ok: true, rev: 2 });
    });
  });
}
