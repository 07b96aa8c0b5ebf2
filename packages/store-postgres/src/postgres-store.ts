import {
  assertInstants,
  type CasResult,
  ConfigurationError,
  idToBytes,
  isHighQError,
  type ListedRow,
  type ListQuery,
  type ReadResult,
  type StoreKey,
  StoreUnavailableError,
  type StoreValue,
  type TokenStore,
} from '@hq-oauth/core';
import { withConnection } from './connection.ts';
import { Deadline } from './deadline.ts';
import { isMissingTable, isRolledBack, notMigrated, unavailable } from './postgres-errors.ts';
import { isPool, type PgPool } from './postgres-pool.ts';
import { assertPrimary, listedRowsOf, numberIn, rowOf } from './rows.ts';
import { assertNotLater, CURRENT_VERSION, migrate, quoteSchema } from './schema.ts';
import { type Statements, statementsFor } from './statements.ts';

export interface PostgresStoreOptions {
  /** A `Pool` of `pg`, to the primary. A proxy between may hand out connections by transaction. It stays yours to end. */
  readonly pool: PgPool;
  /**
   * Where the tables are.
   *
   * @default 'public'
   */
  readonly schema?: string;
  /**
   * How long an operation may take, the wait for a connection included. After that it rejects, and its outcome is
   * unknown. Half of it is how long a statement waits for another transaction's lock.
   *
   * @default 10000
   */
  readonly timeoutMs?: number;
}

/** A `TokenStore`, and the one thing that makes its tables. */
export interface PostgresStore extends TokenStore {
  /**
   * Makes the schema and its tables, or brings them up to date. Can be repeated, by several processes at once.
   *
   * @throws ConfigurationError when the tables belong to another program or a later version, or the database is not UTF8.
   * @throws StoreUnavailableError when the database does not answer, or refuses.
   */
  migrate(): Promise<void>;
  /**
   * Reads the version of the tables, as the first operation does too.
   *
   * @throws ConfigurationError when `migrate` has not been run, or by another version of this package.
   * @throws StoreUnavailableError when the database does not answer.
   */
  check(): Promise<void>;
}

/** `rows` of one statement. */
type Ask = (text: string, values: unknown[]) => Promise<readonly unknown[]>;

/** A writer that meets another one again and again gives up; in between, nothing was written. */
const MOST_ATTEMPTS = 20;
/** PostgreSQL knows no longer wait for a lock, ms. */
const LONGEST_LOCK_MS = 2 ** 31 - 1;

/**
 * Rows in PostgreSQL 13 or later, for any number of processes and machines.
 *
 * Each operation is a transaction of one statement, and goes by the clock of the server. A **rejection** means that
 * the outcome is unknown: a `cas` whose connection was lost may have been committed. What PostgreSQL itself rolled back
 * for the sake of another transaction (40001, 40P01) is done again.
 *
 * @example
 * const store = postgresStore({ pool: new Pool({ connectionString }) });
 * await store.migrate(); // when you deploy
 * @throws ConfigurationError when an option cannot be used.
 */
export function postgresStore(options: PostgresStoreOptions): PostgresStore {
  const { pool, schema = 'public', timeoutMs = 10_000 } = options;
  const quoted = quoteSchema(schema);
  const problems = [
    ...(isPool(pool) ? [] : [{ option: 'store.pool', problem: 'is not a Pool of `pg`.' }]),
    ...(Number.isFinite(timeoutMs) && timeoutMs > 0
      ? []
      : [{ option: 'store.timeoutMs', problem: 'is not a positive number of milliseconds.' }]),
  ];
  if (problems.length > 0) throw new ConfigurationError(problems);
  return new PooledStore(pool, schema, statementsFor(quoted), timeoutMs);
}

class PooledStore implements PostgresStore {
  readonly name = 'postgres';
  readonly #pool: PgPool;
  readonly #schema: string;
  readonly #statements: Statements;
  readonly #timeoutMs: number;
  readonly #underWay = new Set<Promise<unknown>>();
  #checked: Promise<void> | null = null;
  #closed = false;

  constructor(pool: PgPool, schema: string, statements: Statements, timeoutMs: number) {
    this.#pool = pool;
    this.#schema = schema;
    this.#statements = statements;
    this.#timeoutMs = timeoutMs;
  }

  migrate(): Promise<void> {
    return this.#track(() => withConnection(this.#pool, null, (client) => migrate(client, this.#schema)));
  }

