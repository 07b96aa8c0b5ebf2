import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { memoryStore, type TokenManager } from '@hq-oauth/core';
import { createTestManager } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';
import express, { type Express, type Request } from 'express';

export interface Served {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  /** Origin, without a slash at the end. */
  readonly url: string;
  /** As the visitor `ann`, unless `headers` say otherwise. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  close(): Promise<void>;
}

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export function userOf(req: Request): string | undefined {
  return /(?:^|; )user=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
}

/** An application on a real port, with an emulator behind it, where `ann` is connected. */
export async function serve(prepare: (app: Express, manager: TokenManager) => void): Promise<Served> {
  const emulator = await createEmulator({ tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
  const app = express();
  const server = createServer(app);
  const url = await listen(server);
  const manager = createTestManager(emulator.env, {
    redirectUri: `${url}/highq/callback`,
    store: memoryStore(),
  });
  prepare(app, manager);
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

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return `http://127.0.0.1:${address.port}`;
}
