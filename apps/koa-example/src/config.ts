import { Settings } from 'example-kit';

/** One HighQ instance, and the host by which it is served. */
export interface InstanceConfig {
  /** Lower case; in upper case it ends the names of the variables. */
  readonly name: string;
  /** Where browsers reach it: an origin, without a slash at the end. No two have one. */
  readonly publicUrl: string;
  readonly redirectUri: string;
  readonly instanceUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly accessTokenLifetimeMs?: number;
}

export interface Config {
  readonly port: number;
  readonly host: string;
  readonly instances: readonly InstanceConfig[];
  /** Of all of them: tokens are kept apart by instance and registration. */
  readonly databasePath: string;
  /** Signs the session cookie. */
  readonly sessionSecret: string;
  /** Of the two people of the firm. */
  readonly firmPassword: string;
}

/** @throws ConfigurationError with every problem */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const settings = new Settings(env);
  const port = settings.port(3001);
  const instances = namesOf(settings).map((name) => readInstance(settings, name, port));
  for (const [index, { name, publicUrl }] of instances.entries()) {
    const twin = instances.slice(0, index).find((other) => other.publicUrl === publicUrl);
    if (twin) settings.report('publicUrl', variable('PUBLIC_URL', name), `is that of ${twin.name}, too`);
  }
  return settings.complete({
    port,
    host: settings.text('HOST', '127.0.0.1'),
    instances,
    databasePath: settings.text('DATABASE_PATH', './matters.db'),
    sessionSecret: settings.sessionSecret(),
    firmPassword: settings.firmPassword(),
  });
}

/** `HIGHQ_CLIENT_ID` of `acme` is `HIGHQ_CLIENT_ID_ACME`. */
export function variable(base: string, instance: string): string {
  return `${base}_${instance.toUpperCase()}`;
}

function namesOf(settings: Settings): readonly string[] {
  const names = settings
    .text('INSTANCES', 'acme,borealis')
    .split(',')
    .map((name) => name.trim());
  if (names.every((name) => /^[a-z][a-z0-9]*$/.test(name)) && new Set(names).size === names.length)
    return names;
  settings.report('instances', 'INSTANCES', 'must be different names of a-z and 0-9, such as acme,borealis');
  return [];
}

function readInstance(settings: Settings, name: string, port: number): InstanceConfig {
  const named = (base: string): string => variable(base, name);
  const publicUrl = settings.publicUrl(named('PUBLIC_URL'), `http://${name}.localhost:${port}`);
  const lifetime = settings.optional(named('HIGHQ_ACCESS_TOKEN_LIFETIME_MS'));
  return {
    name,
    publicUrl,
    redirectUri: settings.text(named('HIGHQ_REDIRECT_URI'), `${publicUrl}/highq/callback`),
    instanceUrl: settings.required('instanceUrl', named('HIGHQ_INSTANCE_URL')),
    clientId: settings.required('clientId', named('HIGHQ_CLIENT_ID')),
    clientSecret: settings.required('clientSecret', named('HIGHQ_CLIENT_SECRET')),
    ...(lifetime !== undefined && { accessTokenLifetimeMs: Number(lifetime) }),
  };
}
