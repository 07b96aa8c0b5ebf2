import { once } from 'node:events';
import { createServer } from 'node:http';
import { createTokenManager, isHighQError, type TokenManager, type TokenStore } from '@hq-oauth/core';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import { type FirmConfig, readFirmConfig } from 'example-kit';
import { createApp } from './app.ts';

/** For requests under way, and for a refresh whose new tokens are not stored yet. */
const STOP_MS = 10_000;

interface Parts {
  readonly config: FirmConfig;
  readonly store: TokenStore;
  readonly manager: TokenManager;
}

function prepare(): Parts {
  const config = readFirmConfig(process.env, 3000);
  const store = sqliteStore({ path: config.databasePath });
  const { redirectUri } = config;
  return { config, store, manager: createTokenManager({ redirectUri, store, logger: console }) };
}

async function run({ config, store, manager }: Parts): Promise<void> {
  const server = createServer(createApp({ manager, ...config }));
  server.listen(config.port, config.host);
  await once(server, 'listening');
  console.log(`Matter browser: ${config.publicUrl}`);

  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  await stopped;
  const closed = once(server, 'close');
  server.close();
  const late = AbortSignal.timeout(STOP_MS);
  late.addEventListener('abort', () => server.closeAllConnections());
  await closed;
  await manager.close({ timeoutMs: STOP_MS });
  await store.close();
}

try {
  await run(prepare());
} catch (error) {
  console.error(isHighQError(error) ? error.message : error);
  process.exitCode = 1;
}
