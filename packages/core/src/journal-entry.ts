import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { StoreUnavailableError } from './errors.ts';
import type { JournalEntry } from './journal.ts';

/** A place in the order of pairs. */
export interface Position {
  readonly epoch: number;
  readonly generation: number;
}

const counter = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const schema = v.strictObject({
  registration: v.string(),
  connectionId: v.string(),
  epoch: counter,
  generation: counter,
  at: v.pipe(v.number(), v.finite()),
  body: v.string(),
});

/** Hexadecimal SHA-256, and the blank after it. */
const CHECKSUM_LENGTH = 65;

/**
 * An entry as it is kept: the checksum of its JSON, a blank, the JSON.
 *
 * @throws TypeError the entry could not be read back; nothing of it is in the message
 */
export function textOf(entry: JournalEntry): string {
  const { registration, connectionId, epoch, generation, at, body } = entry;
  const plain = { registration, connectionId, epoch, generation, at, body };
  if (!v.is(schema, plain)) {
    throw new TypeError(
      'A journal entry has two ids, epoch and generation from 0, an instant and a body as text.',
    );
  }
  // Well-formed: JSON escapes the lone surrogates that UTF-8 could not hold.
  const json = JSON.stringify(plain);
  return `${checksumOf(Buffer.from(json))} ${json}`;
}

/** The entry that `bytes` hold, or `null`: torn, changed, or something else. Never throws. */
export function entryOf(bytes: Buffer): JournalEntry | null {
  const json = bytes.subarray(CHECKSUM_LENGTH);
  if (bytes.toString('latin1', 0, CHECKSUM_LENGTH) !== `${checksumOf(json)} `) return null;
  try {
    const { success, output } = v.safeParse(schema, JSON.parse(json.toString('utf8')));
    return success ? output : null;
  } catch {
    return null;
  }
}

function checksumOf(json: Buffer): string {
  return createHash('sha256').update(json).digest('hex');
}

/** Negative: `a` comes before `b`. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}

/** Lowest first; an append that was repeated, because nobody knew whether it had been written, is there once. */
export function inOrder<Entry extends JournalEntry>(entries: readonly Entry[]): Entry[] {
  const sorted = [...entries].sort(
    (a, b) => comparePositions(a, b) || a.at - b.at || (a.body < b.body ? -1 : a.body > b.body ? 1 : 0),
  );
  return sorted.filter(
    (entry, index) => !sorted.slice(0, index).some((earlier) => isSamePair(earlier, entry)),
  );
}

export function isSamePair(a: JournalEntry, b: JournalEntry): boolean {
  return comparePositions(a, b) === 0 && a.body === b.body;
}

/**
 * Below the bound and below the newest, which stays whatever the bound is: the store may yet forget what it
 * acknowledged, and then the journal holds the only copy.
 */
export function isObsolete(position: Position, newest: Position, below: Position): boolean {
  return comparePositions(position, below) < 0 && comparePositions(position, newest) < 0;
}

export function journalUnavailable(
  what: string,
  connectionId: string | undefined,
  cause?: unknown,
): StoreUnavailableError {
  const code = cause instanceof Error && 'code' in cause ? ` (${cause.code})` : '';
  return new StoreUnavailableError(`${what}${code}.`, { connectionId, cause });
}

/** What is under way, for `close` to wait for. */
export class Running {
  readonly #promises = new Set<Promise<unknown>>();
  #closed = false;

  async run<Result>(connectionId: string | undefined, work: () => Promise<Result>): Promise<Result> {
    if (this.#closed) throw journalUnavailable('The journal was closed', connectionId);
    const promise = work();
    this.#promises.add(promise);
    try {
      return await promise;
    } finally {
      this.#promises.delete(promise);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#promises);
  }
}
