import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TokenManager } from '@hq-oauth/core';
import { createTestManager } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';

/** An application on a real port, with an emulator behind it. */
export interface Served {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  /** Origin, without a slash at the end. */
  readonly url: string;
  /** As the visitor `ann`, by the cookie `user`, unless `headers` say otherwise. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

/**
 * Serves what an adapter's own tests put together, for what the suite does not ask: `ann` is connected, and callbacks come to
 * `/highq/callback`.
 */
export async function serveConnected(
  listenerFor: (manager: TokenManager) => RequestListener,
): Promise<Served> {
  const emulator = await createEmulator({ tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const manager = createTestManager(emulator.env, { redirectUri: `${url}/highq/callback` });
  server.on('request', listenerFor(manager));
  const { code } = await emulator.authorize({});
  await manager.connection('ann').exchangeCode(code);
  return {
    emulator,
    manager,
    url,
    get: (path, headers = {}) => fetch(url + path, { headers: { cookie: 'user=ann', ...headers } }),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await manager.close({ timeoutMs: 1000 });
      await emulator.close();
    },
  };
}
