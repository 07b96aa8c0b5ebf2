import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { type StoreKey, StoreUnavailableError, type StoreValue, type TokenStore } from '@hq-oauth/core';
import { ManualClock } from '@hq-oauth/core/testing';
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

/** Writes over `expectedRev` (`null`: none), and returns the new revision; throws when it was refused. */
async function write(
  store: TokenStore,
  at: StoreKey,
  expectedRev: number | null,
  next = VALUE,
): Promise<number> {
  const result = await store.cas(at, expectedRev, next);
  if (!result.ok) throw new Error('the row is at another revision');
  return result.rev;
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
    await write(store, key('u'), null);
    const locker = start();
    expect(await locker.ask({ do: 'lock', path })).toBe('locked');

    let written = 0;
    const writes = Array.from({ length: 20 }, (_, index) =>
      store.cas(key(`new ${index}`), null, VALUE).then((result) => {
        written += 1;
        return result;
      }),
    );
    const delays: number[] = [];
    for (let window = 0; window < 6; window += 1) {
      const delay = monitorEventLoopDelay({ resolution: 1 });
      delay.enable();
      const reads = await turns(120, async () => {
        expect((await store.read(key('u'))).row?.body).toBe(SECRET);
      });
      delay.disable();
      expect(reads).toBeGreaterThan(2);
      delays.push(delay.max / 1e6);
    }
    expect(written).toBe(0);
    // A wait inside SQLite would fall into each window; a machine that is busy with other things spares some.
    expect(Math.min(...delays)).toBeLessThan(50);

    expect(await locker.ask({ do: 'unlock' })).toBe('unlocked');
    for (const result of await Promise.all(writes)) expect(result).toMatchObject({ ok: true });
    await store.close();
  });

  it('F53 is read by a process that starts meanwhile', async () => {
    const path = join(testFolder(), 'tokens.db');
    const first = sqliteStore({ path });
    await write(first, key('u'), null);
    const locker = new DatabaseSync(path);
    locker.exec('BEGIN IMMEDIATE');
    const { database, file } = openDatabase(path);
    const store = new SqliteStore(database, file, undefined, 60);
    expect((await store.read(key('u'))).row?.body).toBe(SECRET);
    locker.exec('ROLLBACK');
    locker.close();
    await first.close();
    await store.close();
  });

  it('F53 fails what has waited as long as the first in one turn, without a try for each', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    let begun = 0;
    const prepare = database.prepare.bind(database);
    database.prepare = (sql, ...rest) => {
      const statement = prepare(sql, ...rest);
      if (!sql.startsWith('BEGIN')) return statement;
      const run = statement.run.bind(statement);
      statement.run = () => {
        begun += 1;
        return run();
      };
      return statement;
    };
    const store = new SqliteStore(database, file, undefined, 60);
    await write(store, key('u'), null);
    const locker = new DatabaseSync(file);
    locker.exec('BEGIN IMMEDIATE');
    begun = 0;
    const errors = await Promise.all(
      Array.from({ length: 500 }, (_, index) => rejectionOf(store.cas(key(`n${index}`), null, VALUE))),
    );
    for (const { message } of errors) expect(message).toContain('another process keeps it locked');
    expect(begun).toBeGreaterThan(0);
    expect(begun).toBeLessThan(100);
    locker.exec('ROLLBACK');
    locker.close();
    await store.close();
  });

  it('F53 rejects when it stays locked, having written nothing, and works again afterwards', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    const store = new SqliteStore(database, file, undefined, 60);
    const rev = await write(store, key('u'), null);
    const locker = new DatabaseSync(file);
    locker.exec('BEGIN IMMEDIATE');
    const errors = await Promise.all([1, 2, 3].map(() => rejectionOf(store.cas(key('u'), rev, VALUE))));
    for (const { message } of errors) expect(message).toContain('another process keeps it locked');
    locker.exec('ROLLBACK');
    locker.close();
    expect((await store.read(key('u'))).row?.rev).toBe(rev);
    expect(await write(store, key('u'), rev)).toBeGreaterThan(rev);
    await store.close();
  });

  it('F53 does not repeat a write that met a lock after it had begun', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    // Waiting for the lock would outlast the test.
    const store = new SqliteStore(database, file, undefined, 3_600_000);
    const rev = await write(store, key('u'), null);
    // Without the log, a reader can stand in the way of a commit.
    database.exec('PRAGMA journal_mode = DELETE');
    const reader = new DatabaseSync(file);
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM hq_row').get();
    const error = await rejectionOf(store.cas(key('u'), rev, VALUE));
    expect(error.message).toContain('another process keeps it locked');
    reader.exec('ROLLBACK');
    reader.close();
    expect((await store.read(key('u'))).row?.rev).toBe(rev);
    expect(await write(store, key('u'), rev)).toBeGreaterThan(rev);
    await store.close();
  });

  it('F53 opens a file that is locked from the start, and waits with its first operation', async () => {
    const path = join(testFolder(), 'tokens.db');
    const locker = new DatabaseSync(path);
    locker.exec('BEGIN EXCLUSIVE');
    const store = sqliteStore({ path });
    let done = false;
    const first = store.cas(key('u'), null, VALUE).finally(() => {
      done = true;
    });
    await turns(50, async () => {});
    expect(done).toBe(false);
    locker.exec('ROLLBACK');
    locker.close();
    expect(await first).toMatchObject({ ok: true });
    await store.close();
  });

  it('carries out what it had accepted before it closes', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    const rev = await write(store, key('u'), null);
    const locker = new DatabaseSync(path);
    locker.exec('BEGIN IMMEDIATE');
    const accepted = store.cas(key('u'), rev, VALUE);
    const closed = store.close();
    await rejectionOf(store.read(key('u')));
    locker.exec('ROLLBACK');
    locker.close();
    const result = await accepted;
    expect(result.ok && result.rev).toBeGreaterThan(rev);
    await closed;
  });
});

