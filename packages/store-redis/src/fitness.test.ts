import { ConfigurationError } from '@hq-oauth/core';
import { findRedisServer, RedisServer } from '@hq-oauth/testkit/servers';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newPrefix } from './clients.fixture.ts';
import type { RedisClient } from './redis-client.ts';
import { redisStore } from './redis-store.ts';
import { grant, value, write } from './rows.fixture.ts';

describe.skipIf(findRedisServer() === null)('what Redis must be set to', () => {
  let server: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  it.each(['allkeys-lru', 'allkeys-lfu', 'allkeys-random'])(
    'F47 refuses to store under %s',
    async (policy) => {
      await client.config('SET', 'maxmemory-policy', policy);
      try {
        for (const durability of ['aof', 'journal', 'cache'] as const) {
          const store = redisStore({ client, prefix: newPrefix(), durability });
          await expect(store.check()).rejects.toThrow(ConfigurationError);
          await expect(store.cas(grant('u'), null, value())).rejects.toThrow(policy);
          await expect(store.read(grant('u'))).rejects.toThrow('noeviction');
        }
      } finally {
        await client.config('SET', 'maxmemory-policy', 'noeviction');
      }
    },
  );

  it.each(['noeviction', 'volatile-lru', 'volatile-ttl'])('F47 stores under %s', async (policy) => {
    await client.config('SET', 'maxmemory-policy', policy);
    await expect(redisStore({ client }).check()).resolves.toBeUndefined();
    await client.config('SET', 'maxmemory-policy', 'noeviction');
  });

  it('F47 keeps tokens when memory is used up under a policy that takes keys with a time to live', async () => {
    const store = redisStore({ client, prefix: newPrefix() });
    const rev = await write(store, grant('u'), null);
    await client.config('SET', 'maxmemory-policy', 'volatile-lru', 'maxmemory', '1mb');
    try {
      const refusal = store.cas(grant('v'), null, value({ body: 'x'.repeat(100_000) }));
      await expect(refusal).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(refusal).rejects.toThrow('memory is used up');
      expect((await store.read(grant('u'))).row?.rev).toBe(rev);
      expect((await store.read(grant('v'))).row).toBeNull();
    } finally {
      await client.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
    }
  });

  it('F46 without an append-only file wants to be told what stands behind a write', async () => {
    await client.config('SET', 'appendonly', 'no');
    const store = redisStore({ client, prefix: newPrefix() });
    await expect(store.check()).rejects.toThrow(ConfigurationError);
    await expect(store.cas(grant('u'), null, value())).rejects.toThrow("durability: 'cache'");
    for (const durability of ['journal', 'cache'] as const) {
      const told = redisStore({ client, prefix: newPrefix(), durability });
      expect(await told.cas(grant('u'), null, value())).toMatchObject({ ok: true });
    }
    // Put right while the program runs.
    await client.config('SET', 'appendonly', 'yes');
    expect(await store.cas(grant('u'), null, value())).toMatchObject({ ok: true });
  });

  it('names every problem at once', async () => {
    await client.config('SET', 'appendonly', 'no', 'maxmemory-policy', 'allkeys-lru');
    const error: unknown = await redisStore({ client })
      .check()
      .catch((reason: unknown) => reason);
    expect(error instanceof ConfigurationError && error.problems).toHaveLength(2);
    await client.config('SET', 'appendonly', 'yes', 'maxmemory-policy', 'noeviction');
  });

  it('refuses options that cannot work, before it sends anything', () => {
    for (const prefix of ['', 'hq', '{}', '}hq{', '{hq']) {
      expect(() => redisStore({ client, prefix }), prefix).toThrow('hash tag');
    }
    for (const prefix of ['{hq}', 'app:{tokens}', '{a}b'])
      expect(() => redisStore({ client, prefix })).not.toThrow();
    for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => redisStore({ client, timeoutMs })).toThrow(ConfigurationError);
    }
    for (const wrong of [null, undefined, {}, { get: () => 'x' }, 'redis://127.0.0.1']) {
      expect(() => redisStore({ client: wrong as RedisClient })).toThrow('node-redis');
    }
    expect(() => redisStore({ client, durability: 'none' as 'aof' })).toThrow(ConfigurationError);
  });
});
