export type { Durability } from './durability.ts';
export type { IoredisClient, NodeRedisClient, RedisClient } from './redis-client.ts';
export { type RedisStore, type RedisStoreOptions, redisStore } from './redis-store.ts';
