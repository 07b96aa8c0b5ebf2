import type { TokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { getHighQToken } from '@hq-oauth/nestjs';
import { freePort, managerOptions, type StartExample, startEmulator } from 'example-kit/testing';
import { createApp } from '../src/app.ts';

export const startExample: StartExample = async (options) => {
  const emulator = await startEmulator(options);
  const clock = followClock(emulator.env.HIGHQ_TEST_CLOCK);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = {
    port,
    host: '127.0.0.1',
    publicUrl: url,
    redirectUri: `${url}/highq/callback`,
    databasePath: ':memory:',
    databaseUrl: undefined,
    sessionSecret: 's'.repeat(32),
    firmPassword: 'password',
  };
  const app = await createApp(config, managerOptions(emulator, clock));
  await app.listen(port, '127.0.0.1');
  return {
    emulator,
    manager: app.get<TokenManager>(getHighQToken(), { strict: false }),
    url,
    async close() {
      app.getHttpServer().closeAllConnections();
      await app.close();
      clock.close();
      await emulator.close();
    },
  };
};
