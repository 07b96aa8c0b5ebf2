import { isHighQError, type TokenStore } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { grant, insert, REGISTRATION, type StoreBench, value, write } from './store-bench.ts';

const ALL = { registration: REGISTRATION, kind: 'grant', limit: 10 } as const;

/** Closing, and several handles. */
export function handleTests({ name, open, openTwo, canReopen }: StoreBench): void {
  describe('handles', () => {
    it(`${name}: says what it is`, async () => {
      expect((await open()).name).toMatch(/^[a-z][a-z0-9-]*$/);
    });

    it(`${name}: closes twice without complaint, and rejects every operation afterwards`, async () => {
      const store = await open();
      const rev = await insert(store, grant('u'));
      await store.close();
      await store.close();
      const operations: ReadonlyArray<(store: TokenStore) => Promise<unknown>> = [
        (closed) => closed.read(grant('u')),
        (closed) => closed.cas(grant('u'), rev, value()),
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
      let expected: number | null = null;
      for (let round = 1; round < 20; round += 2) {
        const [odd, even] = [JSON.stringify({ round }), JSON.stringify({ round: round + 1 })];
        const rev = await write(one, grant('u'), expected, { body: odd });
        expect((await other.read(grant('u'))).row).toEqual({ ...value({ body: odd }), rev });
        expect(await other.cas(grant('u'), expected, value())).toMatchObject({ ok: false, row: { rev } });
        expected = await write(other, grant('u'), rev, { body: even });
        expect(await one.list(ALL)).toMatchObject([{ id: 'u', body: even, rev: expected }]);
      }
    });

    it(`${name}: leaves the other handle open when one is closed`, async () => {
      const [one, other] = await openTwo();
      const rev = await insert(one, grant('u'));
      await one.close();
      expect((await other.read(grant('u'))).row?.rev).toBe(rev);
      expect(await write(other, grant('u'), rev)).toBeGreaterThan(rev);
    });
  });
}
