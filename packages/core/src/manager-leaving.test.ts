import { afterEach, describe, expect, it, vi } from 'vitest';
import { BusyStore } from './busy-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';

const LIFE = 30 * MINUTE;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
afterEach(() => bench.close());

describe("background: 'await', and callers who leave", () => {
  async function open() {
    const store = new BusyStore();
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
    const connection = bench
      .manager({ store, canary: false, refresh: { background: 'await' } })
      .connection('ann');
    await bench.signIn(connection, 'limited@clientname.com');
    await bench.clock.settle(20);
    return { store, connection };
  }

  it('F112 one of a call whose token may be dead is answered when its renewal is over', async () => {
    const { store, connection } = await open();
    await bench.clock.advance(10 * MINUTE);
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 5_000, times: 1 });
    const leaving = new AbortController();
    let hasLeft = false;
    const call = connection.fetch('6/organisations', { signal: leaving.signal }).catch((error) => {
      hasLeft = true;
      return error;
    });
    await bench.presented(1);
    leaving.abort(new Error('enough'));
    await bench.clock.settle(50);
    expect({ hasLeft, generation: store.writtenGeneration }).toEqual({ hasLeft: false, generation: 1 });
    await bench.clock.advance(5_000);
    expect(await call).toMatchObject({ message: 'enough' });
    expect({ generation: store.writtenGeneration, underWay: store.underWay }).toEqual({
      generation: 2,
      underWay: 0,
    });
  });

  it('F112 the client’s own time-out leaves the refresh of a call the time that it may take', async () => {
    const { connection } = await open();
    const timers = vi.spyOn(globalThis, 'setTimeout');
    await connection.client.get('6/sites');
    const longest = Math.max(...timers.mock.calls.map(([, ms = 0]) => ms));
    timers.mockRestore();
    expect(longest).toBe(15_000 + 110_000 + 10_000);
  });

  it.each([
    ['has no patience', { waitMs: 0 }],
    ['leaves', { waitMs: 15_000 }],
  ])('F112 a revalidation is over also where its caller %s', async (_, request) => {
    const leaving = new AbortController();
    const { store, connection } = await open();
    await bench.clock.advance(20_000);
    const gate = Promise.withResolvers<void>();
    const read = store.read.bind(store);
    store.read = async (key) => {
      await gate.promise;
      return read(key);
    };
    let isBack = false;
    const back = (): void => {
      isBack = true;
    };
    const call = connection.getAccessToken({ ...request, signal: leaving.signal }).then(back, back);
    if (request.waitMs > 0) leaving.abort();
    await bench.clock.advance(1_000);
    expect(isBack).toBe(false);
    gate.resolve();
    await call;
    expect(store.underWay).toBe(0);
  });
});

describe('the one try of an open breaker', () => {
  it('F106 F19 shuts the others out for little longer than it takes', async () => {
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
    const manager = bench.manager();
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (const id of ids) await bench.signIn(manager.connection(id));
    const call = (id: string): Promise<unknown> =>
      manager
        .connection(id)
        .getAccessToken()
        .then(
          () => 'token',
          ({ code }) => code,
        );
    bench.emulator.faults.add({ match: REFRESH, kind: 'status', status: 502 });
    await bench.clock.advance(LIFE);
    for (const id of ids.slice(0, 5)) expect(await call(id)).toBe('rotation_uncertain');
    expect(await call('f')).toBe('token_endpoint');
    bench.emulator.faults.clear();
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 500, times: 1 });
    await bench.clock.advance(31_000);
    const before = bench.refreshes;
    const tried = manager.connection('f').getAccessToken();
    await bench.presented(before + 1);
    expect(await call('g')).toBe('token_endpoint');
    await bench.clock.advance(10_000);
    await tried;
    expect(await call('g')).toBe('token');
  });
});
