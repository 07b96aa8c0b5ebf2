import { startTestPostgres } from './test-servers.ts';

/** For vitest, where nobody has started a PostgreSQL for the run. Without its programs, its suites are skipped. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.HQ_POSTGRES_URL || process.env.HQ_NO_POSTGRES) return undefined;
  const server = await startTestPostgres(process.env.HQ_RUN_DIR);
  Object.assign(process.env, server?.variables);
  return server?.stop;
}
