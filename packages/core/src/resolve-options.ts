import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { apiRoot, apiUrl } from './api-call.ts';
import type { CanaryOption } from './canary.ts';
import { credentialProblem, secretSource } from './client-secret.ts';
import { systemRandom } from './clock.ts';
import { KEY_COMMAND, parseKey, splitKeyList } from './encryption-keys.ts';
import { ConfigurationError, type ConfigurationProblem } from './errors.ts';
import { hostKind } from './host-kind.ts';
import { addressProblem, basicProblem, type LoopbackRule, parseInstanceUrl } from './instance-url.ts';
import type { Journal } from './journal.ts';
import type { LogMethod, ResolvedOptions, TokenManagerOptions } from './options.ts';
import { KNOWN_OPTIONS, nearestName, schemas } from './options-schema.ts';
import { timings } from './timings.ts';

type Env = Record<string, string | undefined>;
type Bag = Record<string, unknown>;

const STORES = '`sqliteStore(…)`, `redisStore(…)`, `postgresStore(…)`, or `memoryStore()` for tests';
/** In api.md, and not in this version: told apart from a misspelt name. */
const LATER = ['keeper'];

/**
 * Checks all options and the environment, and fills in defaults.
 * @throws ConfigurationError with every problem in one message, and no value in it
 */
export function resolveOptions(options: TokenManagerOptions, env: Env = process.env): ResolvedOptions {
  const check = new Check(env);
  const given = check.bag('', options);
  const refresh = check.bag('refresh', given.refresh);
  const http = check.bag('http', given.http);
  const provider = check.bag('provider', given.provider);

  const production = env.NODE_ENV === 'production';
  const asked = check.flag('provider.allowLoopback', 'HIGHQ_ALLOW_LOOPBACK', provider.allowLoopback);
  const rule: LoopbackRule = { allowLoopback: asked && !production, production };

  const instance = check.instanceUrl(given.instanceUrl, rule);
  const clientId = check.credential('clientId', 'HIGHQ_CLIENT_ID', given.clientId);
  const secret = check.secret(given.clientSecret);
  const redirectUri = check.redirectUri(given.redirectUri, rule);
  const accessTokenLifetimeMs = check.lifetime(given.accessTokenLifetimeMs);
  const store = check.store(given.store);
  const encryption = check.encryption(given.encryption);
  const timeScale = check.value('refresh.timeScale', schemas.timeScale, refresh.timeScale) ?? 1;
  if (timeScale !== 1 && !rule.allowLoopback) {
    check.report('refresh.timeScale', 'may differ from 1 only with `provider.allowLoopback`, for tests');
  }
  const connectMs = check.value('http.connectTimeoutMs', schemas.connectTimeoutMs, http.connectTimeoutMs);
  const scaled = timings(timeScale);
  const resolved = {
    redirectUri,
    accessTokenLifetimeMs,
    waitMs: check.value('refresh.waitMs', schemas.wait, refresh.waitMs) ?? 15_000,
    revalidateMs: check.value('refresh.revalidateMs', schemas.wait, refresh.revalidateMs) ?? 30_000,
    idleRereadMs: check.value('refresh.idleRereadMs', schemas.wait, refresh.idleRereadMs) ?? 300_000,
    background: check.background(refresh.background),
    timings: connectMs === undefined ? scaled : { ...scaled, connectMs },
    http: { proxy: check.proxy(http.proxy), ca: check.ca(http.ca) },
    clock: check.methods('clock', given.clock, ['now', 'monotonic', 'setTimer', 'afterIo'])
      ? options.clock
      : undefined,
    random:
      (check.methods('random', given.random, ['float', 'id']) ? options.random : undefined) ?? systemRandom,
    logger: check.logger(given.logger),
    journals: check.journals(given.journal, store?.needsJournal === true),
    canary: check.canary(given.canary),
    rescueDir: env.HIGHQ_RESCUE_DIR || undefined,
    allowLoopback: rule.allowLoopback,
    testClockUrl: check.testClock(instance?.loopback === true && !given.clock),
    tokenFormat: check.value('provider.tokenFormat', schemas.tokenFormat, provider.tokenFormat) ?? 'any',
    refusals: check.value('provider.refusals', schemas.refusals, provider.refusals) ?? [],
    refreshYear: check.value('provider.refreshYear', schemas.refreshYear, provider.refreshYear) ?? 'unknown',
  };
  if (check.problems.length > 0 || !instance || !clientId || !secret || !store || encryption === undefined) {
    throw new ConfigurationError(check.problems);
  }
  const instanceUrl = instance.url.href;
  return {
    ...resolved,
    instanceUrl,
    origin: instance.url.origin,
    clientId,
    clientSecret: secretSource(secret),
    registration: createHash('sha256').update(`${instanceUrl}\n${clientId}`).digest('hex'),
    store,
    encryption,
  };
}

