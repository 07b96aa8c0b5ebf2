import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type CasResult, ConfigurationError, isHighQError } from '@hq-oauth/core';
import { ManualClock } from '@hq-oauth/core/testing';
import { describe, expect, it } from 'vitest';
import { Child } from './child.fixture.ts';
import { openDatabase } from './database-file.ts';
import { REGISTRATION } from './registration.fixture.ts';
import { SqliteStore, sqliteStore } from './sqlite-store.ts';
import { sharedFolder, testFolder } from './test-folder.fixture.ts';

const KEY = { registration: REGISTRATION, kind: 'grant', id: 'u' } as const;
const VALUE = { body: '{}', state: 'connected', dueAt: null, expiresAt: null } as const;
const NOBODY = 65_534;

/** The message of the refusal, which must name the option and the path. */
function refusalOf(path: string): string {
  try {
    sqliteStore({ path });
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    expect(error.problems).toHaveLength(1);
    expect(error.problems[0]?.option).toBe('store.path');
    expect(error.message).toContain(path);
    return error.message;
  }
  throw new Error(`${path} was accepted`);
}

describe('opening a file', () => {
  it('creates it for its owner only, log and index too', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(KEY, null, VALUE);
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      expect([file, (statSync(file).mode & 0o777).toString(8)]).toEqual([file, '600']);
    }
    await store.close();
  });

  it('creates what a symbolic link leads to for its owner only, too', async () => {
    const folder = testFolder();
    const [path, target] = [join(folder, 'link.db'), join(folder, 'target.db')];
    symlinkSync(target, path);
    const store = sqliteStore({ path });
    await store.cas(KEY, null, VALUE);
    expect((statSync(target).mode & 0o777).toString(8)).toBe('600');
    await store.close();
  });

  it('refuses by path and cause what cannot be reached, and a damaged file', async () => {
    const folder = testFolder();
    expect(refusalOf(join(folder, 'x'.repeat(300), 'tokens.db'))).toMatch(/cannot be reached \(ENAMETOOLONG/);
    const path = join(folder, 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(KEY, null, VALUE);
    await store.close();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xff, 100, 4096));
    expect(refusalOf(path)).toMatch(/the file is damaged\. Restore it from a backup/);
  });

  it('F54 sets what a power loss needs: WAL with synchronous=FULL', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    const store = new SqliteStore(database, file);
    await store.cas(KEY, null, VALUE);
    const pragma = (name: string): unknown =>
      Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('synchronous')).toBe(2);
    expect(pragma('fullfsync')).toBe(1);
    await store.close();
  });

  it('F53 lets SQLite itself wait no longer than 20 ms for a lock', () => {
    const { database } = openDatabase(join(testFolder(), 'tokens.db'));
    const { timeout } = database.prepare('PRAGMA busy_timeout').get() ?? {};
    expect(timeout).toBeGreaterThan(0);
    expect(timeout).toBeLessThanOrEqual(20);
    database.close();
  });

  it.each(['-journal', '-wal', '-shm', '-Journal'])('refuses a name that ends in %s', async (end) => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(KEY, null, VALUE);
    await store.close();
    // As the store of a journal it would be gone with the next look into the one beside it.
    expect(refusalOf(`${path}${end}`)).toContain('would be deleted');
    expect(existsSync(`${path}${end}`)).toBe(false);
    const beside = sqliteStore({ path: `${path}.journal` });
    await beside.cas(KEY, null, VALUE);
    await beside.close();
    const again = sqliteStore({ path });
    expect((await again.read(KEY)).row).not.toBeNull();
    await again.close();
    const besideAgain = sqliteStore({ path: `${path}.journal` });
    expect((await besideAgain.read(KEY)).row).not.toBeNull();
    await besideAgain.close();
  });

  it.each(['-journal', '-wal', '-shm'])('names the folder that has a name of SQLite’s, %s', (end) => {
    const path = join(testFolder(), 'tokens.db');
    mkdirSync(`${path}${end}`);
    expect(refusalOf(path)).toContain(`${path}${end} is a folder`);
  });

  it('finds its rows again, and runs its migrations once', async () => {
    const path = join(testFolder(), 'tokens.db');
    let rev: number | null = null;
    for (let round = 1; round <= 3; round += 1) {
      const store = sqliteStore({ path });
      const result: CasResult = await store.cas(KEY, rev, VALUE);
      expect(result.ok && result.rev).toBeGreaterThan(rev ?? 0);
      rev = result.ok ? result.rev : null;
      await store.close();
    }
  });

  it('takes a name that SQLite would read as a URI for a name', async () => {
    const folder = testFolder();
    const path = join(folder, 'file:tokens?mode=memory.db');
    const store = sqliteStore({ path });
    await store.cas(KEY, null, VALUE);
    await store.close();
    expect(statSync(path).size).toBeGreaterThan(0);
  });

  it('goes by the clock of the manager that binds it, unless it was given one', async () => {
    const own = new ManualClock({ now: 1000 });
    const managers = new ManualClock({ now: 2000 });
    const stores = [sqliteStore({ path: ':memory:' }), sqliteStore({ path: ':memory:', clock: own })];
    for (const store of stores) store.bindClock?.(managers);
    const instants = await Promise.all(stores.map(async (store) => (await store.cas(KEY, null, VALUE)).now));
    expect(instants).toEqual([2000, 1000]);
    for (const store of stores) await store.close();
  });
});

