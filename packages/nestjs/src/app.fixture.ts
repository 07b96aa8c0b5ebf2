import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createTokenManager, memoryStore, type TokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';
import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HighQExceptionFilter, type HighQRequest } from './index.ts';

export type Platform = 'express' | 'fastify';
export const PLATFORMS: readonly Platform[] = ['express', 'fastify'];

export interface World {
  readonly emulator: Emulator;
  /** Where the application will be: an origin. */
  readonly url: string;
  readonly manager: TokenManager;
}

export interface Served extends World {
  get(path: string, user?: string): Promise<Response>;
  /** Ends the application as a signal would; the manager stays open. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export function userOf(req: HighQRequest): string | undefined {
  return /(?:^|; )user=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
}

/** An application on a real port, with an emulator behind it. */
export async function serve(
  platform: Platform,
  metadata: (world: World) => ModuleMetadata,
  { prefix, prepare }: { prefix?: string; prepare?: (app: INestApplication) => void } = {},
): Promise<Served> {
  const emulator = await createEmulator({
    clock: 'virtual',
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
  });
  const clock = followClock(emulator.env.HIGHQ_TEST_CLOCK);
  const adapter: AbstractHttpAdapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const manager = createTokenManager({
    ...managerOptions(emulator, url),
    clock,
  });
  const closeWorld = async (): Promise<void> => {
    await manager.close({ timeoutMs: 1000 });
    clock.close();
    await emulator.close();
  };
  class AppModule {}
  const root = { module: AppModule, ...metadata({ emulator, url, manager }) };
  try {
    const app = await NestFactory.create(root, adapter, {
      logger: false,
      abortOnError: false,
      forceCloseConnections: true,
    });
    app.useGlobalFilters(new HighQExceptionFilter());
    prepare?.(app);
    if (prefix !== undefined) app.setGlobalPrefix(prefix);
    await app.listen(port, '127.0.0.1');
    let stopped: Promise<void> | null = null;
    const stop = (): Promise<void> => {
      stopped ??= app.close();
      return stopped;
    };
    return {
      emulator,
      url,
      manager,
      get: (path, user) =>
        fetch(url + path, {
          redirect: 'manual',
          headers: user === undefined ? {} : { cookie: `user=${user}` },
        }),
      stop,
      async close() {
        await stop();
        await closeWorld();
      },
    };
  } catch (error) {
    await closeWorld();
    throw error;
  }
}

export function managerOptions(emulator: Emulator, url: string, callback = '/highq/callback') {
  return {
    instanceUrl: emulator.instanceUrl,
    clientId: emulator.env.HIGHQ_CLIENT_ID,
    clientSecret: emulator.env.HIGHQ_CLIENT_SECRET,
    redirectUri: url + callback,
    store: memoryStore(),
    encryption: false,
    provider: { allowLoopback: true },
  } as const;
}

/** The redirect URI names the port, so it is wanted before the application is there. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
