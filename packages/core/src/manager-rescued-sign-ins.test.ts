import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, USER } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';
import { storeJournal } from './store-journal.ts';

const OTHER = 'limited@clientname.com';
let bench: Bench;
let store: FlakyStore;
let dir: string;

beforeEach(async () => {
  dir = await rescueFolder();
  bench = await Bench.open();
  store = new FlakyStore();
});
afterEach(async () => {
  store.down = false;
  vi.unstubAllEnvs();
  await bench.close();
});

const start = () => bench.manager({ store });

/** A sign-in whose answer comes when the store has gone, and a shutdown. `meanwhile`: while it is under way. */
async function signInAndStop(
  before: (connection: Connection) => Promise<void>,
  { confirm = false, meanwhile = async () => undefined as unknown } = {},
): Promise<void> {
  const manager = start();
  const connection = manager.connection('ann');
  await before(connection);
  const signIn = await bench.signingIn(connection, 1_000, { user: OTHER, confirm });
  await meanwhile();
  store.down = true;
  await bench.clock.advance(1_000);
  await bench.clock.settle(20);
  await bench.stop(manager);
  await bench.clock.advance(10_000);
  await signIn.ended;
  store.down = false;
}

const nothing = async (): Promise<void> => undefined;
const connected = (connection: Connection): Promise<void> => bench.signIn(connection, USER);
const left = async (connection: Connection): Promise<void> => {
  await connected(connection);
  await connection.disconnect();
};

describe('a sign-in whose store went away before it was written is found by the next start', () => {
  it.each([
    ['the first', nothing],
    ['after another account', connected],
    ['after a disconnect', left],
  ])('F44 F60f %s', async (_, before) => {
    await signInAndStop(before);
    expect(await filesIn(dir)).toHaveLength(1);
    const connection = start().connection('ann');
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(await connection.status()).toMatchObject({ state: 'active', userEmail: OTHER });
  });

  it.each([
    ['the first', nothing, 'pending'],
    ['beside another account', connected, 'active'],
    ['after a disconnect', left, 'pending'],
  ])('F44 F60f F82 %s, to be confirmed', async (_, before, state) => {
    await signInAndStop(before, { confirm: true });
    const connection = start().connection('ann');
    const status = await connection.status();
    expect(status).toMatchObject({ state, pending: { userEmail: OTHER } });
    expect(await connection.confirm()).toMatchObject({ state: 'active', userEmail: OTHER });
    expect(await connection.getAccessToken()).toBeTruthy();
  });

  it('F44 F82 an account that was rejected meanwhile does not come back', async () => {
    await signInAndStop(connected, { confirm: true });
    const connection = start().connection('ann');
    await connection.status();
    await connection.reject();
    const again = start().connection('ann');
    expect((await again.status()).pending).toBeUndefined();
    await expect(again.confirm()).rejects.toMatchObject({ reason: 'nothing_pending' });
  });

  it('F114 also when ten thousand others were used while its code was exchanged', {
    timeout: 120_000,
  }, async () => {
    await signInAndStop(nothing, {
      async meanwhile() {
        const [manager] = bench.managers;
        for (let n = 0; n < 10_100; n += 1) await manager?.connection(`other-${n}`).status();
      },
    });
    expect(await filesIn(dir)).toHaveLength(1);
    expect(await start().connection('ann').getAccessToken()).toBeTruthy();
  });
});

describe('a sign-in whose row another process sealed meanwhile with a key that is not here', () => {
  it('F73 I5 I12 leaves the row alone, says so, and is found by a process that has the key', async () => {
    const [older, newer] = [
      { id: 'k1', key: Buffer.alloc(32, 1).toString('hex') },
      { id: 'k2', key: Buffer.alloc(32, 2).toString('hex') },
    ];
    const behind = bench.manager({ store, encryption: { keys: [older] } });
    const connection = behind.connection('ann');
    await bench.signIn(connection, USER);
    const signIn = await bench.signingIn(connection, 60_000, { user: OTHER });
    const ahead = bench.manager({ store, encryption: { keys: [newer, older] } });
    await ahead.connection('ann').refresh({ force: true });
    const writes = store.writes.length;
    await bench.clock.advance(60_000);
    expect(await signIn.ended).toMatchObject({ code: 'record_unreadable', reason: 'unknown_key' });
    expect(store.writes).toHaveLength(writes);
    expect(bench.named('anomaly').map(({ anomaly }) => anomaly)).toContain('sign_in_not_written');
    expect(await filesIn(dir)).toHaveLength(1);
    const next = bench.manager({ store, encryption: { keys: [newer, older] } }).connection('ann');
    await next.getAccessToken();
    expect(await next.status()).toMatchObject({ state: 'active', userEmail: OTHER });
  });
});

describe('a person who left', () => {
  it('F45 F55 is not brought back by a row of an earlier time, where a journal knows better', async () => {
    const journal = storeJournal(memoryStore());
    const connection = bench.manager({ store, journal }).connection('ann');
    await bench.signIn(connection);
    await connection.refresh({ force: true });
    const earlier = store.writes.at(-1);
    const key = { registration: '', kind: 'grant', id: 'ann' } as const;
    const keys: (typeof key)[] = [];
    const read = store.read.bind(store);
    store.read = (asked) => {
      if (asked.kind === 'grant') keys.push(asked as typeof key);
      return read(asked);
    };
    await connection.disconnect();
    const own = keys.at(-1);
    if (!own || !earlier) throw new Error('nothing was read or written');
    const { row } = await read(own);
    await store.cas(own, row?.rev ?? null, earlier);
    const next = bench.manager({ store, journal }).connection('ann');
    await expect(next.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
    expect((await next.status()).state).toBe('disconnected');
    // Of the grant that was left nothing is kept.
    const entries = await journal.read(own.registration, 'ann');
    expect(entries.map(({ generation }) => generation)).toEqual([0]);
  });
});
