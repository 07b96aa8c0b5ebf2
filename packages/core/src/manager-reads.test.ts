import { describe, expect, it } from 'vitest';
import { BusyStore } from './busy-store.fixture.ts';
import { Bench } from './manager.fixture.ts';

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