/** One method per kind of option; each reports what is wrong and goes on, so that all problems are found. */
class Check {
  readonly problems: ConfigurationProblem[] = [];
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  report(option: string, problem: string, env?: string): undefined {
    this.problems.push(env ? { option, env, problem } : { option, problem });
  }

  /** A group of options, with its names checked. */
  bag(group: keyof typeof KNOWN_OPTIONS, value: unknown): Bag {
    if (value === undefined && group !== '') return {};
    if (!isBag(value)) {
      this.report(group || 'options', 'must be an object');
      return {};
    }
    const known: readonly string[] = KNOWN_OPTIONS[group];
    const prefix = group && `${group}.`;
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue;
      if (group === '' && LATER.includes(name)) {
        // `keeper: false` says what holds anyway.
        if (value[name]) this.report(name, 'is not available in this version: leave it out');
        continue;
      }
      const nearest = nearestName(name, known);
      const hint = nearest ? `did you mean \`${prefix}${nearest}\`?` : `known are ${known.join(', ')}`;
      this.report(prefix + name.replace(/[^\w$-]/g, '?').slice(0, 40), `is no option; ${hint}`);
    }
    return value;
  }

  value<T extends v.GenericSchema>(
    option: string,
    schema: T,
    value: unknown,
    env?: string,
  ): v.InferOutput<T> | undefined {
    if (value === undefined) return undefined;
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    return this.report(option, result.issues[0].message, env);
  }

  canary(value: unknown): CanaryOption | undefined {
    if (value === undefined || value === false || typeof value === 'function')
      return value as CanaryOption | undefined;
    const problem =
      'must be the path of an API call that this user may always make, such as "6/users/me@firm.example?type=email", a function that gives it, or false';
    if (typeof value !== 'string' || value === '') return this.report('canary', problem);
    try {
      apiUrl(apiRoot('https://instance.invalid/i'), value);
      return value;
    } catch {
      return this.report('canary', problem);
    }
  }

  journals(value: unknown, needed: boolean): readonly Journal[] {
    const none = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    if (none && needed) {
      const remedy =
        'give fileJournal({ dir }) or storeJournal(store), or choose another durability for the store';
      this.report('journal', `is missing, and the store was set up to rely on one: ${remedy}`);
    }
    if (value === undefined || value === null) return [];
    const list = Array.isArray(value) ? value : [value];
    const sound = list.every((journal) =>
      this.methods('journal', journal, ['append', 'read', 'forget', 'close']),
    );
    return sound ? (list as Journal[]) : [];
  }

  /** The option, or else its variable; an empty variable counts as not set. */
  #textOr(option: string, env: string, value: unknown): string | undefined {
    if (value === undefined) return this.#env[env] || undefined;
    if (typeof value === 'string') return value;
    return this.report(option, `must be a string, not ${kindOf(value)}`, env);
  }

  #missing(option: string, env: string, value: unknown, remedy: string): undefined {
    // Of another type: reported already.
    if (value === undefined) this.report(option, `is missing: ${remedy}`, env);
  }

  flag(option: string, env: string, value: unknown): boolean {
    if (value !== undefined) return this.value(option, schemas.boolean, value, env) ?? false;
    const text = this.#env[env];
    if (text && text !== '1' && text !== '0') this.report(option, 'must be 1 or not set', env);
    return text === '1';
  }

  instanceUrl(value: unknown, rule: LoopbackRule): { url: URL; loopback: boolean } | undefined {
    const [option, env] = ['instanceUrl', 'HIGHQ_INSTANCE_URL'];
    const text = this.#textOr(option, env, value);
    if (text === undefined) {
      const form = 'write `https://<host>/<instance>`, for example https://acme.highq.com/acme';
      return this.#missing(option, env, value, form);
    }
    const parsed = parseInstanceUrl(text, rule);
    return 'problem' in parsed ? this.report(option, parsed.problem, env) : parsed;
  }

  credential(option: string, env: string, value: unknown): string | undefined {
    const text = this.#textOr(option, env, value);
    if (text === undefined) {
      return this.#missing(
        option,
        env,
        value,
        "it is shown on the instance's API application registration page",
      );
    }
    const problem = credentialProblem(text);
    return problem ? this.report(option, problem, env) : text;
  }

  secret(value: unknown): string | (() => string | Promise<string>) | undefined {
    return typeof value === 'function'
      ? (value as () => string | Promise<string>)
      : this.credential('clientSecret', 'HIGHQ_CLIENT_SECRET', value);
  }

  redirectUri(value: unknown, rule: LoopbackRule): string | undefined {
    const [option, env] = ['redirectUri', 'HIGHQ_REDIRECT_URI'];
    const text = this.#textOr(option, env, value);
    if (text === undefined) return undefined;
    const problem = basicProblem(text, { query: true }) ?? addressProblem(new URL(text), rule);
    return problem ? this.report(option, problem, env) : text;
  }

  lifetime(value: unknown): number | undefined {
    const [option, env] = ['accessTokenLifetimeMs', 'HIGHQ_ACCESS_TOKEN_LIFETIME_MS'];
    const text = this.#env[env] || undefined;
    const number = text && (/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);
    return this.value(option, schemas.accessTokenLifetimeMs, value === undefined ? number : value, env);
  }

  store(value: unknown): TokenManagerOptions['store'] | undefined {
    if (value === undefined || value === null) {
      return this.report('store', `is missing: give ${STORES}`);
    }
    if (isBag(value) && typeof value.then === 'function') {
      return this.report('store', 'is a promise: await it first');
    }
    return this.methods('store', value, ['read', 'cas', 'now', 'list', 'close'], `give ${STORES}`)
      ? (value as TokenManagerOptions['store'])
      : undefined;
  }

  encryption(value: unknown): ResolvedOptions['encryption'] | undefined {
    const [option, env] = ['encryption', 'HIGHQ_ENCRYPTION_KEYS'];
    if (value === false) return false;
    const listed = value === undefined ? this.#env[env] || undefined : undefined;
    if (value === undefined && listed === undefined) {
      return this.report(
        option,
        `is missing: give \`{ keys: [{ id, key }] }\`, or write \`false\` out to store tokens in the clear; ${KEY_COMMAND} prints a key`,
        env,
      );
    }
    const keys = listed === undefined ? this.bag('encryption', value).keys : splitKeyList(listed);
    if (!Array.isArray(keys) || keys.length === 0) {
      if (listed !== undefined || isBag(value)) {
        this.report(`${option}.keys`, `must be a list with at least one key; ${KEY_COMMAND} prints one`, env);
      }
      return undefined;
    }
    const resolved = keys.map((entry: unknown, index) => this.#key(`${option}.keys[${index}]`, env, entry));
    const ids = new Set<string>();
    for (const [index, entry] of resolved.entries()) {
      if (entry && ids.has(entry.id)) {
        this.report(`${option}.keys[${index}].id`, 'is the id of another key as well', env);
      }
      if (entry) ids.add(entry.id);
    }
    return { keys: resolved.flatMap((entry) => (entry?.key ? [{ id: entry.id, key: entry.key }] : [])) };
  }

  #key(at: string, env: string, entry: unknown): { id: string; key: Uint8Array | undefined } | undefined {
    if (!isBag(entry)) return this.report(at, 'must be `{ id, key }`, in the variable `id:key`', env);
    const { id } = entry;
    const parsed = parseKey(entry.key);
    if ('problem' in parsed) this.report(`${at}.key`, `${parsed.problem}; ${KEY_COMMAND} prints one`, env);
    if (typeof id !== 'string' || !/^[\w.-]{1,64}$/.test(id)) {
      return this.report(`${at}.id`, 'must have 1 to 64 letters, digits, dots, dashes or underscores', env);
    }
    return { id, key: 'key' in parsed ? parsed.key : undefined };
  }

  background(value: unknown): ResolvedOptions['background'] {
    if (this.value('refresh.background', schemas.background, value) === undefined) return 'detached';
    return value as ResolvedOptions['background'];
  }

  proxy(value: unknown): string | undefined {
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || !/^https?:\/\/[^/]/i.test(value) || !URL.canParse(value)) {
      return this.report('http.proxy', 'must be the http or https URL of a proxy, http://<host>:<port>');
    }
    try {
      const { username, password } = new URL(value);
      decodeURIComponent(username + password);
    } catch {
      return this.report('http.proxy', 'has a bare % in its user name or password: write it as %25');
    }
    return value;
  }

  ca(value: unknown): readonly string[] | undefined {
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    const texts = list.map((entry) =>
      entry instanceof Uint8Array ? Buffer.from(entry).toString('latin1') : entry,
    );
    const isPem = (entry: unknown): entry is string =>
      typeof entry === 'string' && entry.includes('-----BEGIN CERTIFICATE-----');
    if (texts.length > 0 && texts.every(isPem)) return texts;
    return this.report('http.ca', 'must be certificates as PEM text (the content of the file, not its path)');
  }

  /** True when all methods are there; false without a word when nothing was given. */
  methods(option: string, value: unknown, names: readonly string[], remedy?: string): boolean {
    if (value === undefined) return false;
    const missing = names.filter((name) => !isBag(value) || typeof value[name] !== 'function');
    if (missing.length > 0) {
      this.report(option, `has no method ${missing.join(', ')}${remedy ? `: ${remedy}` : ''}`);
    }
    return missing.length === 0;
  }

  logger(value: unknown): ResolvedOptions['logger'] {
    if (value !== undefined && !isBag(value)) this.report('logger', 'must be an object');
    const bag = isBag(value) ? value : {};
    const level = (name: string): LogMethod => {
      const method = bag[name];
      if (typeof method === 'function') {
        return (message, fields) => {
          try {
            // A log that fails must not end a refresh that holds the only live pair, nor, later on, the program.
            const written: unknown = method.call(bag, message, fields);
            if (written) Promise.resolve(written).catch(() => undefined);
          } catch {
            // Neither at once.
          }
        };
      }
      if (method !== undefined) this.report(`logger.${name}`, 'must be a function');
      return () => {};
    };
    return { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') };
  }

  testClock(honoured: boolean): string | undefined {
    const text = this.#env.HIGHQ_TEST_CLOCK;
    if (!text || !honoured) return undefined;
    if (basicProblem(text, { query: true }) === null && hostKind(new URL(text)) === 'loopback') return text;
    return this.report('clock', 'must name the clock of an emulator on loopback', 'HIGHQ_TEST_CLOCK');
  }
}

function isBag(value: unknown): value is Bag {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value;
}
