import type { StoreKey } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { grant, insert, REGISTRATION, type StoreBench, value, write } from './store-bench.ts';

const KIB_10 = 10 * 1024;
const SEPARATORS = [':', '/', '|', ',', '.', '-', '_', '\u0000', '\n', '"', '{', '}', ' ', '\u001f'];

const HOSTILE_IDS = [
  '',
  "'; DROP TABLE hq_row; --",
  '"); DELETE FROM hq_row; --',
  '\\',
  "\\'",
  '*',
  '?',
  '[a-z]*',
  '{}',
  '{hq}',
  '%',
  '$1',
  ':id',
  '\r\nFLUSHALL\r\n',
  '../../etc/passwd',
  'null',
  'undefined',
  '0',
  '00',
  'a',
  'A',
  'a ',
  ' a',
  'a\u0000',
  'a\u0000b',
  '\u0000',
  '\u00e9',
  'e\u0301',
  '\ufeff',
  '\ufeffa',
  '\u{1f600}',
  '\ufffd',
  'x'.repeat(KIB_10),
  `${'x'.repeat(KIB_10 - 1)}y`,
  `y${'x'.repeat(KIB_10 - 1)}`,
  '\u{1f600}'.repeat(KIB_10 / 4),
];

/** Keys are the users' own text. */
export function keyTests({ name, open }: StoreBench): void {
  describe('keys', () => {
    it(`${name}: F79 keeps hostile ids apart, and gives each back as it was`, async () => {
      const store = await open();
      for (const [index, id] of HOSTILE_IDS.entries()) {
        await insert(store, grant(id), { body: String(index), dueAt: 1 });
      }
      for (const [index, id] of HOSTILE_IDS.entries()) {
        expect((await store.read(grant(id))).row?.body, JSON.stringify(id.slice(0, 40))).toBe(String(index));
      }
      const all = { registration: REGISTRATION, kind: 'grant', limit: 1000 } as const;
      for (const query of [all, { ...all, dueBefore: 1 }]) {
        const listed = await store.list(query);
        expect(new Set(listed.map(({ id }) => id))).toEqual(new Set(HOSTILE_IDS));
        expect(listed).toHaveLength(HOSTILE_IDS.length);
      }
    });

    it.each(SEPARATORS)(`${name}: F79 does not confuse registration and id around %j`, async (separator) => {
      const store = await open();
      const keys: StoreKey[] = [
        grant('c', `a${separator}b`),
        grant(`b${separator}c`, 'a'),
        grant(`a${separator}b${separator}c`, ''),
        grant('', `a${separator}b${separator}c`),
        grant(`grant${separator}c`, `a${separator}b`),
      ];
      for (const key of keys) await insert(store, key, { body: JSON.stringify(key) });
      for (const key of keys) {
        expect((await store.read(key)).row?.body).toBe(JSON.stringify(key));
        const listed = await store.list({ registration: key.registration, kind: 'grant', limit: 10 });
        const expected = keys.filter(({ registration }) => registration === key.registration);
        expect(listed.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
      }
    });

    it(`${name}: F79 does not confuse kinds`, async () => {
      const store = await open();
      const kinds = ['grant', 'login', 'registration'] as const;
      const revs = new Map<string, number>();
      for (const kind of kinds) {
        revs.set(kind, await insert(store, { registration: REGISTRATION, kind, id: 'u' }, { body: kind }));
      }
      for (const kind of kinds) {
        const key = { registration: REGISTRATION, kind, id: 'u' };
        expect((await store.read(key)).row?.body).toBe(kind);
        revs.set(kind, await write(store, key, revs.get(kind) ?? 0, { body: `${kind} 2` }));
      }
      for (const kind of kinds) {
        expect((await store.read({ registration: REGISTRATION, kind, id: 'u' })).row).toMatchObject({
          rev: revs.get(kind),
          body: `${kind} 2`,
        });
      }
    });

    it(`${name}: F79 keeps ids with lone surrogates apart, or refuses them`, async () => {
      const store = await open();
      const ids = ['\ud800', '\ud801', '\udc00', 'a\udfff', '\udc00\ud800', '\ufffd', '\u{10000}'];
      const kept: string[] = [];
      for (const id of ids) {
        const result = await store
          .cas(grant(id), null, value({ body: JSON.stringify(id) }))
          .catch(() => null);
        if (!result) continue;
        expect(result.ok, JSON.stringify(id)).toBe(true);
        kept.push(id);
      }
      expect(kept).toEqual(expect.arrayContaining(['\ufffd', '\u{10000}']));
      for (const id of kept) expect((await store.read(grant(id))).row?.body).toBe(JSON.stringify(id));
      const listed = await store.list({ registration: REGISTRATION, kind: 'grant', limit: 10 });
      expect(listed.map(({ id }) => id).sort()).toEqual(kept.sort());
    });
  });
}
