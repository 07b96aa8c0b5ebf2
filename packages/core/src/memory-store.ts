import { type Clock, type Random, systemClock, systemRandom } from './clock.ts';
import { StoreUnavailableError } from './errors.ts';
import type {
  CasResult,
  ListedRow,
  ListQuery,
  ReadResult,
  StoreKey,
  StoreRow,
  StoreValue,
  TokenStore,
} from './token-store.ts';
import { assertInstants } from './token-store.ts';

interface Entry {
  readonly key: StoreKey;
  readonly row: StoreRow;
}

/** Expired logins are looked for once in this many writes, so that a write costs the same however many rows exist. */
const WRITES_BETWEEN_SWEEPS = 256;

/**
 * Keeps rows in this process's memory: for tests, and for programs whose users can sign in again after each start.
 * Nothing survives the process, so a refresh token that was rotated is gone with it. A rejection of this store is
 * never about a write of unknown outcome: nothing was written.
 *
 * `clock`: what `now` and expiry go by, default the clock of the manager that binds the store. `random`: for revisions.
 *
 * @example
 * const store = memoryStore();
 */
export function memoryStore(options: { clock?: Clock; random?: Random } = {}): TokenStore {
  return new MemoryStore(options.clock, options.random ?? systemRandom);
}

class MemoryStore implements TokenStore {
  readonly name = 'memory';
  #clock: Clock;
  readonly #ownClock: boolean;
  readonly #random: Random;
  readonly #entries = new Map<string, Entry>();
  #writes = 0;
  #closed = false;

  constructor(clock: Clock | undefined, random: Random) {
    this.#clock = clock ?? systemClock;
    this.#ownClock = clock !== undefined;
    this.#random = random;
  }

  bindClock(clock: Clock): void {
    if (!this.#ownClock) this.#clock = clock;
  }

  async read(key: StoreKey): Promise<ReadResult> {
    const now = this.#begin();
    return Object.freeze({ row: this.#row(key, now), now });
  }

  async cas(key: StoreKey, expectedRev: number | null, next: StoreValue): Promise<CasResult> {
    assertInstants(next);
    const now = this.#begin();
    const row = this.#row(key, now);
    if ((row?.rev ?? null) !== expectedRev) return Object.freeze({ ok: false, row, now });
    const previous = this.#entries.get(nameOf(key))?.row.rev ?? 0;
    const candidate = Math.floor(now) * 1000;
    // A clock that shows nonsense must not make a number from which nothing can be counted on.
    const least = Math.max(previous + 1, Number.isSafeInteger(candidate) ? candidate : 0);
    const rev = least + Math.floor(this.#random.float() * 1000);
    const { body, state, dueAt, expiresAt } = next;
    const { registration, kind, id } = key;
    this.#entries.set(nameOf(key), {
      key: { registration, kind, id },
      row: Object.freeze({ body, state, dueAt, expiresAt, rev }),
    });
    this.#writes += 1;
    if (this.#writes % WRITES_BETWEEN_SWEEPS === 0) this.#sweep(now);
    return Object.freeze({ ok: true, rev, now });
  }

  async now(): Promise<number> {
    return this.#begin();
  }

  async list(query: ListQuery): Promise<readonly ListedRow[]> {
    const now = this.#begin();
    const { registration, kind, dueBefore, state, after, limit } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
      throw new RangeError(`list takes a limit from 1 to 1000, not ${limit}`);
    }
    if (after !== undefined && dueBefore !== undefined) {
      throw new RangeError('list takes either after or dueBefore, not both');
    }
    const found: ListedRow[] = [];
    for (const { key, row } of this.#entries.values()) {
      if (key.registration !== registration || key.kind !== kind || isExpired(key, row, now)) continue;
      if (state !== undefined && row.state !== state) continue;
      if (after !== undefined && compareIds(key.id, after) <= 0) continue;
      if (dueBefore !== undefined && !(row.dueAt !== null && row.dueAt <= dueBefore)) continue;
      found.push(Object.freeze({ ...row, id: key.id }));
    }
    found.sort((a, b) => {
      const sooner = dueBefore === undefined ? 0 : (a.dueAt ?? 0) - (b.dueAt ?? 0);
      return sooner || compareIds(a.id, b.id);
    });
    return Object.freeze(found.slice(0, limit));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#entries.clear();
  }

  #begin(): number {
    if (this.#closed) throw new StoreUnavailableError('The memory store was closed.');
    return this.#clock.now();
  }

  #row(key: StoreKey, now: number): StoreRow | null {
    const entry = this.#entries.get(nameOf(key));
    return entry && !isExpired(key, entry.row, now) ? entry.row : null;
  }

  #sweep(now: number): void {
    for (const [name, { key, row }] of this.#entries) {
      if (isExpired(key, row, now)) this.#entries.delete(name);
    }
  }
}

/** Only a login ends by time: whatever its writer says, a row that holds tokens stays. */
function isExpired(key: StoreKey, row: StoreRow, now: number): boolean {
  return key.kind === 'login' && row.expiresAt !== null && row.expiresAt <= now;
}

/** JSON keeps the three parts apart whatever they contain, lone surrogates included (F79). */
function nameOf({ registration, kind, id }: StoreKey): string {
  return JSON.stringify([registration, kind, id]);
}

/** The order of the UTF-8 bytes, which is that of code points: UTF-16 units put U+10000 before U+E000. */
function compareIds(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  // The first difference may be the second half of a pair whose first halves are equal.
  if (at > 0 && Math.max(a.codePointAt(at - 1) ?? 0, b.codePointAt(at - 1) ?? 0) > 0xffff) at -= 1;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}
