import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTokenManager, memoryStore, type TokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator, type EmulatorOptions } from '@hq-oauth/emulator';
import Koa, { type Context, type Middleware } from 'koa';
import { type HighQOptions, highq, highqErrors, highqHealth, requireHighQ } from './index.ts';

export interface Served {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  readonly app: Koa;
  /** Origin, without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export function userOf(ctx: Context): string | undefined {
  return /(?:^|; )user=([^;]+)/.exec(ctx.get('cookie'))?.[1];
}

/** An application on a real port, with an emulator behind it. `prepare` mounts what comes before and after. */
export async function serve(
  options: Partial<HighQOptions> = {},
  {
    emulator: switches = {},
    prepare,
  }: {
    emulator?: EmulatorOptions;
    prepare?: (app: Koa, manager: TokenManager) => void;
  } = {},
): Promise<Served> {
  const emulator = await createEmulator({
    clock: 'virtual',
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
    ...switches,
  });
  const app = new Koa();
  app.silent = true;
  const server = createServer();
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
    app.use(highqErrors());
    app.use(highq({ manager, connectionId: userOf, ...options }));
    routes(app);
    app.use(at('/health', highqHealth(manager)));
  }
  // Koa takes what is mounted up to here, and nothing later.
  server.on('request', app.callback());
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

export function routes(app: Koa): void {
  app.use(
    at('/', (ctx) => {
      ctx.body = { highq: 'highq' in ctx ? ctx.highq.id : null };
    }),
  );
  app.use(at('/sites', requireHighQ()));
  app.use(
    at('/sites', async (ctx) => {
      ctx.body = await ctx.highq.client('6/sites').json();
    }),
  );
}

/** A middleware for one path: as much of a router as these tests need. */
export function at(path: string, middleware: Middleware): Middleware {
  return (ctx, next) => (ctx.path === path ? middleware(ctx, next) : next());
}

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
