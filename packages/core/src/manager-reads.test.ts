import { describe, expect, it, vi } from 'vitest';
import { BusyStore } from './busy-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';

const REVALIDATE_MS = 30_000;
const hanging = () => new Promise<never>(() => undefined);

describe('a connection in use', () => {
  it('is read again in the background at half its time, so that no call waits for that', async () => {
    const { bench, store, connection } = await Bench.connected(new BusyStore());
    const token = await connection.getAccessToken();
    const before = store.reads;
    await bench.clock.advance(REVALIDATE_MS / 2 - 1_000);
    await connection.getAccessToken();
    await bench.clock.settle(20);
    expect(store.reads).toBe(before);
    await bench.clock.advance(1_000);
    await connection.getAccessToken();
    await bench.clock.settle(20);
    expect(store.reads).toBe(before + 1);
    await bench.clock.advance(REVALIDATE_MS / 2);
    store.read = hanging;
    let answer: string | null = null;
    connection.getAccessToken().then(
      (given) => {
        answer = given;
      },
      () => undefined,
    );
    await bench.clock.settle(20);
    expect(answer).toBe(token);
  });
});

describe('a read that never ends', () => {
  it('F43 does not stand in the way of those that follow', async () => {
    const { bench, store, connection, start } = await Bench.connected(new BusyStore());
    const token = await connection.getAccessToken();
    const read = store.read.bind(store);
    const ann = start().connection('ann');
    store.read = hanging;
    const first = ann.getAccessToken({ waitMs: 2_000 });
    await expect(bench.clock.advanceUntil(first)).rejects.toMatchObject({ code: 'store_unavailable' });
    store.read = read;
    await bench.clock.advance(10_000);
    expect(await ann.getAccessToken()).toBe(token);
  });
});

describe('a read that was asked before a refresh and is answered after it', () => {
  it('is no word of a store that fell back: nothing is renewed once more', async () => {
    const { bench, store, connection } = await Bench.connected(new BusyStore());
    await connection.getAccessToken();
    await bench.clock.advance(25 * MINUTE);
    await connection.status();
    const read = store.read.bind(store);
    const answered = Promise.withResolvers<void>();
    store.read = async (key) => {
      store.read = read;
      const answer = await read(key);
      await answered.promise;
      return answer;
    };
    const status = connection.status();
    await bench.clock.advance(10);
    await connection.getAccessToken();
    await vi.waitFor(() => expect(bench.named('refreshed')).toHaveLength(1));
    await bench.clock.advance(10);
    answered.resolve();
    expect((await status).generation).toBe(2);
    for (let seconds = 0; seconds < 10; seconds += 1) await bench.clock.advance(1_000);
    expect(bench.refreshes).toBe(1);
  });
});
