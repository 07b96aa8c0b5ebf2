import { describe, expect, it, vi } from 'vitest';
import { BusyStore } from './busy-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { storeJournal } from './store-journal.ts';

const LIFE = 30 * MINUTE;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;

describe('a logger that throws', () => {
  it('F60g a logger that throws: every caller gets its answer, and no pair is lost', async () => {
    const fail = (): never => {
      throw new Error('by a logger');
    };
    const { bench, store, manager, connection, start } = await Bench.connected(new BusyStore(), {
      logger: { debug: fail, info: fail, warn: fail, error: fail },
    });
    bench.emulator.faults.add({ match: REFRESH, kind: 'rate-limit', retryAfter: 60, times: 1 });
    await bench.clock.advance(LIFE);
    const answer = connection.getAccessToken().catch((error: { reason?: unknown }) => error.reason);
    await bench.presented(1);
    await bench.clock.settle(50);
    await bench.clock.advance(15_000);
    expect(await answer).toBe('rate_limited');

    await bench.clock.advance(MINUTE);
    bench.emulator.switches.set({ expiresIn: 'missing' });
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(store.writtenGeneration).toBe(2);

    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 1_000, times: 1 });
    await bench.clock.advance(LIFE);
    const held = connection.getAccessToken();
    await bench.presented(3);
    store.refused.add('ann');
    await bench.clock.advance(1_000);
    const token = await held;
    expect(await manager.health()).toMatchObject({ unpersisted: 1 });
    store.refused.clear();
    await vi.waitFor(async () => {
      await bench.clock.advance(1_000);
      expect(store.writtenGeneration).toBe(3);
    });
    expect(await start().connection('ann').getAccessToken()).toBe(token);

    bench.emulator.revoke();
    await bench.clock.advance(LIFE);
    const refused = connection.getAccessToken().catch((error: { reason?: unknown }) => error.reason);
    await bench.presented(4);
    await bench.clock.settle(50);
    await bench.clock.advance(15_000);
    expect(await refused).toBe('revoked_or_expired');
  });

  it('F60g a logger that throws while the journal fails: the pair reaches the store', async () => {
    const fail = (): never => {
      throw new Error('by a logger');
    };
    const journal = new BusyStore();
    const { bench, store, connection } = await Bench.connected(new BusyStore(), {
      logger: { warn: fail, error: fail },
      journal: storeJournal(journal),
    });
    await bench.clock.advance(LIFE);
    journal.cas = () => Promise.reject(new Error('disk full'));
    const token = connection.getAccessToken().catch(() => undefined);
    await bench.presented(1);
    await bench.clock.settle(50);
    await bench.clock.advance(15_000);
    await token;
    await vi.waitFor(() => expect(store.writtenGeneration).toBe(2), 10_000);
  });
});

it('F60g a logger that fails later does not end the program', async () => {
  const said: string[] = [];
  const { bench, connection } = await Bench.connected(new BusyStore(), {
    logger: {
      warn: async (text) => {
        said.push(text);
        throw new Error('the log server is away');
      },
    },
  });
  bench.emulator.faults.add({ match: REFRESH, kind: 'rate-limit', retryAfter: 60, times: 1 });
  await bench.clock.advance(LIFE);
  await expect(bench.clock.advanceUntil(connection.getAccessToken())).rejects.toMatchObject({
    reason: 'rate_limited',
  });
  expect(said).not.toEqual([]);
});
