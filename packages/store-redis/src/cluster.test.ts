import { findRedisServer, RedisServer } from '@hq-oauth/testkit/servers';
import { Cluster, Redis } from 'ioredis';
import { createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newPrefix } from './clients.fixture.ts';
import type { RedisClient } from './redis-client.ts';
import { redisStore } from './redis-store.ts';
import { grant, login, REGISTRATION, value, write } from './rows.fixture.ts';

describe.skipIf(findRedisServer() === null)('a Redis cluster', () => {
  let server: RedisServer;
  const closers: Array<() => unknown> = [];
  beforeAll(async () => {
    server = await RedisServer.start({
      args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
    });
    const node = new Redis(server.url);
    await node.cluster('ADDSLOTSRANGE', 0, 16_383);
    // A node begins to serve a moment after it has all slots.
    while (!String(await node.cluster('INFO')).includes('cluster_state:ok'));
    node.disconnect();
  });
  afterAll(async () => {
    for (const close of closers) await close();
    await server.stop();
  });

  async function connect(driver: 'node-redis' | 'ioredis'): Promise<RedisClient> {
    if (driver === 'node-redis') {
      const cluster = createCluster({ rootNodes: [{ url: server.url }], useReplicas: true });
      await cluster.connect();
      closers.push(() => cluster.destroy());
      return cluster;
    }
    const cluster = new Cluster([{ host: '127.0.0.1', port: server.port }], { scaleReads: 'slave' });
    closers.push(() => cluster.disconnect());
    return cluster;
  }

  it.each(['node-redis', 'ioredis'] as const)('F47 keeps all keys in one slot, by %s', async (driver) => {
    const store = redisStore({ client: await connect(driver), prefix: newPrefix() });
    await store.check();
    const now = await store.now();
    for (const id of ['a', '{b}', '}{']) {
      const rev = await write(store, grant(id), null, { dueAt: 1 });
      expect(await write(store, grant(id), rev, { state: 'pending' })).toBeGreaterThan(rev);
      await store.cas(login(id), null, value({ expiresAt: now + 3_600_000 }));
    }
    expect(await store.list({ registration: REGISTRATION, kind: 'grant', limit: 9 })).toHaveLength(3);
    expect((await store.read(grant('{b}'))).row?.state).toBe('pending');
  });
});
