import { join } from 'node:path';
import { createEmulator } from '@hq-oauth/emulator';
import { herdSuite } from '@hq-oauth/testkit/herd';
import { sqliteStore } from './index.ts';
import { testFolder } from './test-folder.fixture.ts';

herdSuite({
  name: 'sqlite',
  worker: new URL('./herd-worker.fixture.ts', import.meta.url),
  async create() {
    const path = join(testFolder(), 'tokens.db');
    return { store: sqliteStore({ path }), args: [path] };
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
