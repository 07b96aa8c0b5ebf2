import { randomBytes } from 'node:crypto';
import { ConfigurationError, type ConfigurationProblem } from '@hq-oauth/core';

/** What the example itself needs; the HIGHQ_… variables are read by the token manager. */
export interface Config {
  readonly port: number;
  readonly host: string;
  /** Where browsers reach this program: an origin, without a slash at the end. */
  readonly publicUrl: string;
  readonly redirectUri: string;
  readonly databasePath: string;
  /** A PostgreSQL, which then takes the place of the SQLite file. */
  readonly databaseUrl: string | undefined;
  /** Signs the session cookie. */
  readonly sessionSecret: string;
  /** Of the two people of the firm. */
  readonly firmPassword: string;
}

/** @throws ConfigurationError with every problem */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: ConfigurationProblem[] = [];
  const port = Number(env.PORT ?? 3000);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    problems.push({ option: 'port', env: 'PORT', problem: 'must be a port in 1 … 65535' });
  }
  const publicUrl = (env.PUBLIC_URL ?? `http://127.0.0.1:${port}`).replace(/\/$/, '');
  const parsed = URL.canParse(publicUrl) ? new URL(publicUrl) : null;
  if (parsed === null || parsed.origin !== publicUrl) {
    problems.push({ option: 'publicUrl', env: 'PUBLIC_URL', problem: 'must be an origin, https://host' });
  }
  const local = parsed !== null && ['127.0.0.1', 'localhost', '[::1]'].includes(parsed.hostname);
  if (!local) {
    if (parsed?.protocol !== 'https:') {
      problems.push({ option: 'publicUrl', env: 'PUBLIC_URL', problem: 'must be https, except on loopback' });
    }
    if ((env.SESSION_SECRET ?? '').length < 32) {
      const problem = 'needs 32 characters or more: it signs the session cookie';
      problems.push({ option: 'sessionSecret', env: 'SESSION_SECRET', problem });
    }
    if ((env.FIRM_PASSWORD ?? '').length < 12) {
      const problem = 'needs 12 characters or more: the one in the README is for loopback only';
      problems.push({ option: 'firmPassword', env: 'FIRM_PASSWORD', problem });
    }
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return {
    port,
    host: env.HOST ?? '127.0.0.1',
    publicUrl,
    redirectUri: env.HIGHQ_REDIRECT_URI ?? `${publicUrl}/highq/callback`,
    databasePath: env.DATABASE_PATH ?? './matters.db',
    databaseUrl: env.DATABASE_URL || undefined,
    // Made anew at each start where none is given: then a restart signs people out of this program, not of HighQ.
    sessionSecret: env.SESSION_SECRET ?? randomBytes(32).toString('hex'),
    firmPassword: env.FIRM_PASSWORD ?? 'password',
  };
}
