import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { BusyStore } from './busy-store.fixture.ts';
import { Bench, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { storeJournal } from './store-journal.ts';

const LIFE = 30 * MINUTE;
let bench: Bench;
let store: BusyStore;
afterEach(async () => {
  store.down = false;
  store.refused.clear();
  await bench.close();
});

async function connected(options: ManagerOptions = {}) {
  const opened = await Bench.connected(new BusyStore(), options);
  ({ bench, store } = opened);
  return opened;
}

const presented = (): number => bench.refreshes;

describe("background: 'await'", () => {
  /** What a platform that stops the process at this instant would cut off. */
  const nothingInFlight = (journal: BusyStore): void => {
    expect({ store: store.underWay, journal: journal.underWay, timers: bench.clock.pendingTimers }).toEqual({
      store: 0,
      journal: 0,
      timers: 0,
    });
  };

  async function frozenAfterEachCall() {
    const journal = new BusyStore();
    const { manager, connection } = await connected({
      journal: storeJournal(journal),
      refresh: { background: 'await' },
    });
    await bench.clock.settle(20);
    return { manager, connection, journal };
  }

  it('F112 a renewal in the should window is over, journal and store written, when the caller has its token', async () => {
    const { connection, journal } = await frozenAfterEachCall();
    await bench.clock.advance(LIFE - 3 * MINUTE);
    const token = await connection.getAccessToken();
    nothingInFlight(journal);
    expect(presented()).toBe(1);
    expect(store.writtenGeneration).toBe(2);
    expect(token).toBe(bench.emulator.ledger.filter({ kind: 'issued', tokenType: 'access' }).at(-1)?.token);
  });

  it('F112 a renewal that the caller could not do without is over too', async () => {
    const { connection, journal } = await frozenAfterEachCall();
    await bench.clock.advance(LIFE);
    await connection.getAccessToken();
    nothingInFlight(journal);
    expect(store.writtenGeneration).toBe(2);
  });

  it('F112 a revalidation is over', async () => {
    const { connection, journal } = await frozenAfterEachCall();
    await bench.clock.advance(MINUTE);
    const reads = store.reads;
    await connection.getAccessToken();
    nothingInFlight(journal);
    expect(store.reads).toBe(reads + 1);
  });

  it('F112 when fifty callers at once have their tokens, all is done', async () => {
    const { connection, journal } = await frozenAfterEachCall();
    await bench.clock.advance(LIFE - 3 * MINUTE);
    await Promise.all(Array.from({ length: 50 }, () => connection.getAccessToken()));
    nothingInFlight(journal);
    expect(presented()).toBe(1);
    expect(store.writtenGeneration).toBe(2);
  });

  it('F112 refresh() and fetch() leave nothing behind either', async () => {
    const { connection, journal } = await frozenAfterEachCall();
    await connection.refresh({ force: true });
    nothingInFlight(journal);
    await bench.clock.advance(LIFE);
    await (await connection.fetch('6/sites')).arrayBuffer();
    nothingInFlight(journal);
    expect(presented()).toBe(2);
  });

  it('F112 a function is handed everything that outlives the call', async () => {
    const handed: Promise<unknown>[] = [];
    const { connection } = await connected({ refresh: { background: (work) => void handed.push(work) } });
    await bench.clock.settle(20);
    await bench.clock.advance(LIFE - 3 * MINUTE);
    await connection.getAccessToken();
    expect(handed.length).toBeGreaterThan(0);
    await Promise.all(handed);
    expect(store.underWay).toBe(0);
    expect(store.writtenGeneration).toBe(2);
  });

  it('F60g a function that fails later does not end the program', async () => {
    const failed: unknown[] = [];
    const { connection } = await connected({
      refresh: {
        background: async () => {
          throw new Error('the platform takes no more work');
        },
      },
      logger: { error: (text) => void failed.push(text) },
    });
    await bench.clock.advance(LIFE);
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(failed.join()).toContain('the function for background work failed');
  });

  it('F60g nor does one whose promise is of another realm', async () => {
    const failed: unknown[] = [];
    const { connection } = await connected({
      refresh: { background: () => runInNewContext('Promise.reject(new Error("no more work"))') },
      logger: { error: (text) => void failed.push(text) },
    });
    await bench.clock.advance(LIFE);
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(failed.join()).toContain('the function for background work failed');
  });
});