  get #lockMs(): number {
    return Math.min(Math.ceil(this.#timeoutMs / 2), LONGEST_LOCK_MS);
  }

  check(): Promise<void> {
    return this.#track(() => {
      this.#checked = this.#check();
      return this.#checked;
    });
  }

  read(key: StoreKey): Promise<ReadResult> {
    return this.#operation((ask) => this.#read(ask, key));
  }

  cas(key: StoreKey, expectedRev: number | null, next: StoreValue): Promise<CasResult> {
    const { registration, kind, id } = key;
    const { state, dueAt, expiresAt, body } = next;
    const values = [
      ...[String(this.#lockMs), idToBytes(registration), kind, idToBytes(id)],
      ...[state, dueAt, expiresAt, body],
      ...(expectedRev === null ? [] : [expectedRev]),
    ];
    const statement = expectedRev === null ? this.#statements.insert : this.#statements.update;
    return this.#operation(async (ask) => {
      assertInstants(next);
      for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
        const [written] = await ask(statement, values);
        if (written !== undefined) {
          if (kind === 'login') await this.#clean(ask);
          return Object.freeze({ ok: true, rev: numberIn(written, 'rev'), now: numberIn(written, 'now') });
        }
        const { row, now } = await this.#read(ask, key);
        // What stood in the way may have made room since: then this is no refusal yet.
        if ((row?.rev ?? null) !== expectedRev) return Object.freeze({ ok: false, row, now });
      }
      throw new Error('other writers kept getting in the way. Nothing was written');
    });
  }

  now(): Promise<number> {
    return this.#operation(async (ask) => {
      const [answer] = await ask(this.#statements.now, []);
      assertPrimary(answer);
      return numberIn(answer, 'now');
    });
  }

  async list(query: ListQuery): Promise<readonly ListedRow[]> {
    const { registration, kind, limit, state, after, dueBefore } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
      throw new RangeError(`list takes a limit from 1 to 1000, not ${limit}`);
    }
    if (after !== undefined && dueBefore !== undefined) {
      throw new RangeError('list takes either after or dueBefore, not both');
    }
    const values = [
      ...[idToBytes(registration), kind, limit],
      ...(state === undefined ? [] : [state]),
      ...(dueBefore === undefined ? [] : [dueBefore]),
      ...(after === undefined ? [] : [idToBytes(after)]),
    ];
    return this.#operation(async (ask) => {
      const rows = await ask(this.#statements.list(query), values);
      assertPrimary(rows[0]);
      return listedRowsOf(rows);
    });
  }

  /** Operations that were accepted are carried out first: one of them may hold the only copy of a token. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  async #read(ask: Ask, { registration, kind, id }: StoreKey): Promise<ReadResult> {
    const [answer] = await ask(this.#statements.read, [idToBytes(registration), kind, idToBytes(id)]);
    assertPrimary(answer);
    return Object.freeze({ row: rowOf(answer), now: numberIn(answer, 'now') });
  }

  /** House-keeping: the login is written, whatever becomes of this. */
  async #clean(ask: Ask): Promise<void> {
    await ask(this.#statements.clean, []).catch(() => {});
  }

  #operation<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    return this.#track(async () => {
      this.#checked ??= this.#check();
      await this.#checked;
      return this.#bounded(work);
    });
  }

  /** Until it has succeeded once, each operation makes it again: somebody may run `migrate` while we run. */
  async #check(): Promise<void> {
    try {
      const [row] = await this.#bounded((ask) => ask(this.#statements.version, []));
      const version = row === undefined ? 0 : numberIn(row, 'version');
      assertNotLater(version, this.#schema);
      if (version < CURRENT_VERSION) throw notMigrated(this.#schema, 'The tables are of an earlier version');
    } catch (error) {
      this.#checked = null;
      throw isMissingTable(error) ? notMigrated(this.#schema, 'There are no tables') : error;
    }
  }

  /** Each statement has a connection for itself, for no longer than it runs. */
  async #bounded<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    const deadline = new Deadline(this.#timeoutMs);
    const ask: Ask = (text, values) =>
      withConnection(this.#pool, deadline, async (client) => (await client.query({ text, values })).rows);
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await work(ask);
        } catch (error) {
          if (!isRolledBack(error) || deadline.isOver) throw error;
          await deadline.pause(attempt);
        }
      }
    } finally {
      deadline.cancel();
    }
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreUnavailableError('The PostgreSQL store was closed.');
    const operation = work();
    this.#underWay.add(operation);
    try {
      return await operation;
    } catch (error) {
      throw isHighQError(error) ? error : unavailable(error);
    } finally {
      this.#underWay.delete(operation);
    }
  }
}
