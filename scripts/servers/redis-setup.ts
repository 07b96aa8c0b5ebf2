import { startTestRedis } from './test-servers.ts';

/** For vitest, where nobody has started a Redis for the run. Without `redis-server` its suites are skipped. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.HQ_REDIS_URL || process.env.HQ_NO_REDIS) return undefined;
  const server = await startTestRedis(process.env.HQ_RUN_DIR);
  Object.assign(process.env, server?.variables);
  return server?.stop;
}
