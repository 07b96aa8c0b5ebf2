export type { PgClient, PgPool, PgStatement } from './postgres-pool.ts';
export { type PostgresStore, type PostgresStoreOptions, postgresStore } from './postgres-store.ts';
