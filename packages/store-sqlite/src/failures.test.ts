import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { StoreUnavailableError, type StoreValue } from '@hq-oauth/core';
import { afterEach, describe, expect, it } from 'vitest';
import { Child } from './child.fixture.ts';
import { openDatabase } from './database-file.ts';
import { REGISTRATION } from './registration.fixture.ts';
import { SqliteStore, sqliteStore } from './sqlite-store.ts';
import { testFolder } from './test-folder.fixture.ts';

const SECRET = 'planted-body-of-a-row';
const VALUE: StoreValue = { body: SECRET, state: 'connected', dueAt: null, expiresAt: null };

const children: Child[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
});

function start(options: { limitKib?: number } = {}): Child {
  const child = new Child(options);
  children.push(child);
  return child;
}

function key(id: string): { registration: string; kind: 'grant'; id: string } {
  return { registration: REGISTRATION, kind: 'grant', id };
}

async function rejectionOf(promise: Promise<unknown>): Promise<StoreUnavailableError> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (!(error instanceof StoreUnavailableError))
    throw new Error('no StoreUnavailableError', { cause: error });
  expect(JSON.stringify(error) + String(error) + String(error.cause)).not.toContain(SECRET);
  return error;
}

/** Turns of the event loop for as long as `untilMs` says, by the machine's clock: locks and disks have no other. */
async function turns(untilMs: number, each: () => Promise<void>): Promise<number> {
  let count = 0;
  for (const from = performance.now(); performance.now() - from < untilMs; count += 1) {
    await each();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return count;
}

describe('a file that another process has locked', () => {
  it('F53 lets the event loop turn and reads go on, and writes once it is free', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(key('u'), null, VALUE);
    const locker = start();
    expect(await locker.ask({ do: 'lock', path })).toBe('locked');

    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    let written = 0;
    const writes = Array.from({ length: 20 }, (_, index) =>
      store.cas(key(`new ${index}`), null, VALUE).then((result) => {
        written += 1;
        return result;
      }),
    );
    const reads = await turns(600, async () => {
      expect((await store.read(key('u'))).row?.body).toBe(SECRET);
    });
    delay.disable();
    expect(written).toBe(0);
    expect(reads).toBeGreaterThan(20);
    expect(delay.max / 1e6).toBeLessThan(50);

    expect(await locker.ask({ do: 'unlock' })).toBe('unlocked');
    for (const result of await Promise.all(writes)) expect(result).toMatchObject({ ok: true, rev: 1 });
    await store.close();
  });

  it('F53 rejects when it stays locked, having written nothing, and works again afterwards', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    const store = new SqliteStore(database, file, undefined, 60);
    await store.cas(key('u'), null, VALUE);
    const locker = new DatabaseSync(file);
    locker.exec('BEGIN IMMEDIATE');
    const errors = await Promise.all([1, 2, 3].map(() => rejectionOf(store.cas(key('u'), 1, VALUE))));
    for (const { message } of errors) expect(message).toContain('another process keeps it locked');
    locker.exec('ROLLBACK');
    locker.close();
    expect((await store.read(key('u'))).row?.rev).toBe(1);
    expect(await store.cas(key('u'), 1, VALUE)).toMatchObject({ ok: true, rev: 2 });
    await store.close();
  });

  it('carries out what it had accepted before it closes', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(key('u'), null, VALUE);
    const locker = new DatabaseSync(path);
    locker.exec('BEGIN IMMEDIATE');
    const write = store.cas(key('u'), 1, VALUE);
    const closed = store.close();
    await rejectionOf(store.read(key('u')));
    locker.exec('ROLLBACK');
    locker.close();
    expect(await write).toMatchObject({ ok: true, rev: 2 });
    await closed;
  });
});

describe('a busy store', () => {
  it('lets the event loop turn during 3,000 writes that were asked for at once', async () => {
    const store = sqliteStore({ path: join(testFolder(), 'tokens.db') });
    await store.cas(key('u'), null, VALUE);
    const writes = Array.from({ length: 3000 }, (_, index) => store.cas(key(`${index}`), null, VALUE));
    let done = false;
    const all = Promise.all(writes).then(() => {
      done = true;
    });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await turns(100, async () => {});
    expect(done).toBe(false);
    await all;
    delay.disable();
    expect(delay.max / 1e6).toBeLessThan(50);
    await store.close();
  });
});

describe('a file that cannot be written', () => {
  it('F53 rejects writes to a read-only file, and still reads it', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    await store.cas(key('u'), null, VALUE);
    const { database } = openDatabase(path);
    const reader = new SqliteStore(database, path);
    expect((await reader.read(key('u'))).row?.rev).toBe(1);
    database.exec('PRAGMA query_only = ON');
    const error = await rejectionOf(reader.cas(key('u'), 1, VALUE));
    expect(error.message).toContain('it is read-only. Give this process the right');
    expect((await reader.read(key('u'))).row?.rev).toBe(1);
    await reader.close();
    await store.close();
  });

  it('F53 rejects when there is no more room, keeps what it has, and goes on when there is', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    const store = new SqliteStore(database, file);
    await store.cas(key('u'), null, VALUE);
    database.exec('PRAGMA max_page_count = 20');
    const large = { ...VALUE, body: SECRET.padEnd(200_000, '.') };
    const error = await rejectionOf(store.cas(key('u'), 1, large));
    expect(error.message).toContain('the disk is full');
    expect((await store.read(key('u'))).row).toEqual({ ...VALUE, rev: 1 });
    database.exec('PRAGMA max_page_count = 100000');
    expect(await store.cas(key('u'), 1, large)).toMatchObject({ ok: true, rev: 2 });
    await store.close();
  });

  it('F53 rejects when the system refuses to let the file grow, and loses nothing', async () => {
    const path = join(testFolder(), 'tokens.db');
    const child = start({ limitKib: 512 });
    expect(await child.ask({ do: 'open', path })).toBe('opened');
    const acknowledged: string[] = [];
    let failure: unknown = null;
    for (let index = 0; index < 100 && failure === null; index += 1) {
      const answer = await child.ask({ do: 'insert', id: `row ${index}`, bytes: 20_000 });
      if (typeof answer === 'object' && answer !== null && 'ok' in answer) acknowledged.push(`row ${index}`);
      else failure = answer;
    }
    expect(failure).toMatchObject({ code: 'store_unavailable' });
    await child.kill();
    expect(acknowledged.length).toBeGreaterThan(5);
    const store = sqliteStore({ path });
    for (const id of acknowledged) expect((await store.read(key(id))).row?.rev).toBe(1);
    await store.close();
  });
});
