import { createHash } from 'node:crypto';
import { constants, realpathSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from './clock.ts';
import type { Journal, JournalEntry } from './journal.ts';
import {
  entryOf,
  inOrder,
  isObsolete,
  journalUnavailable,
  type Position,
  Running,
  textOf,
} from './journal-entry.ts';
import { codeOf, prepareFolder, syncFolder } from './journal-folder.ts';

const MAX_FILE_BYTES = 1024 * 1024;
/** When files are gone before they can be read this many times in a row, that is reported. */
const MAX_LISTINGS = 20;
/** A symbolic link is not followed, and a pipe does not hold the reader up. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
/** Something else than a file lies there. Whatever else goes wrong, the file may be sound, and is not passed over. */
const NO_FILE = new Set(['ELOOP', 'EISDIR', 'ENXIO', 'ENODEV', 'EOPNOTSUPP']);

const FOLDER_NAME = /^[0-9a-f]{2}$/;

/** Where the files of one grant lie, and how their names begin. Ids are hashed, never part of a name. */
interface Place {
  readonly folder: string;
  readonly prefix: string;
}

interface Found extends JournalEntry {
  readonly path: string;
}

/**
 * A journal in a folder, which is made (for its owner only) if it is missing: on this machine's disk, or on a volume
 * that several machines share. Entries are readable for the owner only, and hold what the caller hands in: sealed
 * tokens.
 *
 * An append is on disk when it resolves. A damaged or foreign file is left out by `read` and never deleted. Rejections
 * are `StoreUnavailableError` (`TypeError`, `RangeError`: an entry that could not be read back, or one of over 1 MiB).
 *
 * @throws ConfigurationError the folder cannot be made, read or written
 * @example
 * const journal = fileJournal({ dir: './data/journal' });
 */
export function fileJournal(options: { readonly dir: string }): Journal {
  return new FileJournal(prepareFolder(options.dir), { keepsNewest: true });
}

/**
 * The folder of a shutdown's last resort: a journal that forgets whatever it is told to, also the newest. `null`: one of
 * `journals` is in that folder already, and does the same service.
 *
 * @throws ConfigurationError as `fileJournal`
 */
export function rescueFolder(dir: string, journals: readonly Journal[]): Journal | null {
  const path = prepareFolder(dir, { option: 'the rescue folder', env: 'HIGHQ_RESCUE_DIR' });
  // Under whatever name: a folder may be reached by a link.
  const real = realNameOf(path);
  if (journals.some((journal) => journal instanceof FileJournal && realNameOf(journal.dir) === real))
    return null;
  return new FileJournal(path, { keepsNewest: false });
}

/** Of a journal's folder that is gone meanwhile, the journal itself tells when it is written. */
function realNameOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * One file per entry, and no file is ever written again. A file that several entries share would have to be replaced
 * to shorten it, and an entry that another process appends between the copy and the rename would be lost; a lock
 * against that is not to be had on every shared volume, and would outlive a process that dies. This way an append
 * touches nothing that anybody else writes, to forget is to unlink, and a crash can tear no entry but the one that was
 * being written. No temporary name either: half a file fails its checksum, and a whole one that the process could not
 * sync before it died may still save the pair.
 */
class FileJournal implements Journal {
  readonly name = 'file';
  readonly dir: string;
  readonly #keepsNewest: boolean;
  readonly #running = new Running();
  /** Folders whose own name this process has brought to disk. At most 256. */
  readonly #durable = new Set<string>();

  constructor(dir: string, { keepsNewest }: { readonly keepsNewest: boolean }) {
    this.dir = dir;
    this.#keepsNewest = keepsNewest;
  }

  append(entry: JournalEntry): Promise<void> {
    return this.#run(entry.connectionId, 'written', () => this.#append(entry));
  }

  read(registration: string, connectionId: string): Promise<readonly JournalEntry[]> {
    return this.#run(connectionId, 'read', async () => {
      const found = await this.#find(registration, connectionId);
      return inOrder(found).map(({ path: _, ...entry }) => entry);
    });
  }

  forget(registration: string, connectionId: string, below: Position): Promise<void> {
    return this.#run(connectionId, 'tidied up', () => this.#forget(registration, connectionId, below));
  }

  connections(registration: string): Promise<readonly string[]> {
    return this.#run(undefined, 'read', async () => {
      const ids = new Set<string>();
      for (const found of await readdir(this.dir, { withFileTypes: true })) {
        if (!FOLDER_NAME.test(found.name) || found.isFile()) continue;
        const entries = await this.#settled({ folder: join(this.dir, found.name), prefix: '' });
        for (const entry of entries) if (entry.registration === registration) ids.add(entry.connectionId);
      }
      return [...ids];
    });
  }

  close(): Promise<void> {
    return this.#running.close();
  }

  async #append(entry: JournalEntry): Promise<void> {
    const bytes = Buffer.from(`${textOf(entry)}\n`);
    if (bytes.byteLength > MAX_FILE_BYTES) throw new RangeError('A journal entry takes at most 1 MiB.');
    const { folder, prefix } = this.#place(entry.registration, entry.connectionId);
    const name = `${prefix}${entry.epoch}-${entry.generation}-${systemRandom.id()}.json`;
    const path = join(folder, name);
    await writeNew(await this.#create(folder, path), path, bytes);
    await syncFolder(folder);
  }

  async #create(folder: string, path: string): Promise<FileHandle> {
    if (this.#durable.has(folder)) {
      try {
        return await open(path, 'wx', 0o600);
      } catch (error) {
        // Somebody cleared the journal while this process ran.
        if (codeOf(error) !== 'ENOENT') throw error;
        this.#durable.delete(folder);
      }
    }
    await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    // Also when another process made it: that one may have died before its sync.
    await syncFolder(this.dir);
    this.#durable.add(folder);
    return open(path, 'wx', 0o600);
  }

  async #forget(registration: string, connectionId: string, below: Position): Promise<void> {
    const found = await this.#find(registration, connectionId);
    const newest = this.#keepsNewest ? inOrder(found).at(-1) : undefined;
    const obsolete = found.filter((entry) => isObsolete(entry, newest ?? below, below));
    if (obsolete.length === 0 || (newest && !(await this.#onDisk(newest)))) return;
    for (const { path } of obsolete) {
      await unlink(path).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      });
    }
  }

  /** The newest may be another process's and not on disk yet: power lost now must not take all of them. */
  async #onDisk({ path, registration, connectionId }: Found): Promise<boolean> {
    try {
      const handle = await open(path, 'r+');
      await handle.sync().finally(() => handle.close());
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    await syncFolder(this.#place(registration, connectionId).folder);
    return true;
  }

  /** The sound entries of this grant: what a file says counts, not its name. */
  async #find(registration: string, connectionId: string): Promise<Found[]> {
    const found = await this.#settled(this.#place(registration, connectionId));
    return found.filter(
      (entry) => entry.registration === registration && entry.connectionId === connectionId,
    );
  }

  async #settled(place: Place): Promise<Found[]> {
    const seen = new Map<string, Found | null>();
    // A listing is no snapshot: it may miss an entry that is written meanwhile and also its predecessor, unlinked
    // meanwhile. The second one has the later of the two. A file that is gone before it was read also has a successor.
    for (let listings = 1; listings <= MAX_LISTINGS; listings += 1) {
      const complete = await readNew(place.folder, await this.#list(place), seen);
      if (!complete || listings === 1) continue;
      return [...seen.values()].filter((entry) => entry !== null);
    }
    throw new Error('The files here vanish all the time.');
  }

  async #list({ folder, prefix }: Place): Promise<string[]> {
    try {
      const names = await readdir(folder);
      return names.filter((name) => name.startsWith(prefix) && name.endsWith('.json'));
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      // Nothing was ever written here, unless the whole journal is gone, a volume that is not mounted, say.
      await stat(this.dir);
      return [];
    }
  }

  /** Spread over 256 folders, so that a listing stays short with 100,000 grants. */
  #place(registration: string, connectionId: string): Place {
    const hash = createHash('sha256')
      .update(JSON.stringify([registration, connectionId]))
      .digest('hex');
    return { folder: join(this.dir, hash.slice(0, 2)), prefix: `${hash.slice(2, 34)}-` };
  }

  #run<Result>(connectionId: string | undefined, done: string, work: () => Promise<Result>): Promise<Result> {
    return this.#running.run(connectionId, async () => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) throw error;
        throw journalUnavailable(`The journal in ${this.dir} cannot be ${done}`, connectionId, error);
      }
    });
  }
}

