import { workInCrash } from '@hq-oauth/testkit/crash/worker';
import type { OpenClient } from './clients.fixture.ts';
import { type RedisStoreOptions, redisStore } from './redis-store.ts';

const [url = '', prefix = '', driver, durability] = process.argv.slice(2);
const { client, close } = await (driver === 'ioredis' ? openIoredis() : openNodeRedis());
const options = { client, ...(durability === 'cache' ? { durability } : {}) } satisfies RedisStoreOptions;
workInCrash({
  store: redisStore({ ...options, prefix }),
  journalStore: () => redisStore({ ...options, prefix: `${prefix}:journal` }),
  end: close,
});

/** As in clients.fixture.ts, but with one driver loaded: the suite starts dozens of these processes. */
async function openNodeRedis(): Promise<OpenClient> {
  const { createClient } = await import('redis');
  const opened = createClient({ url, disableOfflineQueue: true });
  opened.on('error', () => {});
  await opened.connect();
  return { client: opened, close: () => opened.destroy() };
}

async function openIoredis(): Promise<OpenClient> {
  const { Redis } = await import('ioredis');
  const opened = new Redis(url, {
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    lazyConnect: true,
  });
  opened.on('error', () => {});
  await opened.connect();
  return { client: opened, close: () => opened.disconnect() };
}
