import { workInCrash } from '@hq-oauth/testkit/crash/worker';
import { sqliteStore } from './index.ts';

const [path = ''] = process.argv.slice(2);
workInCrash({
  store: sqliteStore({ path }),
  journalStore: () => sqliteStore({ path: `${path}.journal` }),
});
