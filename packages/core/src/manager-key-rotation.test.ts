import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { TokenManager } from './contracts.ts';
import { fileJournal } from './file-journal.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { someKey } from './options.fixture.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import type { TokenStore } from './token-store.ts';

const PROCESSES = 4;
const CALLS = 5;
const CONNECTIONS = ['ann', 'bob', 'cy'];
const OLD = { id: 'old', key: someKey };
const NEW = { id: 'new', key: Buffer.alloc(32, 7).toString('hex') };

let bench: Bench;
afterEach(() => bench.close());

it('F74 processes are started again with the next ring, one after the other, while all are called and refresh: no call fails', async () => {
  const dir = await mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'journal-'));
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }], reuse: 'family-revoked' });
  const store = memoryStore();
  const start = (keys: readonly (typeof OLD)[]): TokenManager =>
    bench.manager({ store, journal: fileJournal({ dir }), encryption: { keys: [...keys] } });
  const processes = Array.from({ length: PROCESSES }, () => start([OLD]));
  for (const id of CONNECTIONS) await bench.signIn(processes[0]?.connection(id) ?? raise());

  let calls = 0;
  /** Every process is asked for every connection at once; whatever a call is refused with fails the test. */
  const callAll = (): Promise<unknown> =>
    Promise.all(
      processes.flatMap((manager) =>
        CONNECTIONS.flatMap((id) =>
          Array.from({ length: CALLS }, async () => {
            calls += 1;
            expect(await manager.connection(id).getAccessToken()).toBeTruthy();
          }),
        ),
      ),
    );
  let lives = 0;
  const expire = async (): Promise<void> => {
    lives += 1;
    await bench.clock.advance(30 * MINUTE);
  };

  await through(callAll());
  for (const ring of [
    [OLD, NEW],
    [NEW, OLD],
  ]) {
    for (let index = 0; index < PROCESSES; index += 1) {
      await expire();
      // It comes up, and the one before it ends, while the tokens of all are renewed.
      const before = processes[index];
      const calling = callAll();
      processes[index] = start(ring);
      await through(Promise.all([calling, callAll()]));
      await through(Promise.all([callAll(), before?.close()]));
    }
  }
  await expire();
  const resealing = Promise.all([processes[1]?.reseal(), callAll(), processes[2]?.reseal()]);
  expect((await through(resealing))[0]?.left).toEqual([]);
  // All that was under way is over, and nothing is left under the old key.
  await through(callAll());
  expect(await processes[3]?.reseal()).toEqual({ resealed: 0, left: [] });
  for (let index = 0; index < PROCESSES; index += 1) {
    await expire();
    const before = processes[index];
    const calling = callAll();
    processes[index] = start([NEW]);
    await through(Promise.all([calling, callAll()]));
    await through(Promise.all([callAll(), before?.close()]));
  }
  await expire();
  await through(callAll());

  expect(calls).toBeGreaterThan(2_000);
  const { ledger } = bench.emulator;
  expect(ledger.count({ kind: 'presented', tokenType: 'refresh' })).toBe(CONNECTIONS.length * lives);
  expect(ledger.presentedTwice()).toBe(0);
  expect(bench.named('reauthorizationRequired')).toEqual([]);
  expect(bench.named('anomaly')).toEqual([]);
});

it('F74 a refresh that lands while its row is sealed anew stands, and is what is sealed anew', async () => {
  bench = await Bench.open();
  const store = memoryStore();
  const start = (keys: readonly (typeof OLD)[], on: TokenStore = store): TokenManager =>
    bench.manager({ store: on, encryption: { keys: [...keys] } });
  const added = start([OLD, NEW]).connection('ann');
  await bench.signIn(added);
  const refreshed: string[] = [];
  const sealing = start([NEW, OLD], {
    name: store.name,
    read: (key) => store.read(key),
    async cas(key, expectedRev, next) {
      if (refreshed.length === 0) {
        refreshed.push('');
        await added.refresh({ force: true });
        refreshed[0] = await added.getAccessToken();
      }
      return store.cas(key, expectedRev, next);
    },
    now: () => store.now(),
    list: (query) => store.list(query),
    close: async () => {},
  });
  expect(await sealing.reseal()).toEqual({ resealed: 1, left: [] });
  const retired = start([NEW]).connection('ann');
  expect(await retired.getAccessToken()).toBe(refreshed[0]);
  expect(await retired.status()).toMatchObject({ generation: 2, state: 'active' });
  expect(bench.emulator.ledger.presentedTwice()).toBe(0);
});

/** Who waits for another process's refresh looks again by the clock, which is moved as little as it takes. */
async function through<T>(work: Promise<T>): Promise<T> {
  let open = true;
  const ended = work.finally(() => {
    open = false;
  });
  ended.catch(() => {});
  while (open) {
    // The disk has its time: a wait that ran out beside it would be no failed call.
    await bench.clock.settle(50);
    await bench.clock.advance(5);
  }
  return ended;
}

function raise(): never {
  throw new Error('there are no processes');
}

it('F108 F73 another account reaches a process that has not got the key yet: what it has in memory is served no longer', async () => {
  const opened = await Bench.connected(memoryStore(), { encryption: { keys: [OLD] } });
  ({ bench } = opened);
  const { connection, start } = opened;
  const promoted = start({ encryption: { keys: [NEW, OLD] } }).connection('ann');
  await promoted.refresh({ force: true });
  await bench.clock.advance(MINUTE);
  // The same grant is served on: a missing key is no outage.
  const served = await connection.getAccessToken();
  await bench.signIn(promoted, 'limited@clientname.com');
  await bench.clock.advance(MINUTE);
  await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'record_unreadable' });
  await expect(connection.status()).rejects.toMatchObject({ code: 'record_unreadable' });
  expect(served).not.toBe(await promoted.getAccessToken());
});

it('I9 F46 a store that has lost the row of that account since is an outage like any other', async () => {
  const restored = new RestoredStore();
  const empty = restored.backUp();
  const opened = await Bench.connected(new FlakyStore(restored), { encryption: { keys: [OLD] } });
  ({ bench } = opened);
  const { connection, start, store } = opened;
  const token = await connection.getAccessToken();
  const promoted = start({ encryption: { keys: [NEW, OLD] } }).connection('ann');
  await bench.clock.advance(MINUTE);
  await bench.signIn(promoted, 'limited@clientname.com');
  await bench.clock.advance(MINUTE);
  await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'record_unreadable' });
  await empty();
  await bench.clock.advance(MINUTE);
  expect(await connection.getAccessToken()).toBe(token);
  store.down = true;
  await bench.clock.advance(MINUTE);
  expect(await connection.getAccessToken()).toBe(token);
});
