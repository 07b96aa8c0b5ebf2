import { workInCrash } from '@hq-oauth/testkit/crash/worker';
import { Pool } from 'pg';
import { postgresStore } from './postgres-store.ts';

const [connectionString = '', schema = ''] = process.argv.slice(2);
const pool = new Pool({ connectionString, max: 5 });
// A lost connection is what some tests are about; operations report it.
pool.on('error', () => {});
workInCrash({
  store: postgresStore({ pool, schema }),
  journalStore: () => postgresStore({ pool, schema: `${schema}-journal` }),
  end: () => pool.end(),
});
