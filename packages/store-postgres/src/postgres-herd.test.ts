import { createEmulator } from '@hq-oauth/emulator';
import { herdSuite } from '@hq-oauth/testkit/herd';
import { describe } from 'vitest';
import { NO_POSTGRES, newSchema, openPool, POSTGRES_URL } from './pool.fixture.ts';
import { postgresStore } from './postgres-store.ts';

describe.skipIf(NO_POSTGRES)('on a real PostgreSQL', () => {
  herdSuite({
    name: 'postgres',
    worker: new URL('./herd-worker.fixture.ts', import.meta.url),
    async create() {
      const schema = newSchema();
      const store = postgresStore({ pool: openPool(), schema });
      await store.migrate();
      return { store, args: [POSTGRES_URL, schema] };
    },
    emulator() {
      return createEmulator({
        // Where a careless client would lose most.
        previousAccessToken: 'ends',
        reuse: 'family-revoked',
        grants: 'newest',
        refreshYear: 'absolute',
        tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
      });
    },
  });
});
