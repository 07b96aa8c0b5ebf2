import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { TokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator, type EmulatorOptions } from '@hq-oauth/emulator';
import { getHighQToken } from '@hq-oauth/nestjs';
import { createApp } from '../src/app.ts';

export interface RunningExample {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  /** Origin, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/** The example on a real port, with an emulator on the same virtual clock. */
export async function startExample(
  options: EmulatorOptions = {},
  { databaseUrl }: { databaseUrl?: string } = {},
): Promise<RunningExample> {
  const emulator = await createEmulator({
    clock: 'virtual',
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
    ...options,
  });
  const clock = followClock(emulator.env.HIGHQ_TEST_CLOCK);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = {
    port,
    host: '127.0.0.1',
    publicUrl: url,
    redirectUri: `${url}/highq/callback`,
    databasePath: ':memory:',
    databaseUrl,
    sessionSecret: 's'.repeat(32),
    firmPassword: 'password',
  };
  const app = await createApp(config, {
    instanceUrl: emulator.instanceUrl,
    clientId: emulator.env.HIGHQ_CLIENT_ID,
    clientSecret: emulator.env.HIGHQ_CLIENT_SECRET,
    encryption: false,
    clock,
    provider: { allowLoopback: true },
  });
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
}

/** The redirect URI names the port, so it is wanted before the application is there. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
