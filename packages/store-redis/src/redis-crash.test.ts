import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEmulator } from '@hq-oauth/emulator';
import {
  type CrashEmulator,
  type CrashPlace,
  crashSuite,
  type FallBackPlace,
  type OutagePlace,
} from '@hq-oauth/testkit/crash';
import { findRedisServer, RedisServer } from '@hq-oauth/testkit/servers';
import { describe } from 'vitest';
import { connect, type Driver, NO_REDIS, newPrefix, REDIS_URL } from './clients.fixture.ts';
import { redisStore } from './redis-store.ts';

/** One driver for each thing: the herd has shown that they do not differ in what they send. */
async function placeOn(url: string, driver: Driver, durability?: 'cache'): Promise<CrashPlace> {
  const { client, close } = await connect(driver, url);
  const prefix = newPrefix();
  return {
    store: redisStore({ client, prefix, ...(durability ? { durability } : {}) }),
    args: [url, prefix, driver, durability ?? ''],
    end: close,
  };
}

async function killable(appendOnly: boolean, driver: Driver): Promise<OutagePlace> {
  const server = await RedisServer.start({ appendOnly });
  const place = await placeOn(server.url, driver, appendOnly ? undefined : 'cache');
  return {
    ...place,
    down: () => server.kill(),
    up: () => server.start(),
    async end() {
      await place.end?.();
      await server.stop();
    },
  };
}

/** Its append-only file is set back to an older copy, as a replica that was behind would have it. */
async function fallingBack(): Promise<FallBackPlace> {
  const server = await RedisServer.start();
  const place = await placeOn(server.url, 'node-redis');
  const files = join(server.folder, 'appendonlydir');
  const copy = mkdtempSync(join(tmpdir(), 'hq-redis-copy-'));
  return {
    ...place,
    async backUp() {
      cpSync(files, copy, { recursive: true });
    },
    async fallBack() {
      await server.kill();
      rmSync(files, { recursive: true });
      cpSync(copy, files, { recursive: true });
      await server.start();
    },
    async end() {
      await place.end?.();
      await server.stop();
      rmSync(copy, { recursive: true, force: true });
    },
  };
}

describe.skipIf(NO_REDIS || findRedisServer() === null)('on a real Redis', () => {
  crashSuite({
    name: 'redis',
    worker: new URL('./crash-worker.fixture.ts', import.meta.url),
    create: () => placeOn(REDIS_URL, 'node-redis'),
    outages: [
      {
        name: 'a server with an append-only file is killed',
        open: () => killable(true, 'node-redis'),
      },
      {
        name: 'a server without an append-only file is killed and starts empty',
        open: () => killable(false, 'ioredis'),
      },
    ],
    fallBack: fallingBack,
    emulator(options): Promise<CrashEmulator> {
      return createEmulator({ ...options, tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
    },
  });
});
