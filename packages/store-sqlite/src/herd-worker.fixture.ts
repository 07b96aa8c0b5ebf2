import { workInHerd } from '@hq-oauth/testkit/herd/worker';
import { sqliteStore } from './index.ts';

const [path = ''] = process.argv.slice(2);
workInHerd(sqliteStore({ path }));
