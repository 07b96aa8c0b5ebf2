/**
 * The servers that suites of stores need. A whole run starts them once; `vitest run packages/store-redis` starts its
 * own through the setup files beside this one. Each store of a test has a prefix or a schema of its own on them.
 */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findPostgres, PostgresServer } from '../../packages/testkit/src/servers/postgres-server.ts';
import { findRedisServer, RedisServer } from '../../packages/testkit/src/servers/redis-server.ts';

export interface TestServers {
  /** What tests read: `HQ_REDIS_URL`, `HQ_POSTGRES_URL`. */
  readonly variables: Record<string, string>;
  stop(): Promise<void>;
}

/** The server's variables; `null` where its program is missing, so that its suites are skipped. */
export async function startTestRedis(runFolder: string | undefined): Promise<TestServers | null> {
  if (findRedisServer() === null) return null;
  // In the run's folder, where the scan for secrets reads what the server wrote.
  const folder = runFolder === undefined ? undefined : join(runFolder, `redis-${process.pid}`);
  if (folder !== undefined) mkdirSync(folder, { recursive: true });
  const server = await RedisServer.start(folder === undefined ? {} : { folder });
  return { variables: { HQ_REDIS_URL: server.url }, stop: () => server.stop() };
}

export async function startTestPostgres(runFolder: string | undefined): Promise<TestServers | null> {
  const bin = findPostgres();
  if (bin === null) return null;
  const server = await PostgresServer.start();
  return {
    variables: { HQ_POSTGRES_URL: server.url },
    async stop() {
      try {
        if (runFolder !== undefined) await dump(bin, server.url, runFolder);
      } finally {
        await server.stop();
      }
    },
  };
}

/** Its data folder is not the run's, so the scan for secrets gets the rows as text. */
async function dump(bin: string, url: string, runFolder: string): Promise<void> {
  const file = join(runFolder, `postgres-${process.pid}.sql`);
  await promisify(execFile)(join(bin, 'pg_dump'), ['--data-only', '-f', file, url]);
}

/** Both. */
export async function startTestServers(runFolder: string): Promise<TestServers> {
  const started: TestServers[] = [];
  const stop = async (): Promise<void> => {
    for (const server of started.splice(0)) await server.stop();
  };
  try {
    for (const start of [startTestRedis, startTestPostgres]) {
      const server = await start(runFolder);
      if (server) started.push(server);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { variables: Object.assign({}, ...started.map(({ variables }) => variables)), stop };
}
