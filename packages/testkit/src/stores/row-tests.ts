import type { StoredState, StoreRow, StoreValue } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { grant, insert, REGISTRATION, type StoreBench, value, write } from './store-bench.ts';

const STATES: readonly StoredState[] = ['connected', 'pending', 'reauth_required', 'disconnected', 'other'];
const KIB_256 = 256 * 1024;

const BODIES: ReadonlyArray<readonly [string, string]> = [
  ['an empty object', '{}'],
  ['what looks like a number', '0012e3'],
  ['a bare null', 'null'],
  ['white space around it', ' \t\r\n{}\n '],
  ['quotes and statements', `{"a":"'; DROP TABLE hq_row; -- \\" $1 :body ? %s"}`],
  ['every plane of Unicode', '{"é":"e\u0301 \u200f\u05d0\u2028\ufeff\uffee \u{1f600}\u{10ffff}"}'],
  ['an escaped NUL and a lone surrogate', '{"a":"\\u0000\\ud800"}'],
  ['256 KiB', `"${'x'.repeat(KIB_256 - 2)}"`],
  ['256 KiB of characters of four bytes', `"ab${'\u{1f600}'.repeat(KIB_256 / 4 - 1)}"`],
];

/** Reading and writing one row. */
export function rowTests({ name, open }: StoreBench): void {
  describe('one row', () => {
    it(`${name}: reads null where nothing was written`, async () => {
      const store = await open();
      expect((await store.read(grant('nobody'))).row).toBeNull();
    });

    it(`${name}: writes a first row only where there is none`, async () => {
      const store = await open();
      const first = value({ body: '{"n":1}', state: 'pending', dueAt: 1_767_225_600_000 });
      const rev = await write(store, grant('u'), null, first);
      const second = await store.cas(grant('u'), null, value({ body: '{"n":2}' }));
      expect(second).toMatchObject({ ok: false, row: { ...first, rev } });
      expect((await store.read(grant('u'))).row).toEqual({ ...first, rev });
    });

    it.each([Number.NaN, Number.POSITIVE_INFINITY])(
      `${name}: takes no instant that is %s, and keeps what is there`,
      async (instant) => {
        const store = await open();
        const rev = await insert(store, grant('u'));
        await expect(store.cas(grant('u'), rev, value({ dueAt: instant }))).rejects.toThrow();
        await expect(
          store.cas({ ...grant('l'), kind: 'login' }, null, value({ expiresAt: instant })),
        ).rejects.toThrow();
        expect((await store.read(grant('u'))).row).toEqual({ ...value(), rev });
        expect(await store.list({ registration: REGISTRATION, kind: 'grant', limit: 10 })).toHaveLength(1);
      },
    );

    it(`${name}: gives each write, and only a write, a greater revision`, async () => {
      const store = await open();
      let rev = await insert(store, grant('u'));
      for (let round = 1; round <= 5; round += 1) {
        const body = JSON.stringify({ round });
        const next = await write(store, grant('u'), rev, { body });
        expect((await store.cas(grant('u'), rev, value())).ok).toBe(false);
        expect((await store.read(grant('u'))).row).toEqual({ ...value({ body }), rev: next });
        rev = next;
      }
    });

    it(`${name}: F45 F72 takes revisions from its time, so that a store that fell back does not give them again`, async () => {
      const store = await open();
      const before = await store.now();
      const revs: number[] = [];
      for (let index = 0; index < 20; index += 1) revs.push(await insert(store, grant(`${index}`)));
      const after = await store.now();
      for (const rev of revs) {
        expect(rev).toBeGreaterThanOrEqual(Math.floor(before) * 1000);
        expect(rev).toBeLessThan((Math.floor(after) + 1) * 1000);
      }
      // Rows that are written in one millisecond differ too.
      expect(new Set(revs.map((rev) => rev % 1000)).size).toBeGreaterThan(5);
      const first = revs[0] ?? 0;
      expect(await write(store, grant('0'), first)).toBeGreaterThanOrEqual(Math.floor(after) * 1000);
    });

    it(`${name}: gives a write that changes nothing a greater revision`, async () => {
      const store = await open();
      const rev = await insert(store, grant('u'));
      expect(await write(store, grant('u'), rev)).toBeGreaterThan(rev);
    });

    it.each([
      ['0', () => 0],
      ['1', () => 1],
      ['the one before', (_: number, before: number) => before],
      ['1 less', (rev: number) => rev - 1],
      ['1 more', (rev: number) => rev + 1],
      ['a far greater one', (rev: number) => 2 * rev],
    ] as const)(
      `${name}: refuses to write over a revision for who expects %s`,
      async (_title, expectedOf) => {
        const store = await open();
        const first = await insert(store, grant('u'));
        const standing = value({ body: '{"standing":true}', dueAt: 7 });
        const rev = await write(store, grant('u'), first, standing);
        const refusal = await store.cas(grant('u'), expectedOf(rev, first), value({ body: '{"late":true}' }));
        expect(refusal).toMatchObject({ ok: false, row: { ...standing, rev } });
        expect((await store.read(grant('u'))).row).toEqual({ ...standing, rev });
      },
    );

    it.each([0, 1, 2])(
      `${name}: does not write where revision %i is expected and no row is`,
      async (expected) => {
        const store = await open();
        expect(await store.cas(grant('u'), expected, value())).toMatchObject({ ok: false, row: null });
        expect((await store.read(grant('u'))).row).toBeNull();
        expect(await store.list({ registration: REGISTRATION, kind: 'grant', limit: 10 })).toEqual([]);
      },
    );

    it.each(BODIES)(`${name}: keeps a body as it is: %s`, async (_title, body) => {
      const store = await open();
      await insert(store, grant('u'), { body });
      expect((await store.read(grant('u'))).row?.body === body).toBe(true);
      const [listed] = await store.list({ registration: REGISTRATION, kind: 'grant', limit: 1 });
      expect(listed?.body === body).toBe(true);
      const refusal = await store.cas(grant('u'), null, value());
      expect(!refusal.ok && refusal.row?.body === body).toBe(true);
    });

    it(`${name}: keeps each state and both instants, and forgets what the next write leaves out`, async () => {
      const store = await open();
      for (const state of STATES) {
        const full: StoreValue = value({ state, dueAt: 1_798_761_599_999, expiresAt: null });
        const rev = await insert(store, grant(state), full);
        expect((await store.read(grant(state))).row).toEqual({ ...full, rev });
        const next = await write(store, grant(state), rev, { state: 'other', dueAt: null });
        expect((await store.read(grant(state))).row).toEqual({ ...value({ state: 'other' }), rev: next });
      }
    });

    it(`${name}: F76 is not moved by prototype keys in ids and bodies`, async () => {
      const store = await open();
      const ids = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];
      const body = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
      for (const id of ids) {
        expect((await store.read(grant(id))).row).toBeNull();
        const rev = await insert(store, grant(id), { body });
        expect((await store.read(grant(id))).row).toEqual({ ...value({ body }), rev });
      }
      const listed = await store.list({ registration: REGISTRATION, kind: 'grant', limit: 10 });
      expect(listed.map(({ id }) => id)).toEqual([...ids].sort());
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    });

    it(`${name}: shares no object with its callers`, async () => {
      const store = await open();
      const written = { ...value({ body: '{"kept":true}' }) };
      const result = await store.cas(grant('u'), null, written);
      const rev = result.ok ? result.rev : 0;
      written.body = 'changed after the write';
      const read = (await store.read(grant('u'))).row;
      const [listed] = await store.list({ registration: REGISTRATION, kind: 'grant', limit: 1 });
      const refusal = await store.cas(grant('u'), null, value());
      for (const row of [read, listed, refusal.ok ? null : refusal.row]) tamper(row ?? null);
      expect((await store.read(grant('u'))).row).toEqual({ ...value({ body: '{"kept":true}' }), rev });
    });
  });
}

/** A frozen row refuses, a copy accepts; either will do. */
function tamper(row: StoreRow | null): void {
  expect(row).not.toBeNull();
  if (row) Reflect.set(row, 'body', 'changed by a reader');
}
