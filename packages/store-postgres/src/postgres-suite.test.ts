import type { TokenStore } from '@hq-oauth/core';
import { storeSuite } from '@hq-oauth/testkit/stores';
import { describe } from 'vitest';
import { NO_POSTGRES, newSchema, openPool } from './pool.fixture.ts';
import { postgresStore } from './postgres-store.ts';

/** The suite lets 500 operations wait in line for each pool, beside whatever else runs on the machine. */
const PATIENCE_MS = 60_000;

describe.skipIf(NO_POSTGRES)('on a real PostgreSQL', () => {
  const pools = [openPool(), openPool()] as const;
  const schemas = new WeakMap<TokenStore, string>();

  storeSuite({
    name: 'postgres',
    // Real time: PostgreSQL has no clock that a test could move.
    clock: null,
    async create() {
      const schema = newSchema();
      const store = postgresStore({ pool: pools[0], schema, timeoutMs: PATIENCE_MS });
      await store.migrate();
      schemas.set(store, schema);
      return store;
    },
    reopen: async (store) =>
      postgresStore({ pool: pools[1], schema: schemas.get(store) ?? '', timeoutMs: PATIENCE_MS }),
  });
});
