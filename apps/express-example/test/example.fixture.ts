import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTokenManager, type TokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator, type EmulatorOptions } from '@hq-oauth/emulator';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import { createApp } from '../src/app.ts';

export interface RunningExample {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  /** Origin, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/** The example on a real port, with an emulator on the same virtual clock. */
export async function startExample(options: EmulatorOptions = {}): Promise<RunningExample> {
  const emulator = await createEmulator({
    clock: 'virtual',
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
    ...options,
  });
  const clock = followClock(emulator.env.HIGHQ_TEST_CLOCK);
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const store = sqliteStore({ path: ':memory:' });
  const manager = createTokenManager({
    instanceUrl: emulator.instanceUrl,
    clientId: emulator.env.HIGHQ_CLIENT_ID,
    clientSecret: emulator.env.HIGHQ_CLIENT_SECRET,
    redirectUri: `${url}/highq/callback`,
    store,
    encryption: false,
    clock,
    provider: { allowLoopback: true },
  });
  server.on(
    'request',
    createApp({ manager, publicUrl: url, sessionSecret: 's'.repeat(32), firmPassword: 'password' }),
  );
  return {
    emulator,
    manager,
    url,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await manager.close({ timeoutMs: 1000 });
      await store.close();
      clock.close();
      await emulator.close();
    },
  };
}
