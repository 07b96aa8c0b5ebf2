import { createServer } from 'node:http';
import { createTokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import { closeServer, freePort, managerOptions, type StartExample, startEmulator } from 'example-kit/testing';
import { createApp } from '../src/app.ts';

export const startExample: StartExample = async (options) => {
  const emulator = await startEmulator(options);
  const clock = followClock(emulator.env.HIGHQ_TEST_CLOCK);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const store = sqliteStore({ path: ':memory:' });
  const manager = createTokenManager({
    ...managerOptions(emulator, clock),
    redirectUri: `${url}/highq/callback`,
    store,
  });
  const app = createApp({ manager, publicUrl: url, sessionSecret: 's'.repeat(32), firmPassword: 'password' });
  const server = createServer(app).listen(port, '127.0.0.1');
  return {
    emulator,
    manager,
    url,
    async close() {
      await closeServer(server);
      await manager.close({ timeoutMs: 1000 });
      await store.close();
      clock.close();
      await emulator.close();
    },
  };
};
