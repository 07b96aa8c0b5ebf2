import { type Environment, Settings } from './settings.ts';

/** What an example at one host needs; the HIGHQ_… variables are read by the token manager. */
export interface FirmConfig {
  readonly port: number;
  readonly host: string;
  /** Where browsers reach this program: an origin, without a slash at the end. */
  readonly publicUrl: string;
  readonly redirectUri: string;
  readonly databasePath: string;
  /** Signs the session cookie. */
  readonly sessionSecret: string;
  /** Of the two people of the firm. */
  readonly firmPassword: string;
}

/**
 * `ownPort`: where this example listens unless it is told; each has one of its own, so that all of them can run at once.
 * @throws ConfigurationError with every problem
 */
export function readFirmConfig(env: Environment, ownPort: number): FirmConfig {
  const settings = new Settings(env);
  const port = settings.port(ownPort);
  const publicUrl = settings.publicUrl('PUBLIC_URL', `http://127.0.0.1:${port}`);
  return settings.complete({
    port,
    host: settings.text('HOST', '127.0.0.1'),
    publicUrl,
    redirectUri: settings.text('HIGHQ_REDIRECT_URI', `${publicUrl}/highq/callback`),
    databasePath: settings.text('DATABASE_PATH', './matters.db'),
    sessionSecret: settings.sessionSecret(),
    firmPassword: settings.firmPassword(),
  });
}