async function writeNew(handle: FileHandle, path: string, bytes: Buffer): Promise<void> {
  try {
    await handle.writeFile(bytes);
  } catch (error) {
    // On a full disk the caller tries again and again: half a file each time would only fill it further.
    await handle.close().catch(() => {});
    await unlink(path).catch(() => {});
    throw error;
  }
  // A whole file stays also when the sync fails: it may be the only copy.
  await handle.sync().finally(() => handle.close());
}

/**
 * Adds to `seen` what it does not have yet, `null` for a file that was listed and is gone; then the answer is `false`.
 * What is no entry is not noted down: it may be one that is being written, and whole the next time.
 */
async function readNew(
  folder: string,
  names: readonly string[],
  seen: Map<string, Found | null>,
): Promise<boolean> {
  let complete = true;
  for (const name of names) {
    if (seen.has(name)) continue;
    const path = join(folder, name);
    try {
      const bytes = await readBounded(path);
      const entry = bytes?.at(-1) === 0x0a ? entryOf(bytes.subarray(0, -1)) : null;
      if (entry) seen.set(name, { ...entry, path });
    } catch (error) {
      const code = codeOf(error);
      if (NO_FILE.has(code)) continue;
      if (code !== 'ENOENT') throw error;
      complete = false;
      seen.set(name, null);
    }
  }
  return complete;
}

async function readBounded(path: string): Promise<Buffer | null> {
  const handle = await open(path, READ_FLAGS);
  try {
    const stats = await handle.stat();
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) return null;
    const bytes = Buffer.alloc(stats.size);
    let length = 0;
    while (length < bytes.byteLength) {
      const { bytesRead } = await handle.read(bytes, length, bytes.byteLength - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await handle.close();
  }
}
