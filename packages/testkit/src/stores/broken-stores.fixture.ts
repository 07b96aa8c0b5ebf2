import {
  type CasResult,
  type ListQuery,
  memoryStore,
  type StoreKey,
  type StoreRow,
  type StoreValue,
  type TokenStore,
} from '@hq-oauth/core';
import { ManualClock } from '@hq-oauth/core/testing';
import { storeSuite } from './store-suite.ts';

const clock = new ManualClock();
const nextTurn = (): Promise<void> => new Promise((resolve) => clock.afterIo(resolve));

type Breakage = (store: TokenStore) => Partial<TokenStore>;

function mapKeys(store: TokenStore, map: (key: StoreKey) => StoreKey): Partial<TokenStore> {
  return {
    read: (key) => store.read(map(key)),
    cas: (key, rev, next) => store.cas(map(key), rev, next),
  };
}

function mapValues(
  store: TokenStore,
  map: (next: StoreValue, key: StoreKey) => StoreValue,
): Partial<TokenStore> {
  return { cas: (key, rev, next) => store.cas(key, rev, map(next, key)) };
}

function mapQuery(store: TokenStore, map: (query: ListQuery) => ListQuery): Partial<TokenStore> {
  return { list: (query) => store.list(map(query)) };
}

/** Stores with one defect each. The suite must fail on every one of them. */
export const BROKEN_STORES: Readonly<Record<string, Breakage>> = {
  'checks before it writes, in two steps': (store) => ({
    async cas(key, expectedRev, next): Promise<CasResult> {
      const { row, now } = await store.read(key);
      if ((row?.rev ?? null) !== expectedRev) return { ok: false, row, now };
      await nextTurn();
      const current = (await store.read(key)).row?.rev ?? null;
      return store.cas(key, current, next);
    },
  }),
  'writes without looking': (store) => ({
    cas: async (key, _rev, next) => store.cas(key, (await store.read(key)).row?.rev ?? null, next),
  }),
  'reads what was there a moment ago': (store) => {
    const cache = new Map<string, StoreRow | null>();
    return {
      async read(key) {
        const fresh = await store.read(key);
        const name = JSON.stringify(key);
        const stale = cache.get(name) ?? fresh.row;
        cache.set(name, fresh.row);
        return { ...fresh, row: stale };
      },
    };
  },
  'acknowledges one write in 100 and forgets it': (store) => {
    let acknowledged = 0;
    return {
      async cas(key, rev, next) {
        const { row, now } = await store.read(key);
        if ((row?.rev ?? null) !== rev) return { ok: false, row, now };
        acknowledged += 1;
        return acknowledged % 100 === 0 ? { ok: true, rev: (rev ?? 0) + 1, now } : store.cas(key, rev, next);
      },
    };
  },
  'counts revisions from 1': (store) => {
    const bases = new Map<string, number>();
    const shown = (key: StoreKey, row: StoreRow | null): StoreRow | null =>
      row && { ...row, rev: row.rev - (bases.get(JSON.stringify(key)) ?? 0) };
    return {
      async read(key) {
        const result = await store.read(key);
        return { ...result, row: shown(key, result.row) };
      },
      async cas(key, rev, next) {
        const base = bases.get(JSON.stringify(key)) ?? 0;
        const result = await store.cas(key, rev === null ? null : rev + base, next);
        if (!result.ok) return { ...result, row: shown(key, result.row) };
        if (base === 0) bases.set(JSON.stringify(key), result.rev - 1);
        return { ...result, rev: result.rev - (bases.get(JSON.stringify(key)) ?? 0) };
      },
    };
  },
  'refuses without the row': (store) => ({
    async cas(key, rev, next) {
      const result = await store.cas(key, rev, next);
      return result.ok ? result : { ...result, row: null };
    },
  }),
  'writes a missing row whatever revision is expected': (store) => ({
    async cas(key, rev, next) {
      const { row } = await store.read(key);
      return store.cas(key, row ? rev : null, next);
    },
  }),
  'joins registration and id by a colon': (store) =>
    mapKeys(store, ({ registration, kind, id }) => ({ registration: '', kind, id: `${registration}:${id}` })),
  'forgets the kind': (store) => mapKeys(store, (key) => ({ ...key, kind: 'grant' })),
  'cuts ids at 255 characters': (store) => mapKeys(store, (key) => ({ ...key, id: key.id.slice(0, 255) })),
  'cuts ids at NUL': (store) => mapKeys(store, (key) => ({ ...key, id: key.id.split('\0')[0] ?? '' })),
  'ignores case': (store) => mapKeys(store, (key) => ({ ...key, id: key.id.toLowerCase() })),
  'trims ids': (store) => mapKeys(store, (key) => ({ ...key, id: key.id.trim() })),
  'normalizes ids': (store) => mapKeys(store, (key) => ({ ...key, id: key.id.normalize() })),
  'writes ids as UTF-8, lone surrogates too': (store) =>
    mapKeys(store, (key) => ({ ...key, id: Buffer.from(key.id).toString() })),
  'trims bodies': (store) => mapValues(store, (next) => ({ ...next, body: next.body.trim() })),
  'rewrites bodies as JSON': (store) =>
    mapValues(store, (next) => {
      try {
        return { ...next, body: JSON.stringify(JSON.parse(next.body)) };
      } catch {
        return next;
      }
    }),
  'cuts bodies at 64 KiB': (store) =>
    mapValues(store, (next) => ({ ...next, body: next.body.slice(0, 65_536) })),
  'keeps instants in seconds': (store) =>
    mapValues(store, (next) => ({
      ...next,
      dueAt: next.dueAt === null ? null : Math.floor(next.dueAt / 1000) * 1000,
    })),
  'takes no due instant for 0': (store) => mapValues(store, (next) => ({ ...next, dueAt: next.dueAt ?? 0 })),
  'never ends a login': (store) => mapValues(store, (next) => ({ ...next, expiresAt: null })),
  'ends a login a millisecond early': (store) =>
    mapValues(store, (next) => ({ ...next, expiresAt: next.expiresAt === null ? null : next.expiresAt - 1 })),
  'ends a login a millisecond late': (store) =>
    mapValues(store, (next) => ({ ...next, expiresAt: next.expiresAt === null ? null : next.expiresAt + 1 })),
  'drops grants by time': (store) => ({
    async read(key) {
      const result = await store.read(key);
      const ended = result.row?.expiresAt != null && result.row.expiresAt <= result.now;
      return ended ? { ...result, row: null } : result;
    },
  }),
  'lists one row too many': (store) => ({
    list: async (query) => store.list({ ...query, limit: Math.min(query.limit + 1, 1000) }),
  }),
  'clamps the limit': (store) =>
    mapQuery(store, (query) => ({
      ...query,
      limit: Math.max(1, Math.min(1000, Math.trunc(query.limit) || 1)),
    })),
  'lists what is due before, not at, the instant': (store) =>
    mapQuery(store, ({ dueBefore, ...query }) =>
      dueBefore === undefined ? query : { ...query, dueBefore: dueBefore - 1 },
    ),
  'forgets the state filter': (store) => mapQuery(store, ({ state: _state, ...query }) => query),
  'forgets where the page began': (store) => mapQuery(store, ({ after: _after, ...query }) => query),
  'orders by UTF-16 units': (store) => ({
    async list(query) {
      const rows = [...(await store.list(query))];
      return query.dueBefore === undefined ? rows.sort((a, b) => (a.id < b.id ? -1 : 1)) : rows;
    },
  }),
  'orders what is due by id': (store) => ({
    async list(query) {
      const rows = [...(await store.list(query))];
      return query.dueBefore === undefined ? rows : rows.sort((a, b) => (a.id < b.id ? -1 : 1));
    },
  }),
  'hands out its own row': (store) => {
    const rows = new Map<string, StoreRow>();
    return {
      async read(key) {
        const result = await store.read(key);
        const name = JSON.stringify([key, result.row?.rev]);
        const kept = rows.get(name) ?? (result.row ? { ...result.row } : null);
        if (kept) rows.set(name, kept);
        return { ...result, row: kept && result.row ? kept : null };
      },
    };
  },
  'keeps the object it was given': (store) => {
    const given = new Map<string, StoreValue>();
    return {
      async cas(key, rev, next) {
        const result = await store.cas(key, rev, next);
        if (result.ok) given.set(JSON.stringify(key), next);
        return result;
      },
      async read(key) {
        const result = await store.read(key);
        const next = given.get(JSON.stringify(key));
        return next && result.row ? { ...result, row: { ...result.row, body: next.body } } : result;
      },
    };
  },
  'answers after it was closed': (store) => ({ close: async () => {}, name: store.name }),
  'has a clock that goes back': (store) => {
    let skew = 0;
    return {
      async now() {
        skew -= 1;
        return (await store.now()) + skew;
      },
    };
  },
  'tells seconds': (store) => ({ now: async () => Math.floor((await store.now()) / 1000) }),
};

/** Delegates what is not broken; the class of the store has private members that a spread would lose. */
function broken(store: TokenStore, breakage: Partial<TokenStore>): TokenStore {
  return {
    name: store.name,
    read: (key) => store.read(key),
    cas: (key, rev, next) => store.cas(key, rev, next),
    now: () => store.now(),
    list: (query) => store.list(query),
    close: () => store.close(),
    ...breakage,
  };
}

export function brokenStoreSuites(): void {
  for (const [name, breakage] of Object.entries(BROKEN_STORES)) {
    storeSuite({
      name,
      clock,
      create: async () => {
        const store = memoryStore({ clock });
        return broken(store, breakage(store));
      },
    });
  }
}
