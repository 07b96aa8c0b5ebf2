import type { TokenStore } from '@hq-oauth/core';
import { type RedisStoreOptions, redisStore } from '@hq-oauth/store-redis';
import { Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';

const nodeRedis = createClient({ disableOfflineQueue: true });
const cluster = createCluster({ rootNodes: [] });
const ioredis = new Redis({ lazyConnect: true, autoResendUnfulfilledCommands: false });
const options: RedisStoreOptions = { client: nodeRedis, prefix: '{matters}', durability: 'journal' };
const stores: readonly TokenStore[] = [
  redisStore(options),
  redisStore({ client: cluster }),
  redisStore({ client: ioredis, timeoutMs: 2000 }),
];
console.log(stores.length);
ioredis.disconnect();
