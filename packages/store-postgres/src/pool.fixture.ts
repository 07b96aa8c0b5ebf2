import { randomUUID } from 'node:crypto';
import { Pool, type PoolConfig } from 'pg';
import { afterAll } from 'vitest';

/** The run's server. Without one, suites are skipped. */
export const POSTGRES_URL = process.env.HQ_POSTGRES_URL ?? '';
export const NO_POSTGRES = POSTGRES_URL === '';

const pools: Pool[] = [];

/** Ended after the file's tests. */
export function openPool(config: PoolConfig = {}): Pool {
  const pool = new Pool({ connectionString: POSTGRES_URL, max: 10, ...config });
  // A lost connection is what some tests are about; operations report it.
  pool.on('error', () => {});
  pools.push(pool);
  return pool;
}

/** Apart from every other store on the server. */
export function newSchema(): string {
  return `hq-${randomUUID()}`;
}

afterAll(async () => {
  for (const pool of pools.splice(0)) await pool.end();
});
