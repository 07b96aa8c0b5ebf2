import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { isHighQError, RecordUnreadableError } from './errors.ts';
import type { Journal, JournalEntry } from './journal.ts';
import {
  comparePositions,
  entryOf,
  inOrder,
  isObsolete,
  isSamePair,
  journalUnavailable,
  type Position,
  Running,
  textOf,
} from './journal-entry.ts';
import type { StoreKey, StoreRow, TokenStore } from './token-store.ts';

const SCHEMA_VERSION = 1;
/** A row is written as a whole, so it is kept short. Only the highest pair is ever needed. */
const MAX_ENTRIES = 8;
/** What every store takes. */
const MAX_ROW_BYTES = 256 * 1024;
/** Each refused write means that another one landed, so this many are only met when something is wrong. */
const MAX_WRITES = 32;
const MAX_LOST_ANSWERS = 3;
const PAGE = 100;

const schema = v.strictObject({ v: v.literal(SCHEMA_VERSION), entries: v.array(v.string()) });
const anyVersion = v.looseObject({ v: v.pipe(v.number(), v.gtValue(SCHEMA_VERSION)) });

type Damage = RecordUnreadableError['reason'];

interface Content {
  readonly entries: readonly JournalEntry[];
  /** Something in the row cannot be read, or is not of this grant: the row is left as it is. */
  readonly damage: Damage | null;
}

/**
 * A journal in a second store, one that every process can reach: one row per grant, which keeps the newest entries, at
 * most 8 and 256 KiB. As durable as that store. The caller owns the store; `close` does not close it.
 *
 * `append` rejects with `StoreUnavailableError` (it may or may not have been written), with `RecordUnreadableError`
 * when the row is damaged, which is then left as it is, and with `TypeError` or `RangeError` for an entry that
 * could not be read back or is too long.
 *
 * @example
 * const journal = storeJournal(postgresStore({ pool }));
 */
export function storeJournal(store: TokenStore): Journal {
  return new StoreJournal(store);
}

class StoreJournal implements Journal {
  readonly name = 'store';
  readonly #store: TokenStore;
  readonly #running = new Running();

  constructor(store: TokenStore) {
    this.#store = store;
  }

  append(entry: JournalEntry): Promise<void> {
    const { registration, connectionId } = entry;
    return this.#run(connectionId, 'written', () =>
      this.#update(registration, connectionId, ({ entries, damage }) => {
        if (damage) throw unreadable(connectionId, damage);
        return entries.some((known) => isSamePair(known, entry)) ? null : withEntry(entries, entry);
      }),
    );
  }

  read(registration: string, connectionId: string): Promise<readonly JournalEntry[]> {
    return this.#run(connectionId, 'read', async () => {
      const { row } = await this.#store.read(keyOf(registration, connectionId));
      const { entries, damage } = contentOf(row, registration, connectionId);
      // What a later version wrote may be the newest pair of all.
      if (damage === 'later_schema') throw unreadable(connectionId, damage);
      return entries;
    });
  }

  forget(registration: string, connectionId: string, below: Position): Promise<void> {
    return this.#run(connectionId, 'tidied up', () =>
      this.#update(registration, connectionId, ({ entries, damage }) => {
        const newest = entries.at(-1);
        if (damage || !newest) return null;
        const kept = entries.filter((entry) => !isObsolete(entry, newest, below));
        return kept.length === entries.length ? null : kept.map(textOf);
      }),
    );
  }

  connections(registration: string): Promise<readonly string[]> {
    return this.#run(undefined, 'read', async () => {
      const ids: string[] = [];
      for (;;) {
        const after = ids.length > 0 ? { after: ids.at(-1) ?? '' } : {};
        const rows = await this.#store.list({ ...rowsOf(registration), ...after, limit: PAGE });
        ids.push(...rows.map(({ id }) => id));
        if (rows.length < PAGE) return ids;
      }
    });
  }

  close(): Promise<void> {
    return this.#running.close();
  }

  /** `change` gives the entries to write, or `null` when there is nothing to do. */
  async #update(
    registration: string,
    connectionId: string,
    change: (content: Content) => readonly string[] | null,
  ): Promise<void> {
    const key = keyOf(registration, connectionId);
    let { row } = await this.#store.read(key);
    let lost = 0;
    for (let writes = 0; writes < MAX_WRITES; writes += 1) {
      const entries = change(contentOf(row, registration, connectionId));
      if (entries === null) return;
      const value = { body: bodyOf(entries), state: 'other', dueAt: null, expiresAt: null } as const;
      try {
        const result = await this.#store.cas(key, row?.rev ?? null, value);
        if (result.ok) return;
        row = result.row;
      } catch (error) {
        lost += 1;
        if (lost >= MAX_LOST_ANSWERS) throw error;
        // Written or not: the row tells, and the next change is made on what it shows.
        row = (await this.#store.read(key)).row;
      }
    }
    throw new Error(`${MAX_WRITES} writes were refused, each because the row had changed.`);
  }

  #run<Result>(connectionId: string | undefined, done: string, work: () => Promise<Result>): Promise<Result> {
    return this.#running.run(connectionId, async () => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) throw error;
        if (isHighQError(error) && error.code === 'record_unreadable') throw error;
        const what = `The journal in the ${this.#store.name} store cannot be ${done}`;
        throw journalUnavailable(what, connectionId, error);
      }
    });
  }
}

