import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  idFromBytes,
  idToBytes,
  type ListedRow,
  type ListQuery,
  type StoredState,
  type StoreKey,
  type StoreRow,
  type StoreValue,
} from '@hq-oauth/core';

/** Only a login ends by time: whatever its writer says, a row that holds tokens stays. */
const ALIVE = `NOT (kind = 'login' AND expires_at IS NOT NULL AND expires_at <= :now)`;
const THIS_ROW = 'registration = :registration AND kind = :kind AND id = :id';
/** Numbers are bound as reals. */
const CANDIDATE = 'CAST(:candidate AS INTEGER)';
const CHANCE = 'CAST(:chance AS INTEGER)';
const COLUMNS = 'rev, state, due_at, expires_at, body';

/** So that a write stays short however many logins were given up. */
const EXPIRED_PER_WRITE = 20;

/** Characters of bodies that are read at once, a few milliseconds' worth. */
const SLICE_LENGTH = 1_000_000;

const STATES = new Set<string>(['connected', 'pending', 'reauth_required', 'disconnected', 'other']);

type Columns = Record<string, unknown>;

/** The SQL of the store. Values are bound, never written into a statement (F79). Synchronous, and without retries. */
export class Statements {
  readonly #database: DatabaseSync;
  readonly #read: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #removeExpired: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #lists = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#rollback = database.prepare('ROLLBACK');
    this.#read = database.prepare(`SELECT ${COLUMNS} FROM hq_row WHERE ${THIS_ROW} AND ${ALIVE}`);
    this.#insert = database.prepare(
      `INSERT INTO hq_row (registration, kind, id, rev, state, due_at, expires_at, body)
       VALUES (:registration, :kind, :id, max(1, ${CANDIDATE}) + ${CHANCE}, :state, :dueAt, :expiresAt, :body)
       ON CONFLICT (registration, kind, id) DO UPDATE
       SET rev = max(hq_row.rev + 1, ${CANDIDATE}) + ${CHANCE}, state = excluded.state, due_at = excluded.due_at, expires_at = excluded.expires_at,
           body = excluded.body
       WHERE NOT (${ALIVE})
       RETURNING rev`,
    );
    this.#update = database.prepare(
      `UPDATE hq_row
       SET rev = max(rev + 1, ${CANDIDATE}) + ${CHANCE}, state = :state, due_at = :dueAt, expires_at = :expiresAt, body = :body
       WHERE ${THIS_ROW} AND rev = :rev AND ${ALIVE}
       RETURNING rev`,
    );
    this.#removeExpired = database.prepare(
      `DELETE FROM hq_row WHERE rowid IN (
         SELECT rowid FROM hq_row WHERE kind = 'login' AND expires_at <= :now LIMIT ${EXPIRED_PER_WRITE})`,
    );
  }

  /** Waits at most the busy timeout for the file's one write lock. Nothing is written when it throws. */
  begin(): void {
    if (this.#database.isTransaction) this.#rollback.run();
    this.#begin.run();
  }

  /** The one instant of a write at which the disk is waited for. */
  commit(): void {
    this.#commit.run();
  }

  /** Ends a transaction that failed. What cannot be rolled back now is before the next one begins. */
  abandon(): void {
    try {
      if (this.#database.isTransaction) this.#rollback.run();
    } catch {
      // The error that led here says more.
    }
  }

  read(key: StoreKey, now: number): StoreRow | null {
    const columns = this.#read.get({ ...bind(key), now });
    return columns ? rowOf(columns) : null;
  }

  /** The revision as which `next` was written, at least `candidate`, and `chance` more; `null`: it was not. */
  write(
    key: StoreKey,
    expectedRev: number | null,
    next: StoreValue,
    at: { readonly now: number; readonly candidate: number; readonly chance: number },
  ): number | null {
    const { state, dueAt, expiresAt, body } = next;
    const values = { ...bind(key), state, dueAt, expiresAt, body, ...at };
    const written =
      expectedRev === null ? this.#insert.get(values) : this.#update.get({ ...values, rev: expectedRev });
    return written ? instantIn(written, 'rev') : null;
  }

  removeExpired(now: number): void {
    this.#removeExpired.run({ now });
  }

  /**
   * The next rows of a list, after `last`, the one that the slice before ended with. Fewer than asked for when their
   * bodies are large: reading them holds up the event loop. The last slice is empty.
   */
  slice(query: ListQuery, now: number, last: ListedRow | null): ListedRow[] {
    const { registration, kind, dueBefore, state, limit } = query;
    const after = last?.id ?? query.after;
    const byDue = dueBefore !== undefined;
    const parameters = {
      registration: idToBytes(registration),
      kind,
      now,
      limit,
      ...(byDue ? { dueBefore } : {}),
      ...(state === undefined ? {} : { state }),
      ...(after === undefined ? {} : { after: idToBytes(after) }),
      ...(byDue && last ? { afterDue: last.dueAt } : {}),
    };
    const rows: ListedRow[] = [];
    let length = 0;
    for (const columns of this.#list(byDue, state !== undefined, after !== undefined).iterate(parameters)) {
      const row = Object.freeze({ ...rowOf(columns), id: idFromBytes(bytesIn(columns, 'id')) });
      rows.push(row);
      length += row.body.length;
      if (length >= SLICE_LENGTH) break;
    }
    return rows;
  }

  /** One statement for each combination of filters, so that each uses its index. */
  #list(byDue: boolean, byState: boolean, goesOn: boolean): StatementSync {
    const sql = [
      `SELECT id, ${COLUMNS} FROM hq_row WHERE registration = :registration AND kind = :kind AND ${ALIVE}`,
      byDue ? 'AND due_at IS NOT NULL AND due_at <= :dueBefore' : '',
      byState ? 'AND state = :state' : '',
      goesOn ? (byDue ? 'AND (due_at, id) > (:afterDue, :after)' : 'AND id > :after') : '',
      byDue ? 'ORDER BY due_at, id LIMIT :limit' : 'ORDER BY id LIMIT :limit',
    ].join(' ');
    const known = this.#lists.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#lists.set(sql, statement);
    return statement;
  }
}

function bind({ registration, kind, id }: StoreKey): {
  registration: Uint8Array;
  kind: string;
  id: Uint8Array;
} {
  return { registration: idToBytes(registration), kind, id: idToBytes(id) };
}

function rowOf(columns: Columns): StoreRow {
  const state = textIn(columns, 'state');
  return Object.freeze({
    body: textIn(columns, 'body'),
    state: isState(state) ? state : 'other',
    dueAt: instantIn(columns, 'due_at'),
    expiresAt: instantIn(columns, 'expires_at'),
    rev: instantIn(columns, 'rev') ?? 0,
  });
}

function isState(text: string): text is StoredState {
  return STATES.has(text);
}

function textIn(columns: Columns, name: string): string {
  const value = columns[name];
  if (typeof value !== 'string') throw new TypeError(`column ${name} holds no text`);
  return value;
}

function instantIn(columns: Columns, name: string): number | null {
  const value = columns[name];
  return typeof value === 'number' ? value : null;
}

function bytesIn(columns: Columns, name: string): Uint8Array {
  const value = columns[name];
  if (!(value instanceof Uint8Array)) throw new TypeError(`column ${name} holds no bytes`);
  return value;
}
