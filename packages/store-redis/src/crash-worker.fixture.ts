import { workInCrash } from '@hq-oauth/testkit/crash/worker';
import { connect, type Driver } from './clients.fixture.ts';
import { type RedisStoreOptions, redisStore } from './redis-store.ts';

const [url = '', prefix = '', driver, durability] = process.argv.slice(2);
const { client, close } = await connect((driver ?? '') as Driver, url);
const options = { client, ...(durability === 'cache' ? { durability } : {}) } satisfies RedisStoreOptions;
workInCrash({
  store: redisStore({ ...options, prefix }),
  journalStore: () => redisStore({ ...options, prefix: `${prefix}:journal` }),
  end: close,
});
