import { accessSync, closeSync, constants, existsSync, openSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigurationError, isHighQError } from '@hq-oauth/core';
import { CURRENT_VERSION, inspectSchema, migrate, type SchemaState } from './schema.ts';
import { explain, isLocked, isNotADatabase } from './sqlite-errors.ts';

/** How long SQLite itself may wait for a lock, which it does on the event loop's thread. */
export const BUSY_TIMEOUT_MS = 10;
const OWNER_ONLY = 0o600;
const IN_MEMORY = ':memory:';
/** How SQLite names what it keeps beside a database: it takes such a file for its own, and deletes it. */
const OF_SQLITE = /-(?:journal|wal|shm)$/i;

/**
 * Opens `path` and looks at what it is, without changing it; a file that is not there is created, readable for its
 * owner only. Throws `ConfigurationError`: no such folder, no right to write, not a database, another program's, or
 * of a later version.
 */
export function openDatabase(path: string): { database: DatabaseSync; file: string } {
  const file = path === IN_MEMORY ? path : prepareFile(path);
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw refuse(file, `cannot be opened (${messageOf(error)})`);
  }
  try {
    assertOurs(file, inspectSchema(database));
  } catch (error) {
    // A file that another process has locked right now is looked at again before the first operation.
    if (!isLocked(error)) {
      database.close();
      if (isHighQError(error)) throw error;
      throw isNotADatabase(error)
        ? refuse(file, 'is not an SQLite database. Choose another path, or move the file away')
        : refuse(file, `cannot be used: ${explain(error).replace(/\.$/, '')}`);
    }
  }
  return { database, file };
}

/**
 * Durable settings and the current schema. Can be repeated: throws SQLite's busy error while another process holds the
 * file, and `ConfigurationError` when that process has made it something else.
 */
export function prepareSchema(database: DatabaseSync, file: string): void {
  const found = inspectSchema(database);
  assertOurs(file, found);
  const { journal_mode: mode } = database.prepare('PRAGMA journal_mode = WAL').get() ?? {};
  if (mode !== 'wal' && file !== IN_MEMORY) {
    throw refuse(
      file,
      `cannot use a write-ahead log (journal mode ${mode}). Choose a local disk, not a network share`,
    );
  }
  // WAL with NORMAL may roll an acknowledged write back on power loss, and with it a rotated token (F54).
  database.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA trusted_schema = OFF');
  // Reads do not wait for whoever writes, the first one neither.
  if (found.kind === 'ours' && found.version === CURRENT_VERSION) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    const state = inspectSchema(database);
    assertOurs(file, state);
    const version = state.kind === 'ours' ? state.version : 0;
    if (version < CURRENT_VERSION) migrate(database, version);
    database.exec('COMMIT');
  } finally {
    if (database.isTransaction) database.exec('ROLLBACK');
  }
}

function prepareFile(path: string): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw refuse(
      String(path).replaceAll('\0', '\\0'),
      'is not a path. Name a file, such as ./data/tokens.db',
    );
  }
  // Absolute, because SQLite reads a name that begins with `file:` as a URI, and the working folder may change.
  const file = resolve(path);
  const folder = dirname(file);
  if (OF_SQLITE.test(file)) {
    throw refuse(
      file,
      'has a name that SQLite gives to a file of its own beside another database, and would be deleted with that. Choose one that does not end in -journal, -wal or -shm',
    );
  }
  const folderStat = statOf(file, folder);
  if (!folderStat) throw refuse(file, `lies in a folder that does not exist. Create ${folder} first`);
  if (!folderStat.isDirectory()) throw refuse(file, `cannot be created: ${folder} is not a folder`);
  // The folder too: SQLite keeps its log and index beside the file.
  for (const needed of existsSync(file) ? [folder, file] : [folder]) {
    try {
      accessSync(needed, constants.W_OK | constants.R_OK);
    } catch {
      throw refuse(file, `cannot be written: this process has no right to read and write ${needed}`);
    }
  }
  if (statOf(file, file)?.isDirectory()) {
    throw refuse(file, 'is a folder. Name a file in it');
  }
  for (const needed of ['-journal', '-wal', '-shm'].map((end) => file + end)) {
    if (statOf(file, needed)?.isDirectory())
      throw refuse(file, `cannot be used: ${needed} is a folder, and SQLite needs its name. Move it away`);
  }
  createPrivately(file);
  return file;
}

/** `undefined`: it is not there. */
function statOf(file: string, path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw refuse(file, `cannot be reached (${messageOf(error)}). Choose another path`);
  }
}

/**
 * Only a file that is new is opened here: closing a second descriptor of a file in use would drop the locks that
 * SQLite holds on it in this process. SQLite gives its log and index the mode of the file.
 */
function createPrivately(file: string): void {
  try {
    try {
      closeSync(openSync(file, 'wx', OWNER_ONLY));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      // A symbolic link to what is not there yet: SQLite would make that readable for everybody.
      if (!existsSync(file)) closeSync(openSync(file, 'a', OWNER_ONLY));
    }
  } catch (error) {
    throw refuse(file, `cannot be created (${messageOf(error)})`);
  }
}

function assertOurs(file: string, state: SchemaState): void {
  switch (state.kind) {
    case 'empty':
    case 'ours':
      return;
    case 'later':
      throw refuse(
        file,
        `was written by a later version of @hq-oauth/store-sqlite (schema ${state.version}, this one knows ${CURRENT_VERSION}). Update the package; nothing was changed`,
      );
    case 'foreign':
      throw refuse(
        file,
        'is the SQLite database of another program. Give the tokens a file of their own; nothing was changed',
      );
    default: {
      const never: never = state;
      throw new TypeError(`unknown schema state ${String(never)}`);
    }
  }
}

function refuse(file: string, problem: string): ConfigurationError {
  return new ConfigurationError([{ option: 'store.path', problem: `${file} ${problem}.` }]);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}
