import { createTestManager, ManualClock } from '@hq-oauth/core/testing';
import { createEmulator } from '@hq-oauth/emulator';
import { onVirtualTime } from '@hq-oauth/testkit/herd';
import { findRedisServer, RedisServer } from '@hq-oauth/testkit/servers';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { IoredisClient } from './redis-client.ts';
import { redisStore } from './redis-store.ts';

const HOUR_MS = 3_600_000;
const REVALIDATED_MS = 31_000;
const LEASE_MS = 181_000;

describe.skipIf(findRedisServer() === null)('a manager whose Redis fails over', () => {
  const cleanups: Array<() => unknown> = [];
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  /** A primary, a replica, and a client that can be moved from the one to the other. */
  async function pair(): Promise<{
    client: IoredisClient;
    failOver(): Promise<void>;
    divide(): Promise<void>;
  }> {
    const primary = await RedisServer.start({ args: ['--repl-diskless-sync-delay', '0'] });
    cleanups.push(() => primary.stop());
    const replica = await RedisServer.start({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    cleanups.push(() => replica.stop());
    const [first, second] = [primary, replica].map((server) => {
      const client = new Redis(server.url);
      client.on('error', () => {});
      cleanups.push(() => client.disconnect());
      return client;
    });
    if (!first || !second) throw new Error('there are two clients');
    let current = first;
    return {
      client: {
        evalsha: (...args) => current.evalsha(...args),
        eval: (...args) => current.eval(...args),
      },
      /** The replica hears of nothing from now on. */
      async divide() {
        expect(await first.wait(1, 5000)).toBe(1);
        await second.replicaof('NO', 'ONE');
      },
      async failOver() {
        current = second;
        await primary.kill();
      },
    };
  }

  async function bench() {
    const clock = new ManualClock();
    const marker = process.env.HQ_EMULATOR_TOKEN_MARKER;
    const emulator = await createEmulator({ clock, ...(marker ? { tokenMarker: marker } : {}) });
    cleanups.push(() => emulator.close());
    const { client, divide, failOver } = await pair();
    const encryption = { keys: [{ id: 'k1', key: '0102'.repeat(16) }] };
    const newManager = () => {
      const store = onVirtualTime(redisStore({ client }));
      const manager = createTestManager(emulator.env, { store, clock, encryption });
      cleanups.push(() => manager.close({ timeoutMs: 1 }));
      return manager;
    };
    return { clock, emulator, divide, failOver, newManager };
  }

  it('F45 writes again the generation that the new primary does not know, and presents nothing older', async () => {
    const { clock, emulator, divide, failOver, newManager } = await bench();
    const connection = newManager().connection('u');
    const { code } = await emulator.authorize();
    await connection.exchangeCode(code);
    await divide();
    await clock.advance(6 * HOUR_MS);
    const second = await connection.getAccessToken();
    expect((await connection.status()).generation).toBe(2);
    await failOver();

    const stranger = newManager().connection('u');
    expect((await stranger.status()).generation).toBe(1);
    await clock.advance(REVALIDATED_MS);
    expect(await connection.getAccessToken()).toBe(second);
    await vi.waitFor(async () => expect((await newManager().connection('u').status()).generation).toBe(2));

    // What was in flight when the store fell back is not known, so the next refresh is announced before it is sent.
    await clock.advance(6 * HOUR_MS + LEASE_MS);
    const later = newManager().connection('u');
    const tokens = new Set<string>();
    await vi.waitFor(
      async () => {
        later
          .getAccessToken()
          .then((token) => tokens.add(token))
          .catch(() => {});
        await clock.advance(5000);
        expect(tokens.size).toBe(1);
      },
      { timeout: 10_000, interval: 10 },
    );
    expect(tokens).not.toContain(second);
    // Each generation came from the one before, and none was asked for twice.
    const { generation } = await later.status();
    expect(generation).toBeGreaterThan(2);
    expect(emulator.ledger.refreshes()).toBe(generation - 1);
    expect(emulator.ledger.presentedTwice()).toBe(0);
  });

  it('F45 F55 keeps a person disconnected whom the new primary still takes for connected', async () => {
    const { clock, emulator, divide, failOver, newManager } = await bench();
    const connection = newManager().connection('u');
    const { code } = await emulator.authorize();
    await connection.exchangeCode(code);
    await divide();
    await connection.disconnect();
    await failOver();
    expect((await newManager().connection('u').status()).state).toBe('active');
    await clock.advance(REVALIDATED_MS);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
    await vi.waitFor(async () =>
      expect((await newManager().connection('u').status()).state).toBe('disconnected'),
    );
  });
});