describe('a busy store', () => {
  it('lets the event loop turn during 3,000 writes that were asked for at once', async () => {
    const store = sqliteStore({ path: join(testFolder(), 'tokens.db') });
    await store.cas(key('u'), null, VALUE);
    let written = 0;
    const writes = Array.from({ length: 3000 }, async (_, index) => {
      await store.cas(key(`${index}`), null, VALUE);
      written += 1;
    });
    const most: number[] = [];
    for (let before = written; written < writes.length; before = written) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      most.push(written - before);
    }
    await Promise.all(writes);
    // 5 ms of each turn; no disk takes 1,000 flushes in that.
    expect(Math.max(...most)).toBeLessThan(1000);
    await store.close();
  });
});

describe('a file that cannot be written', () => {
  it('F53 rejects writes to a read-only file, and still reads it', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    const rev = await write(store, key('u'), null);
    const { database } = openDatabase(path);
    const reader = new SqliteStore(database, path);
    expect((await reader.read(key('u'))).row?.rev).toBe(rev);
    database.exec('PRAGMA query_only = ON');
    const error = await rejectionOf(reader.cas(key('u'), rev, VALUE));
    expect(error.message).toContain('it is read-only. Give this process the right');
    expect((await reader.read(key('u'))).row?.rev).toBe(rev);
    await reader.close();
    await store.close();
  });

  it('F53 rejects when there is no more room, keeps what it has, and goes on when there is', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    const store = new SqliteStore(database, file);
    const rev = await write(store, key('u'), null);
    database.exec('PRAGMA max_page_count = 20');
    const large = { ...VALUE, body: SECRET.padEnd(200_000, '.') };
    const error = await rejectionOf(store.cas(key('u'), rev, large));
    expect(error.message).toContain('the disk is full');
    expect((await store.read(key('u'))).row).toEqual({ ...VALUE, rev });
    database.exec('PRAGMA max_page_count = 100000');
    expect(await write(store, key('u'), rev, large)).toBeGreaterThan(rev);
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
    for (const id of acknowledged) expect((await store.read(key(id))).row).not.toBeNull();
    await store.close();
  });
});