describe('refusing a path', () => {
  it('names the folder that does not exist', () => {
    const folder = join(testFolder(), 'missing');
    expect(refusalOf(join(folder, 'tokens.db'))).toContain(`Create ${folder} first`);
  });

  it('says when the folder is a file, the file a folder, or the path no path', () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'file'), '');
    mkdirSync(join(folder, 'folder'));
    expect(refusalOf(join(folder, 'file', 'tokens.db'))).toContain('is not a folder');
    expect(refusalOf(join(folder, 'folder'))).toContain('is a folder');
    expect(refusalOf('')).toContain('is not a path');
    expect(() => sqliteStore({ path: 'tokens\0.db' })).toThrow('is not a path');
  });

  it.each([
    ['a short text', 'hello'],
    ['a long text', 'not a database\n'.repeat(1000)],
    ['zeros', '\0'.repeat(8192)],
  ])('leaves a file that is not a database as it is: %s', (_title, content) => {
    const path = join(testFolder(), 'notes.txt');
    writeFileSync(path, content);
    expect(refusalOf(path)).toContain('is not an SQLite database. Choose another path');
    expect(readFileSync(path, 'utf8')).toBe(content);
  });

  it('leaves the database of another program as it is', () => {
    const path = join(testFolder(), 'shop.db');
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE orders (id INTEGER)');
    database.close();
    const before = readFileSync(path);
    expect(refusalOf(path)).toContain('is the SQLite database of another program');
    expect(readFileSync(path)).toEqual(before);
  });

  it('leaves a file of a later version as it is', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(KEY, null, VALUE);
    await store.close();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    const before = readFileSync(path);
    expect(refusalOf(path)).toMatch(/later version .*schema 99.*Update the package/);
    expect(readFileSync(path)).toEqual(before);
  });

  it('refuses a file that became another one between opening and first use', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE orders (id INTEGER)');
    database.close();
    const error: unknown = await store.cas(KEY, null, VALUE).catch((reason: unknown) => reason);
    expect(isHighQError(error) && error.code).toBe('configuration');
    await store.close();
  });

  it.each(['folder', 'file'])('F53 says that it has no right to write the %s', async (what) => {
    const folder = sharedFolder();
    const path = join(folder, 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(KEY, null, VALUE);
    await store.close();
    const isRoot = process.getuid?.() === 0;
    if (isRoot) for (const entry of [folder, path]) chownSync(entry, NOBODY, NOBODY);
    const denied = what === 'folder' ? folder : path;
    chmodSync(denied, 0o500);
    // Nothing is denied to root.
    const child = new Child(isRoot ? { userId: NOBODY } : {});
    const answer = await child.ask({ do: 'open', path });
    await child.kill();
    chmodSync(denied, 0o700);
    expect(answer).toMatchObject({ code: 'configuration' });
    expect(JSON.stringify(answer)).toContain(`this process has no right to read and write ${denied}`);
  });
});
