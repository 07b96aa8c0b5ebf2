import { StoreUnavailableError } from '@hq-oauth/core';

/** Primary result codes of SQLite that this store tells apart. */
const BUSY = 5;
const READ_ONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const CANNOT_OPEN = 14;
const PROTOCOL = 15;
const NOT_A_DATABASE = 26;

/** The primary result code (extended codes are folded into it); `null`: not an error of SQLite. */
function primaryCode(error: unknown): number | null {
  if (!(error instanceof Error)) return null;
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : null;
}

/** `SQLITE_PROTOCOL` is the same as busy here: connections that open a WAL file at one moment can run into it. */
export function isLocked(error: unknown): error is Error {
  const code = primaryCode(error);
  return code === BUSY || code === PROTOCOL;
}

export function isNotADatabase(error: unknown): boolean {
  return primaryCode(error) === NOT_A_DATABASE;
}

/** What callers get: cause and remedy. SQLite's messages name tables and files, never a bound value. */
export function unavailable(path: string, error: unknown): StoreUnavailableError {
  return new StoreUnavailableError(`The SQLite store ${path} did not answer: ${explain(error)}`, {
    cause: error,
  });
}

export function explain(error: unknown): string {
  switch (primaryCode(error)) {
    case BUSY:
    case PROTOCOL:
      return 'another process keeps it locked. End what holds a transaction open on it, such as a database browser.';
    case READ_ONLY:
      return 'it is read-only. Give this process the right to write the file and its folder.';
    case CORRUPT:
    case NOT_A_DATABASE:
      return 'the file is damaged. Restore it from a backup; its people can also sign in again on a new file.';
    case FULL:
      return 'the disk is full. Free some space.';
    case CANNOT_OPEN:
      return 'the file cannot be opened. See that its folder exists and that this process may write there.';
    default:
      return error instanceof Error ? error.message : 'unknown error';
  }
}