/**
 * The registration is hashed once more, so that on a store which is by mistake also the manager's own, no journal row
 * can be the row of a grant or turn up in a list of grants, whatever a connection is called. The kind is `grant`
 * because only rows of that kind are never dropped by time.
 */
function rowsOf(registration: string): Omit<StoreKey, 'id'> {
  const derived = createHash('sha256').update(`journal\n${registration}`).digest('hex');
  return { registration: derived, kind: 'grant' };
}

function keyOf(registration: string, connectionId: string): StoreKey {
  return { ...rowsOf(registration), id: connectionId };
}

function contentOf(row: StoreRow | null, registration: string, connectionId: string): Content {
  if (row === null) return { entries: [], damage: null };
  let parsed: unknown;
  try {
    parsed = JSON.parse(row.body);
  } catch {
    return { entries: [], damage: 'malformed' };
  }
  if (v.is(anyVersion, parsed)) return { entries: [], damage: 'later_schema' };
  if (!v.is(schema, parsed)) return { entries: [], damage: 'malformed' };
  const entries = parsed.entries
    .map((text) => entryOf(Buffer.from(text)))
    .filter((entry) => entry?.registration === registration && entry.connectionId === connectionId)
    .filter((entry) => entry !== null);
  return { entries: inOrder(entries), damage: entries.length < parsed.entries.length ? 'malformed' : null };
}

/** The new entry is always among them: an append that resolves has been written. */
function withEntry(entries: readonly JournalEntry[], entry: JournalEntry): readonly string[] {
  const others = [...entries].sort((a, b) => comparePositions(b, a)).slice(0, MAX_ENTRIES - 1);
  for (let kept = others.length; kept >= 0; kept -= 1) {
    const texts = inOrder([...others.slice(0, kept), entry]).map(textOf);
    if (Buffer.byteLength(bodyOf(texts)) <= MAX_ROW_BYTES) return texts;
    // The newest is not given up for the sake of an older one.
    const newest = others[0];
    if (kept === 1 && newest && comparePositions(newest, entry) > 0) break;
  }
  throw new RangeError('This journal entry does not fit into a row of 256 KiB.');
}

function bodyOf(entries: readonly string[]): string {
  return JSON.stringify({ v: SCHEMA_VERSION, entries });
}

function unreadable(connectionId: string, reason: Damage): RecordUnreadableError {
  const why = reason === 'later_schema' ? 'was written by a later version' : 'is damaged';
  return new RecordUnreadableError(
    `The journal's row of this connection ${why}. It was left as it is, and nothing was added to it.`,
    { connectionId, reason },
  );
}
