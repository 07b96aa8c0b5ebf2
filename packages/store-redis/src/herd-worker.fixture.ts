import { workInHerd } from '@hq-oauth/testkit/herd/worker';
import { connect, type Driver } from './clients.fixture.ts';
import { redisStore } from './redis-store.ts';

const [prefix = '', driver] = process.argv.slice(2);
const { client, close } = await connect((driver ?? '') as Driver);
workInHerd(redisStore({ client, prefix }), close);
