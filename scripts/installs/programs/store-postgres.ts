import type { TokenStore } from '@hq-oauth/core';
import { type PostgresStore, type PostgresStoreOptions, postgresStore } from '@hq-oauth/store-postgres';
import { Pool } from 'pg';

async function main(): Promise<void> {
  const pool = new Pool({ host: '127.0.0.1' });
  const options: PostgresStoreOptions = { pool, schema: 'highq', timeoutMs: 2000 };
  const store: PostgresStore = postgresStore(options);
  const shared: TokenStore = store;
  console.log(typeof shared.close, typeof store.migrate);
  await store.close();
  await pool.end();
}

void main();
