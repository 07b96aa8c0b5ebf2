import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { refusesToStart, serverWalk } from 'example-kit/testing';
import { Client } from 'pg';

const server = fileURLToPath(new URL('../dist/server.js', import.meta.url));
const postgresUrl = process.env.HQ_POSTGRES_URL ?? '';

serverWalk({ database: 'SQLite', server, health: 'ok' });
serverWalk({
  database: 'PostgreSQL',
  missing: postgresUrl === '',
  server,
  health: 'ok',
  variables: async () => ({ DATABASE_URL: await newDatabase() }),
});
refusesToStart(server, /HIGHQ_INSTANCE_URL.*HIGHQ_CLIENT_ID.*HIGHQ_ENCRYPTION_KEYS/s);

/** A database of its own on the run's server: the example's schema has one name. */
async function newDatabase(): Promise<string> {
  const name = `matters_${randomUUID().replaceAll('-', '')}`;
  const client = new Client({ connectionString: postgresUrl });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(postgresUrl);
  url.pathname = `/${name}`;
  return url.href;
}
