import type { Clock } from './clock.ts';

/**
 * What a row is about. `grant`: one user's tokens. `login`: a sign-in that has begun, consumed once. `registration`:
 * what all processes share about one API application registration.
 */
export type RowKind = 'grant' | 'login' | 'registration';

/**
 * Names a row. `registration` is a hash of instance URL and client id (hexadecimal), so that two managers never mix on
 * one database. `id` is the user's own text, of any length and alphabet: a store binds it as a parameter or encodes it
 * without collisions (F79), and never builds a statement from it.
 */
export interface StoreKey {
  readonly registration: string;
  readonly kind: RowKind;
  readonly id: string;
}

/** The part of a row's state that time alone cannot change, for `list`. */
export type StoredState = 'connected' | 'pending' | 'reauth_required' | 'disconnected' | 'other';

/** What a writer gives. A store keeps `body` as it is and looks at the other members only to index them. */
export interface StoreValue {
  /** JSON text with sealed tokens inside; up to 256 KiB. */
  readonly body: string;
  readonly state: StoredState;
  /** When background renewal is due, epoch ms by the store's clock; `null`: never. */
  readonly dueAt: number | null;
  /**
   * From this instant (store's clock) the row counts as absent and may be removed; `null`: never. Only `login` rows
   * have one: a row that holds tokens is never dropped by time.
   */
  readonly expiresAt: number | null;
}

/** A row as stored. */
export interface StoreRow extends StoreValue {
  /**
   * The revision: for callers an opaque positive number that grows with each write of the key, by any amount. It does
   * not come again, not even after the store fell back to an older state (a failover, a restored backup): a stale `cas`
   * would fit a write that it has not seen.
   *
   * A store makes it in the same atomic step as the write: `max(previous + 1, now * 1000) + random`, with its own time
   * in epoch ms and a random whole number from 0 to 999: by chance also where the clock is behind the row, since it was
   * set back. That is a safe integer until the year 2255. A row that is
   * written over one that has ended by time counts on from it, as long as that one is still there.
   */
  readonly rev: number;
}

/** `now`: the store's own time when it answered, epoch ms. */
export interface ReadResult {
  readonly row: StoreRow | null;
  readonly now: number;
}

/** A refusal carries the row that stood in the way (`null`: there is none). */
export type CasResult =
  | { readonly ok: true; readonly rev: number; readonly now: number }
  | { readonly ok: false; readonly row: StoreRow | null; readonly now: number };

export interface ListQuery {
  readonly registration: string;
  readonly kind: RowKind;
  /** Only rows with `dueAt` at or before this instant, the longest overdue first (then by id). */
  readonly dueBefore?: number;
  readonly state?: StoredState;
  /** Only ids greater than this one (by UTF-8 bytes); not together with `dueBefore`. Without `dueBefore`, rows come in the order of their ids. */
  readonly after?: string;
  /** 1 to 1000. */
  readonly limit: number;
}

export interface ListedRow extends StoreRow {
  readonly id: string;
}

/**
 * For stores: an instant that is no finite number would be accepted by one engine and break another's lists for good.
 * @throws RangeError
 */
export function assertInstants({ dueAt, expiresAt }: Pick<StoreValue, 'dueAt' | 'expiresAt'>): void {
  for (const instant of [dueAt, expiresAt]) {
    if (instant !== null && !Number.isFinite(instant)) {
      throw new RangeError(`an instant is a finite number, not ${instant}`);
    }
  }
}

/**
 * Where grants live. The contract is small so that it can be right on every engine.
 *
 * - Every operation is linearizable for one key: `read` sees each write whose promise resolved before it began.
 * - `cas` is atomic. When its promise resolves with `ok: true`, the write survives a crash of process and machine, as
 *   far as the engine can promise; each store's own page says how far that is.
 * - A **rejected** promise means that the outcome is unknown: a `cas` may or may not have been written. Callers read
 *   again. A store does not retry a `cas` whose outcome it does not know.
 * - No operation waits for another's lock without a bound, and none blocks the event loop for more than 20 ms.
 */
export interface TokenStore {
  /** For messages: `sqlite`, `redis`, `postgres`, `memory`. */
  readonly name: string;
  /** Reads from the primary, never a replica. */
  read(key: StoreKey): Promise<ReadResult>;
  /** Writes `next` if the row's `rev` is `expectedRev` (`null`: if there is no row). */
  cas(key: StoreKey, expectedRev: number | null, next: StoreValue): Promise<CasResult>;
  /** The store's clock, epoch ms. One clock for all processes on this store. */
  now(): Promise<number>;
  list(query: ListQuery): Promise<readonly ListedRow[]>;
  /** Frees what the store itself opened. What the caller handed in stays open. */
  close(): Promise<void>;
  /** Only on an embedded store, which has no clock of its own: the manager hands it the one it uses. */
  bindClock?(clock: Clock): void;
  /** The store may forget what it has acknowledged, and was set up with a manager's `journal` in mind. */
  readonly needsJournal?: boolean;
}