describe('logins that were given up', () => {
  it('are removed by later writes, a few at a time', async () => {
    const { database, file } = openDatabase(join(testFolder(), 'tokens.db'));
    const clock = new ManualClock();
    const store = new SqliteStore(database, file, clock);
    const count = (): unknown =>
      Object.values(database.prepare('SELECT count(*) FROM hq_row').get() ?? {})[0];
    const expiresAt = clock.now() + 1000;
    for (let index = 0; index < 50; index += 1) {
      await store.cas({ ...key(`${index}`), kind: 'login' }, null, { ...VALUE, expiresAt });
    }
    // What holds tokens stays, whatever its expiresAt says.
    await store.cas(key('u'), null, { ...VALUE, expiresAt });
    await clock.advance(999);
    let rev = await write(store, key('v'), null);
    expect(count()).toBe(52);
    await clock.advance(1);
    const counts: unknown[] = [];
    for (let round = 1; round <= 4; round += 1) {
      rev = await write(store, key('v'), rev);
      counts.push(count());
    }
    expect(counts).toEqual([32, 12, 2, 2]);
    await store.close();
  });
});

describe('a file that fell back to an older state', () => {
  it('F45 F72 sqlite: refuses who saw a write that is gone, after as many new ones', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    const kept = await write(store, key('u'), null);
    const lost: number[] = [];
    for (let rev = kept; lost.length < 20; lost.push(rev)) rev = await write(store, key('u'), rev);
    // A store does not fall back and go on within one millisecond.
    for (const now = await store.now(); (await store.now()) < now + 2; );
    // Another connection makes the row what a restored backup would.
    const backup = new DatabaseSync(path);
    backup.prepare('UPDATE hq_row SET rev = ?').run(kept);
    backup.close();
    let rev = kept;
    for (const stale of lost) {
      rev = await write(store, key('u'), rev);
      expect(lost).not.toContain(rev);
      expect(await store.cas(key('u'), stale, VALUE)).toMatchObject({ ok: false, row: { rev } });
    }
    await store.close();
  });

  it('F45 F72 sqlite: counts on by chance from a row that is ahead of its clock', async () => {
    const store = sqliteStore({ path: join(testFolder(), 'tokens.db') });
    store.bindClock?.(new ManualClock({ now: 2_000_000_000_000 }));
    const ahead = await write(store, key('u'), null);
    store.bindClock?.(new ManualClock({ now: 1_700_000_000_000 }));
    const steps = new Set<number>();
    for (let rev = ahead, count = 0; count < 20; count += 1) {
      const next = await write(store, key('u'), rev);
      steps.add(next - rev);
      rev = next;
    }
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(steps.size).toBeGreaterThan(5);
    await store.close();
  });
});

describe('a clock that shows nonsense', () => {
  it.each([1e14, 1e16, 1e300])(
    'F45 sqlite: by %d makes no revision that cannot be expected again',
    async (now) => {
      const store = sqliteStore({ path: join(testFolder(), 'tokens.db') });
      store.bindClock?.(new ManualClock({ now: 1_700_000_000_000 }));
      const first = await write(store, key('u'), null);
      store.bindClock?.(new ManualClock({ now }));
      const ahead = await write(store, key('u'), first);
      const other = await write(store, key('v'), null);
      store.bindClock?.(new ManualClock({ now: 1_700_000_000_000 }));
      expect(await write(store, key('u'), ahead)).toBeGreaterThan(ahead);
      expect(await write(store, key('v'), other)).toBeGreaterThan(other);
      expect(Number.isSafeInteger((await store.read(key('u'))).row?.rev)).toBe(true);
      await store.close();
    },
  );
});
