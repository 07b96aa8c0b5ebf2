import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createEmulator } from '@hq-oauth/emulator';
import { crashSuite, type OutagePlace } from '@hq-oauth/testkit/crash';
import { sqliteStore } from './index.ts';
import { testFolder } from './test-folder.fixture.ts';

/** This process is another one than those of the suite. */
async function lockable(): Promise<OutagePlace> {
  const path = join(testFolder(), 'tokens.db');
  const store = sqliteStore({ path });
  await store.now();
  const locker = new DatabaseSync(path);
  return {
    store,
    args: [path],
    async down() {
      locker.exec('BEGIN IMMEDIATE');
    },
    async up() {
      locker.exec('ROLLBACK');
    },
    end: () => locker.close(),
  };
}

crashSuite({
  name: 'sqlite',
  worker: new URL('./crash-worker.fixture.ts', import.meta.url),
  async create() {
    const path = join(testFolder(), 'tokens.db');
    return { store: sqliteStore({ path }), args: [path] };
  },
  outages: [{ name: 'another process locks the file', open: lockable }],
  emulator(options) {
    return createEmulator({ ...options, tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
  },
});
