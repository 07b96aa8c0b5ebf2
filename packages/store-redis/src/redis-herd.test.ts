import { createEmulator } from '@hq-oauth/emulator';
import { herdSuite } from '@hq-oauth/testkit/herd';
import { afterAll, describe } from 'vitest';
import { connect, DRIVERS, NO_REDIS, newPrefix, type OpenClient } from './clients.fixture.ts';
import { redisStore } from './redis-store.ts';

describe.skipIf(NO_REDIS)('on a real Redis', () => {
  const clients: OpenClient[] = [];
  afterAll(() => {
    for (const { close } of clients.splice(0)) close();
  });

  for (const driver of DRIVERS) {
    herdSuite({
      name: `redis by ${driver}`,
      worker: new URL('./herd-worker.fixture.ts', import.meta.url),
      async create() {
        const opened = await connect(driver);
        clients.push(opened);
        const prefix = newPrefix();
        return { store: redisStore({ client: opened.client, prefix }), args: [prefix, driver] };
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
  }
});
