import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTokenManager, memoryStore, type TokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator, type EmulatorOptions } from '@hq-oauth/emulator';
import express, { type Express, type Request } from 'express';
import { type HighQOptions, highq, highqErrors, highqHealth, requireHighQ } from './index.ts';

export interface Served {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  readonly app: Express;
  /** Origin, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export function userOf(req: Request): string | undefined {
  return /(?:^|; )user=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
}

/** An application on a real port, with an emulator behind it. `prepare` mounts what comes before and after. */
export async function serve(
  options: Partial<HighQOptions> = {},
  {
    emulator: switches = {},
    prepare,
  }: {
    emulator?: EmulatorOptions;
    prepare?: (app: Express, manager: TokenManager) => void;
  } = {},
): Promise<Served> {
  const emulator = await createEmulator({
    clock: 'virtual',
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
    ...switches,
  });
  const app = express();
  const server = createServer(app);
  const url = await listen(server);
  const clock = followClock(emulator.env.HIGHQ_TEST_CLOCK);
  const manager = createTokenManager({
    instanceUrl: emulator.instanceUrl,
    clientId: emulator.env.HIGHQ_CLIENT_ID,
    clientSecret: emulator.env.HIGHQ_CLIENT_SECRET,
    redirectUri: `${url}/highq/callback`,
    store: memoryStore(),
    encryption: false,
    clock,
    provider: { allowLoopback: true },
  });
  if (prepare) prepare(app, manager);
  else {
    app.use(highq({ manager, connectionId: userOf, ...options }));
    routes(app);
    app.get('/health', highqHealth(manager));
    app.use(highqErrors());
  }
  return {
    emulator,
    manager,
    app,
    url,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await manager.close({ timeoutMs: 1000 });
      clock.close();
      await emulator.close();
    },
  };
}

export function routes(app: Express): void {
  app.get('/', (req, res) => {
    res.json({ highq: 'highq' in req ? req.highq.id : null });
  });
  app.get('/sites', requireHighQ(), async (req, res) => {
    res.json(await req.highq.client('6/sites').json());
  });
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
