import { once } from 'node:events';
import { createServer } from 'node:http';
import type { TokenManager } from '@hq-oauth/core';
import { createTestManager } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';
import Koa, { type Context } from 'koa';

export interface Served {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  /** As the visitor `ann`, unless `headers` say otherwise. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export function userOf(ctx: Context): string | undefined {
  return /(?:^|; )user=([^;]+)/.exec(ctx.get('cookie'))?.[1];
}

/** An application on a real port, with an emulator behind it, where `ann` is connected. */
export async function serve(prepare: (app: Koa, manager: TokenManager) => void): Promise<Served> {
  const emulator = await createEmulator({ tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const url = `http://127.0.0.1:${address.port}`;
  const manager = createTestManager(emulator.env, { redirectUri: `${url}/highq/callback` });
  const app = new Koa();
  app.silent = true;
  prepare(app, manager);
  // Koa takes what is mounted up to here, and nothing later.
  server.on('request', app.callback());
  const { code } = await emulator.authorize({});
  await manager.connection('ann').exchangeCode(code);
  return {
    emulator,
    manager,
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
