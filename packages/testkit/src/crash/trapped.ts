import { Socket } from 'node:net';
import { type Clock, type Journal, type StoreValue, systemClock, type TokenStore } from '@hq-oauth/core';
import type { Traps } from './traps.ts';

const TOKEN_REQUEST = /^POST \S+\/api\/oauth2\/token /;

type Write = 'intent' | 'announce' | 'probe' | 'pair' | 'other';

/** A store whose writes of grants spring traps before and after. */
export function trappedStore(store: TokenStore, traps: Traps): TokenStore {
  /** As last seen in the store: a pair is what goes beyond. */
  const generations = new Map<string, number>();
  const note = (id: string, row: StoreValue | null): void => {
    if (row) generations.set(id, factsOf(row).generation);
  };
  const { bindClock } = store;
  return {
    name: store.name,
    ...(bindClock ? { bindClock: (clock: Clock) => bindClock.call(store, clock) } : {}),
    async read(key) {
      const result = await store.read(key);
      if (key.kind === 'grant') note(key.id, result.row);
      return result;
    },
    async cas(key, expectedRev, next) {
      const write = key.kind === 'grant' ? writeOf(next, generations.get(key.id)) : 'other';
      const { id } = key;
      if (write === 'intent') {
        await traps.reach(id, 'before-intent');
        if (traps.isArmed(id, 'intent-refused')) {
          // Somebody else's write comes between.
          const { row } = await store.read(key);
          if (row) await store.cas(key, row.rev, row);
        }
      }
      if (write === 'pair') await traps.reach(id, 'before-pair');
      const written = store.cas(key, expectedRev, next);
      if (write === 'pair' && traps.isArmed(id, 'pair-sent')) {
        written.catch(() => {});
        await new Promise<void>((resolve) => systemClock.afterIo(resolve));
        await traps.reach(id, 'pair-sent');
      }
      const result = await written;
      if (write === 'intent') await traps.reach(id, result.ok ? 'after-intent' : 'intent-refused');
      if (!result.ok) {
        note(id, result.row);
        return result;
      }
      if (key.kind === 'grant') note(id, next);
      if (write === 'announce') await traps.reach(id, 'after-announce');
      if (write === 'probe') await traps.reach(id, 'after-probe');
      if (write === 'pair') await traps.reach(id, 'after-pair');
      return result;
    },
    now: () => store.now(),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}

export function trappedJournal(journal: Journal, traps: Traps): Journal {
  return {
    name: journal.name,
    async append(entry) {
      await traps.reach(entry.connectionId, 'before-journal');
      await journal.append(entry);
      await traps.reach(entry.connectionId, 'after-journal');
    },
    read: (registration, connectionId) => journal.read(registration, connectionId),
    forget: (registration, connectionId, below) => journal.forget(registration, connectionId, below),
    close: () => journal.close(),
  };
}

/** Every socket of this process: the first bytes of a request to the token endpoint spring a trap before they leave. */
export function trapFirstByte(traps: Traps): void {
  const { write } = Socket.prototype;
  Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
    const [chunk] = args;
    if (typeof chunk === 'string' && TOKEN_REQUEST.test(chunk)) traps.reachAny('first-byte');
    return write.apply(this, args);
  } as typeof write;
}

/** What a row shows without a key. */
export interface RowFacts {
  readonly generation: number;
  readonly intent: { readonly kind: string; readonly attemptId: string } | null;
  readonly sibling: boolean;
  readonly deadReason: string | null;
}

export function factsOf(row: StoreValue): RowFacts {
  const { generation, intent, sibling, dead } = JSON.parse(row.body) as {
    generation: number;
    intent: RowFacts['intent'];
    sibling: unknown;
    dead: { reason: string } | null;
  };
  return { generation, intent, sibling: Boolean(sibling), deadReason: dead?.reason ?? null };
}

function writeOf(next: StoreValue, seen: number | undefined): Write {
  const { generation, intent } = factsOf(next);
  if (seen !== undefined && generation > seen) return 'pair';
  switch (intent?.kind) {
    case 'refresh':
      return 'intent';
    case 'announce':
      return 'announce';
    case 'probe':
      return 'probe';
    default:
      return 'other';
  }
}
