import type { TokenStore } from '@hq-oauth/core';
import { storeSuite } from '@hq-oauth/testkit/stores';
import { afterAll, describe } from 'vitest';
import { connect, DRIVERS, NO_REDIS, newPrefix, type OpenClient } from './clients.fixture.ts';
import { redisStore } from './redis-store.ts';

/** The suite sends 500 operations at once by each client, beside whatever else runs on the machine. */
const PATIENCE_MS = 60_000;

describe.skipIf(NO_REDIS)('on a real Redis', () => {
  for (const driver of DRIVERS) {
    const prefixes = new WeakMap<TokenStore, string>();
    const clients: OpenClient[] = [];
    const open = async (prefix: string): Promise<TokenStore> => {
      const opened = await connect(driver);
      clients.push(opened);
      const store = redisStore({ client: opened.client, prefix, timeoutMs: PATIENCE_MS });
      prefixes.set(store, prefix);
      return store;
    };
    afterAll(() => {
      for (const { close } of clients.splice(0)) close();
    });

    storeSuite({
      name: `redis by ${driver}`,
      // Real time: Redis has no clock that a test could move.
      clock: null,
      create: () => open(newPrefix()),
      reopen: (store) => open(prefixes.get(store) ?? ''),
    });
  }
});
