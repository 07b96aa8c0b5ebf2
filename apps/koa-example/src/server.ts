import { once } from 'node:events';
import { createServer } from 'node:http';
import { isHighQError, type TokenStore } from '@hq-oauth/core';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import { createApp } from './app.ts';
import { type Config, readConfig } from './config.ts';
import { Instances } from './instances.ts';

/** For requests under way, and for a refresh whose new tokens are not stored yet. */
const STOP_MS = 10_000;

interface Parts {
  readonly config: Config;
  readonly store: TokenStore;
  readonly instances: Instances;
}

function prepare(): Parts {
  const config = readConfig(process.env);
  const store = sqliteStore({ path: config.databasePath });
  return { config, store, instances: new Instances(config.instances, { store, logger: console }) };
}

async function run({ config, store, instances }: Parts): Promise<void> {
  const server = createServer(createApp({ ...config, instances }).callback());
  server.listen(config.port, config.host);
  await once(server, 'listening');
  console.log(`Matter browser: ${instances.all.map(({ publicUrl }) => publicUrl).join(' and ')}`);

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const closed = once(server, 'close');
  server.close();
  const late = AbortSignal.timeout(STOP_MS);
  late.addEventListener('abort', () => server.closeAllConnections());
  await closed;
  await instances.close(STOP_MS);
  await store.close();
}

try {
  await run(prepare());
} catch (error) {
  console.error(isHighQError(error) ? error.message : error);
  process.exitCode = 1;
}
