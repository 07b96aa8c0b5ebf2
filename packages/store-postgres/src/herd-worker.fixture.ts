import { workInHerd } from '@hq-oauth/testkit/herd/worker';
import { Pool } from 'pg';
import { postgresStore } from './postgres-store.ts';

const [connectionString = '', schema = ''] = process.argv.slice(2);
const pool = new Pool({ connectionString, max: 5 });
workInHerd(postgresStore({ pool, schema }), () => pool.end());
