import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConfigurationError, type ConfigurationProblem } from './errors.ts';

const OWNER_ONLY = 0o700;

/** What names the folder, for messages. */
type Setting = Omit<ConfigurationProblem, 'problem'>;

/**
 * Makes `dir` if it is not there, durably and for its owner only, and returns its absolute path.
 *
 * @throws ConfigurationError it cannot be made, is not a folder, or this process may not read and write it
 */
export function prepareFolder(dir: string, about: Setting = { option: 'journal' }): string {
  const refuse = (problem: string) => new ConfigurationError([{ ...about, problem }]);
  if (typeof dir !== 'string' || dir === '' || dir.includes('\0')) {
    throw refuse('dir is not a path. Name a folder, such as ./data/journal');
  }
  const folder = resolve(dir);
  try {
    makeFolder(folder);
    if (!statSync(folder).isDirectory()) throw refuse(`${folder} is not a folder. Choose another one`);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return folder;
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const code = codeOf(error);
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw refuse(`${folder} is not a folder, or lies in something that is none. Choose another one`);
    }
    throw refuse(`${folder} cannot be used (${code}). This process must be able to make, read and write it`);
  }
}

/** By hand: Node's own recursive mkdir never returns where a folder exists and nothing can be made in it (`/proc`). */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })) return;
  const holder = dirname(folder);
  if (holder !== folder) makeFolder(holder);
  try {
    mkdirSync(folder, { mode: OWNER_ONLY });
  } catch (error) {
    // Another process was faster.
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  syncHolder(holder);
}

/** A new name is on disk once the folder that holds it is. */
function syncHolder(holder: string): void {
  if (process.platform === 'win32') return;
  let fd: number;
  try {
    fd = openSync(holder, 'r');
  } catch (error) {
    // A folder in which this user may make others but not list them cannot be opened at all.
    if (codeOf(error) !== 'EACCES') throw error;
    return;
  }
  try {
    fsyncSync(fd);
  } catch (error) {
    if (!cannotSyncFolders(error)) throw error;
  } finally {
    closeSync(fd);
  }
}

/** Brings the names in `folder` to disk. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows has no handle on a folder that could be flushed; NTFS logs names by itself.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!cannotSyncFolders(error)) throw error;
  } finally {
    await handle.close();
  }
}

/** How file systems without this operation answer. A real failure to write has another code. */
function cannotSyncFolders(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EINVAL' || code === 'ENOTSUP' || code === 'EOPNOTSUPP';
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
