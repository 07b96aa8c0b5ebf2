import type { DatabaseSync } from 'node:sqlite';
import {
  assertInstants,
  type CasResult,
  type Clock,
  isHighQError,
  type ListedRow,
  type ListQuery,
  type ReadResult,
  type StoreKey,
  StoreUnavailableError,
  type StoreValue,
  systemClock,
  systemRandom,
  type TokenStore,
} from '@hq-oauth/core';
import { openDatabase, prepareSchema } from './database-file.ts';
import { Lane, Turn } from './lane.ts';
import { unavailable } from './sqlite-errors.ts';
import { Statements } from './statements.ts';

export interface SqliteStoreOptions {
  /**
   * The file, created with mode 0600 if it is not there; its folder must exist and be on a local disk. `:memory:`
   * keeps everything in this handle, for tests.
   */
  readonly path: string;
  /**
   * What `now` and expiry go by. Processes on one file must share a clock, as those of one machine do.
   *
   * @default the clock of the manager that binds the store
   */
  readonly clock?: Clock;
}

/**
 * Rows in one SQLite file, for any number of processes on one machine.
 *
 * A `cas` is one transaction with one flush to disk. Once it has resolved with `ok: true`, the row survives a crash of
 * the process, and of the machine as far as its disk keeps what it has flushed. An operation that finds the file locked
 * waits up to 10 s, off the event loop. A rejection with `StoreUnavailableError` (file locked for longer, disk full,
 * I/O error, store closed) means that the outcome is unknown: read again.
 *
 * @example
 * const store = sqliteStore({ path: './data/tokens.db' });
 * @throws ConfigurationError when the file cannot be used: no such folder, no right to write, not a database of this
 * store, or of a later version.
 */
export function sqliteStore(options: SqliteStoreOptions): TokenStore {
  const { database, file } = openDatabase(options.path);
  return new SqliteStore(database, file, options.clock);
}

export class SqliteStore implements TokenStore {
  readonly name = 'sqlite';
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #reads: Lane;
  readonly #writes: Lane;
  #clock: Clock;
  readonly #ownClock: boolean;
  #statements: Statements | null = null;
  #closing: Promise<void> | null = null;

  /** `lockBudgetMs`: how long an operation waits for another process's lock. */
  constructor(database: DatabaseSync, file: string, clock?: Clock, lockBudgetMs?: number) {
    this.#database = database;
    this.#file = file;
    this.#clock = clock ?? systemClock;
    this.#ownClock = clock !== undefined;
    const turn = new Turn();
    this.#reads = new Lane(turn, lockBudgetMs);
    this.#writes = new Lane(turn, lockBudgetMs);
  }

  bindClock(clock: Clock): void {
    if (!this.#ownClock) this.#clock = clock;
  }

  read(key: StoreKey): Promise<ReadResult> {
    return this.#run(this.#reads, (statements) => {
      const now = this.#clock.now();
      return Object.freeze({ row: statements.read(key, now), now });
    });
  }

  cas(key: StoreKey, expectedRev: number | null, next: StoreValue): Promise<CasResult> {
    return this.#run(this.#writes, (statements) => {
      assertInstants(next);
      statements.begin();
      try {
        const result = this.#casInTransaction(statements, key, expectedRev, next);
        statements.commit();
        return result;
      } catch (error) {
        statements.abandon();
        // Even a lock: after the beginning nobody can say what reached the file, so the lane must not repeat it.
        throw unavailable(this.#file, error);
      }
    });
  }

  async now(): Promise<number> {
    this.#assertOpen();
    return this.#clock.now();
  }

  async list(query: ListQuery): Promise<readonly ListedRow[]> {
    const { limit, after, dueBefore } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
      throw new RangeError(`list takes a limit from 1 to 1000, not ${limit}`);
    }
    if (after !== undefined && dueBefore !== undefined) {
      throw new RangeError('list takes either after or dueBefore, not both');
    }
    // By id, because a row whose due instant moves between two slices would come again.
    const found = new Map<string, ListedRow>();
    let last: ListedRow | null = null;
    do {
      const from: ListedRow | null = last;
      const rest = { ...query, limit: limit - found.size };
      const rows: ListedRow[] = await this.#run(this.#reads, (statements) =>
        statements.slice(rest, this.#clock.now(), from),
      );
      for (const row of rows) if (!found.has(row.id)) found.set(row.id, row);
      last = rows.at(-1) ?? null;
    } while (last && found.size < limit);
    return Object.freeze([...found.values()]);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #casInTransaction(
    statements: Statements,
    key: StoreKey,
    expectedRev: number | null,
    next: StoreValue,
  ): CasResult {
    const now = this.#clock.now();
    const chance = Math.floor(systemRandom.float() * 1000);
    const rev = statements.write(key, expectedRev, next, { now, candidate: candidateRev(now), chance });
    if (rev === null) {
      return Object.freeze({ ok: false, row: statements.read(key, now), now });
    }
    statements.removeExpired(now);
    return Object.freeze({ ok: true, rev, now });
  }

  async #run<T>(lane: Lane, work: (statements: Statements) => T): Promise<T> {
    this.#assertOpen();
    try {
      return await lane.run(() => work(this.#prepared()));
    } catch (error) {
      throw isHighQError(error) ? error : unavailable(this.#file, error);
    }
  }

  /** The schema is made by the first operation and not by the constructor: it may have to wait for a lock. */
  #prepared(): Statements {
    if (!this.#statements) {
      prepareSchema(this.#database, this.#file);
      this.#statements = new Statements(this.#database);
    }
    return this.#statements;
  }

  /** Operations that were accepted are carried out first: one of them may hold the only copy of a token. */
  async #close(): Promise<void> {
    await Promise.all([this.#reads.idle(), this.#writes.idle()]);
    this.#statements = null;
    this.#database.close();
  }

  #assertOpen(): void {
    if (this.#closing) throw new StoreUnavailableError(`The SQLite store ${this.#file} was closed.`);
  }
}

/** What the next revision is at least. A clock that shows nonsense must not make a number that SQLite cannot hold. */
function candidateRev(now: number): number {
  const candidate = Math.floor(now) * 1000;
  return Number.isSafeInteger(candidate) ? candidate : 0;
}
