import { createEmulator } from '@hq-oauth/emulator';
import { type CrashPlace, crashSuite, type OutagePlace } from '@hq-oauth/testkit/crash';
import { findPostgres, PostgresServer } from '@hq-oauth/testkit/servers';
import { describe } from 'vitest';
import { NO_POSTGRES, newSchema, openPool, POSTGRES_URL } from './pool.fixture.ts';
import { postgresStore } from './postgres-store.ts';

async function placeOn(url: string): Promise<CrashPlace> {
  const schema = newSchema();
  const pool = openPool({ connectionString: url });
  const store = postgresStore({ pool, schema });
  await store.migrate();
  await postgresStore({ pool, schema: `${schema}-journal` }).migrate();
  return { store, args: [url, schema] };
}

async function killable(): Promise<OutagePlace> {
  const server = await PostgresServer.start();
  return {
    ...(await placeOn(server.url)),
    down: () => server.kill(),
    up: () => server.start(),
    end: () => server.stop(),
  };
}

describe.skipIf(NO_POSTGRES || findPostgres() === null)('on a real PostgreSQL', () => {
  crashSuite({
    name: 'postgres',
    worker: new URL('./crash-worker.fixture.ts', import.meta.url),
    create: () => placeOn(POSTGRES_URL),
    outages: [{ name: 'the server is killed', open: killable }],
    emulator(options) {
      return createEmulator({ ...options, tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
    },
  });
});
