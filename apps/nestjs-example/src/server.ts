import { once } from 'node:events';
import { isHighQError } from '@hq-oauth/core';
import { STOP_MS } from './app.module.ts';
import { createApp } from './app.ts';
import { readConfig } from './config.ts';

async function run(): Promise<void> {
  const config = readConfig(process.env);
  const app = await createApp(config, { logger: console });
  await app.listen(config.port, config.host);
  console.log(`Matter browser: ${config.publicUrl}`);

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const late = AbortSignal.timeout(STOP_MS);
  late.addEventListener('abort', () => app.getHttpServer().closeAllConnections());
  // Answers what is under way, then the modules end: the token manager first, then the store below it.
  await app.close();
}

try {
  await run();
} catch (error) {
  console.error(isHighQError(error) ? error.message : error);
  process.exitCode = 1;
}
