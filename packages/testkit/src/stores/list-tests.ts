import type { ListedRow, ListQuery, TokenStore } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { grant, insert, REGISTRATION, type StoreBench, value, write } from './store-bench.ts';

/** In the order of their UTF-8 bytes. By UTF-16 units, the last two would change places. */
const IDS_IN_ORDER = [
  '',
  ' ',
  '%',
  '1',
  '10',
  '2',
  'A',
  '_',
  'a',
  'a\u0000',
  'a!',
  'aa',
  'b',
  'é',
  '\uffee',
  '\u{1f600}',
];
/** Unlike ids that share half of a pair. */
const HALVES = ['\ud800A', '\ud800B', '\ud800C'];
const T = 1_767_225_600_000;

function query(changes: Partial<ListQuery> = {}): ListQuery {
  return { registration: REGISTRATION, kind: 'grant', limit: 1000, ...changes };
}

async function ids(store: TokenStore, changes: Partial<ListQuery> = {}): Promise<string[]> {
  return (await store.list(query(changes))).map(({ id }) => id);
}

/** `list`: filters, order, paging. */
export function listTests({ name, open }: StoreBench): void {
  describe('list', () => {
    it(`${name}: lists nothing where nothing is`, async () => {
      const store = await open();
      expect(await ids(store)).toEqual([]);
      expect(await ids(store, { dueBefore: Number.MAX_SAFE_INTEGER })).toEqual([]);
    });

    it(`${name}: gives whole rows`, async () => {
      const store = await open();
      const full = value({ body: '{"n":2}', state: 'reauth_required', dueAt: T });
      const rev = await write(store, grant('u'), await insert(store, grant('u')), full);
      const expected: ListedRow[] = [{ ...full, rev, id: 'u' }];
      expect(await store.list(query())).toEqual(expected);
      expect(await store.list(query({ dueBefore: T }))).toEqual(expected);
    });

    it(`${name}: orders by the UTF-8 bytes of the ids`, async () => {
      const store = await open();
      for (const id of IDS_IN_ORDER.toReversed()) await insert(store, grant(id));
      expect(await ids(store)).toEqual(IDS_IN_ORDER);
    });

    it(`${name}: pages through ids with lone surrogates`, async () => {
      const store = await open();
      for (const id of HALVES) await insert(store, grant(id));
      const seen = await ids(store, { limit: 1 });
      // Bounded: a store that forgets where the page began would give pages for ever.
      for (let page = 0; page < HALVES.length; page += 1) {
        seen.push(...(await ids(store, { limit: 1, after: seen.at(-1) ?? '' })));
      }
      expect(seen).toEqual(HALVES);
    });

    it.each([1, 3, IDS_IN_ORDER.length])(`${name}: pages by %i without gap or repetition`, async (limit) => {
      const store = await open();
      for (const id of IDS_IN_ORDER) await insert(store, grant(id));
      const found: string[] = [];
      let page = await ids(store, { limit });
      while (page.length > 0 && found.length < 100) {
        expect(page.length).toBeLessThanOrEqual(limit);
        found.push(...page);
        page = await ids(store, { limit, after: found.at(-1) ?? '' });
      }
      expect(found).toEqual(IDS_IN_ORDER);
    });

    it(`${name}: goes on after an id that does not exist, and never gives that id itself`, async () => {
      const store = await open();
      for (const id of ['a', 'b', 'c']) await insert(store, grant(id));
      expect(await ids(store, { after: 'a' })).toEqual(['b', 'c']);
      expect(await ids(store, { after: 'a\u0000' })).toEqual(['b', 'c']);
      expect(await ids(store, { after: 'Z' })).toEqual(['a', 'b', 'c']);
      expect(await ids(store, { after: 'c' })).toEqual([]);
    });

    it(`${name}: takes what is due at the instant and not what is due a millisecond later`, async () => {
      const store = await open();
      await insert(store, grant('past'), { dueAt: T - 1 });
      await insert(store, grant('now'), { dueAt: T });
      await insert(store, grant('soon'), { dueAt: T + 1 });
      await insert(store, grant('never'), { dueAt: null });
      expect(await ids(store, { dueBefore: T - 2 })).toEqual([]);
      expect(await ids(store, { dueBefore: T - 1 })).toEqual(['past']);
      expect(await ids(store, { dueBefore: T })).toEqual(['past', 'now']);
      expect(await ids(store, { dueBefore: T + 1 })).toEqual(['past', 'now', 'soon']);
    });

    it(`${name}: gives the longest overdue first, and of those due together the lower id`, async () => {
      const store = await open();
      const together = ['', 'A', 'a', 'é', '\uffee', '\u{1f600}'];
      for (const id of together.toReversed()) await insert(store, grant(id), { dueAt: T });
      await insert(store, grant('zz'), { dueAt: T - 5 });
      await insert(store, grant('0'), { dueAt: T + 5 });
      expect(await ids(store, { dueBefore: T + 5 })).toEqual(['zz', ...together, '0']);
      expect(await ids(store, { dueBefore: T + 5, limit: 2 })).toEqual(['zz', '']);
      expect(await ids(store, { dueBefore: T + 5, limit: 1 })).toEqual(['zz']);
    });

    it(`${name}: follows a row whose due instant or state changes`, async () => {
      const store = await open();
      const first = await insert(store, grant('u'), { dueAt: T });
      const second = await write(store, grant('u'), first, { dueAt: T + 1000 });
      expect(await ids(store, { dueBefore: T + 999 })).toEqual([]);
      expect(await ids(store, { dueBefore: T + 1000 })).toEqual(['u']);
      await store.cas(grant('u'), second, value({ state: 'disconnected', dueAt: null }));
      expect(await ids(store, { dueBefore: T + 1000 })).toEqual([]);
      expect(await ids(store, { state: 'connected' })).toEqual([]);
      expect(await ids(store, { state: 'disconnected' })).toEqual(['u']);
    });

    it(`${name}: filters by state, with and without the other filters`, async () => {
      const store = await open();
      await insert(store, grant('a'), { state: 'connected', dueAt: T });
      await insert(store, grant('b'), { state: 'reauth_required', dueAt: T - 1 });
      await insert(store, grant('c'), { state: 'connected', dueAt: T - 2 });
      await insert(store, grant('d'), { state: 'connected', dueAt: null });
      expect(await ids(store, { state: 'connected' })).toEqual(['a', 'c', 'd']);
      expect(await ids(store, { state: 'connected', limit: 2 })).toEqual(['a', 'c']);
      expect(await ids(store, { state: 'connected', after: 'a' })).toEqual(['c', 'd']);
      expect(await ids(store, { state: 'connected', dueBefore: T })).toEqual(['c', 'a']);
      expect(await ids(store, { state: 'connected', dueBefore: T - 1 })).toEqual(['c']);
      expect(await ids(store, { state: 'pending' })).toEqual([]);
    });

    it(`${name}: F110 keeps registrations and kinds apart`, async () => {
      const store = await open();
      await insert(store, grant('u'), { dueAt: T });
      await insert(store, grant('other', 'a0'), { dueAt: T });
      await insert(store, { registration: REGISTRATION, kind: 'registration', id: 'r' }, { dueAt: T });
      for (const filter of [{}, { dueBefore: T }, { state: 'connected' as const }]) {
        expect(await ids(store, filter)).toEqual(['u']);
        expect(await ids(store, { ...filter, registration: 'a0' })).toEqual(['other']);
        expect(await ids(store, { ...filter, kind: 'registration' })).toEqual(['r']);
        expect(await ids(store, { ...filter, kind: 'login' })).toEqual([]);
        expect(await ids(store, { ...filter, registration: REGISTRATION.slice(0, -1) })).toEqual([]);
      }
    });

    it(`${name}: gives 1000 rows at once and no more`, async () => {
      const store = await open();
      const all = Array.from({ length: 1001 }, (_, index) => String(index).padStart(4, '0'));
      await Promise.all(all.map((id) => insert(store, grant(id), { dueAt: T })));
      expect(await ids(store)).toEqual(all.slice(0, 1000));
      expect(await ids(store, { after: '0999' })).toEqual(['1000']);
      expect(await ids(store, { dueBefore: T })).toEqual(all.slice(0, 1000));
    });

    it.each([0, -1, 1001, 1.5, Number.NaN])(`${name}: rejects a limit of %d`, async (limit) => {
      const store = await open();
      await expect(store.list(query({ limit }))).rejects.toThrow();
    });

    it(`${name}: rejects after together with dueBefore`, async () => {
      const store = await open();
      await expect(store.list(query({ after: 'a', dueBefore: T }))).rejects.toThrow();
    });
  });
}
