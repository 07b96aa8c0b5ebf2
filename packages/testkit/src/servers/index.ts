export { findPostgres, PostgresServer, type PostgresServerOptions } from './postgres-server.ts';
export { findRedisServer, RedisServer, type RedisServerOptions } from './redis-server.ts';
