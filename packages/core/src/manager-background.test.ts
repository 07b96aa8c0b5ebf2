import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { BusyStore } from './busy-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { storeJournal } from './store-journal.ts';

const LIFE = 30 * MINUTE;

describe("background: 'await'", () => {
  async function frozenAfterEachCall() {
    const journal = new BusyStore();
    const opened = await Bench.connected(new BusyStore(), {
      journal: storeJournal(journal),
      refresh: { background: 'await' },
    });
    const { bench, store } = opened;
    await bench.clock.settle(20);
    /** What a platform that stops the process at this instant would cut off. */
    const nothingInFlight = (): void => {
      const underWay = {
        store: store.underWay,
        journal: journal.underWay,
        timers: bench.clock.pendingTimers,
      };
      expect(underWay).toEqual({ store: 0, journal: 0, timers: 0 });
    };
    return { ...opened, nothingInFlight };
  }

  it('F112 a renewal in the should window is over, journal and store written, when the caller has its token', async () => {
    const { bench, store, connection, nothingInFlight } = await frozenAfterEachCall();
    await bench.clock.advance(LIFE - 3 * MINUTE);
    const token = await connection.getAccessToken();
    nothingInFlight();
    expect(bench.refreshes).toBe(1);
    expect(store.writtenGeneration).toBe(2);
    expect(token).toBe(bench.emulator.ledger.filter({ kind: 'issued', tokenType: 'access' }).at(-1)?.token);
  });

  it('F112 a renewal that the caller could not do without is over too', async () => {
    const { bench, store, connection, nothingInFlight } = await frozenAfterEachCall();
    await bench.clock.advance(LIFE);
    await connection.getAccessToken();
    nothingInFlight();
    expect(store.writtenGeneration).toBe(2);
  });

  it('F112 a revalidation is over', async () => {
    const { bench, store, connection, nothingInFlight } = await frozenAfterEachCall();
    await bench.clock.advance(MINUTE);
    const reads = store.reads;
    await connection.getAccessToken();
    nothingInFlight();
    expect(store.reads).toBe(reads + 1);
  });

  it('F112 when fifty callers at once have their tokens, all is done', async () => {
    const { bench, store, connection, nothingInFlight } = await frozenAfterEachCall();
    await bench.clock.advance(LIFE - 3 * MINUTE);
    await Promise.all(Array.from({ length: 50 }, () => connection.getAccessToken()));
    nothingInFlight();
    expect(bench.refreshes).toBe(1);
    expect(store.writtenGeneration).toBe(2);
  });

  it('F112 refresh() and fetch() leave nothing behind either', async () => {
    const { bench, connection, nothingInFlight } = await frozenAfterEachCall();
    await connection.refresh({ force: true });
    nothingInFlight();
    await bench.clock.advance(LIFE);
    await (await connection.fetch('6/sites')).arrayBuffer();
    nothingInFlight();
    expect(bench.refreshes).toBe(2);
  });

  it('F112 a function is handed everything that outlives the call', async () => {
    const handed: Promise<unknown>[] = [];
    const { bench, store, connection } = await Bench.connected(new BusyStore(), {
      refresh: { background: (work) => void handed.push(work) },
    });
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
    const { bench, connection } = await Bench.connected(new BusyStore(), {
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
    const { bench, connection } = await Bench.connected(new BusyStore(), {
      refresh: { background: () => runInNewContext('Promise.reject(new Error("no more work"))') },
      logger: { error: (text) => void failed.push(text) },
    });
    await bench.clock.advance(LIFE);
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(failed.join()).toContain('the function for background work failed');
  });
});
