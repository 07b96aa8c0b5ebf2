import { type FirmConfig, readFirmConfig } from 'example-kit';

export interface Config extends FirmConfig {
  /** A PostgreSQL, which then takes the place of the SQLite file. */
  readonly databaseUrl: string | undefined;
}

/** @throws ConfigurationError with every problem */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  return { ...readFirmConfig(env, 3002), databaseUrl: env.DATABASE_URL || undefined };
}
