import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from './clock.ts';
import { ConfigurationError, TokenEndpointError } from './errors.ts';
import { problemsOf, resolve, someKey, someStore, valid } from './options.fixture.ts';
import { resolveOptions, type TokenManagerOptions } from './options.ts';
import { timings } from './timings.ts';

const named = (changes: Record<string, unknown>, env: Record<string, string> = {}): string[] =>
  problemsOf(changes, env).map(({ option }) => option);

const wrong = {
  instanceUrl: 'https://bob:canary-password@acme.highq.com/acme',
  clientId: '1012',
  accessTokenLifetimeMs: 365 * 86_400_000,
  encryption: { keys: [{ id: 'k1', key: Buffer.from('canary-sixteen-b').toString('base64') }] },
};

describe('resolveOptions', () => {
  it('F78 F95 stops the start with all problems in one message, and no secret in it', () => {
    let thrown: unknown;
    try {
      resolveOptions(wrong as unknown as TokenManagerOptions, {});
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof ConfigurationError)) throw new Error('not a ConfigurationError');
    expect(thrown.problems.map(({ option, env }) => [option, env])).toEqual([
      ['instanceUrl', 'HIGHQ_INSTANCE_URL'],
      ['clientSecret', 'HIGHQ_CLIENT_SECRET'],
      ['accessTokenLifetimeMs', 'HIGHQ_ACCESS_TOKEN_LIFETIME_MS'],
      ['store', undefined],
      ['encryption.keys[0].key', 'HIGHQ_ENCRYPTION_KEYS'],
    ]);
    for (const { option, env, problem } of thrown.problems) {
      expect(thrown.message).toContain(`${option}${env ? ` (${env})` : ''}: ${problem}`);
    }
    expect(thrown.message).toMatch(/^hq-oauth cannot start, 5 problems:/);
    expect(thrown.message).toMatch(/30 minutes.*31 days/);
    expect(thrown.message).toContain('has 16 bytes');
    for (const store of ['sqliteStore', 'redisStore', 'postgresStore', 'memoryStore']) {
      expect(thrown.message).toContain(store);
    }
    const shown = inspect(thrown, { showHidden: true, depth: 9 }) + JSON.stringify(thrown);
    expect(shown).not.toMatch(/canary|Y2FuYXJ5/);
  });

  it('shows no value of any option, whichever is wrong', () => {
    const secret = 'canary\nvalue';
    const problems = problemsOf({
      instanceUrl: secret,
      clientId: secret,
      clientSecret: secret,
      redirectUri: secret,
      accessTokenLifetimeMs: secret,
      store: secret,
      encryption: { keys: [{ id: secret, key: secret }, secret] },
      refresh: {
        waitMs: secret,
        revalidateMs: secret,
        idleRereadMs: secret,
        background: secret,
        timeScale: secret,
      },
      http: { proxy: secret, ca: secret, connectTimeoutMs: secret },
      clock: secret,
      random: secret,
      logger: secret,
      provider: { allowLoopback: secret, tokenFormat: secret, refusals: [secret], refreshYear: secret },
    });
    expect(problems).toHaveLength(24);
    expect(inspect(problems)).not.toContain('canary');
  });

  it('fills in every default', () => {
    const { clientSecret, logger, store, encryption, ...rest } = resolve();
    expect(rest).toEqual({
      journals: [],
      rescueDir: undefined,
      instanceUrl: 'https://acme.highq.com/acme',
      origin: 'https://acme.highq.com',
      clientId: '1012',
      redirectUri: undefined,
      accessTokenLifetimeMs: undefined,
      registration: createHash('sha256').update('https://acme.highq.com/acme\n1012').digest('hex'),
      waitMs: 15_000,
      revalidateMs: 30_000,
      idleRereadMs: 300_000,
      background: 'detached',
      timings: timings(),
      http: { proxy: undefined, ca: undefined },
      clock: undefined,
      random: systemRandom,
      allowLoopback: false,
      testClockUrl: undefined,
      tokenFormat: 'any',
      refusals: [],
      refreshYear: 'unknown',
    });
    expect(store).toBe(someStore);
    expect(encryption).toEqual({ keys: [{ id: 'k1', key: new Uint8Array(Buffer.from(someKey, 'base64')) }] });
    expect(clientSecret).toBeTypeOf('function');
    expect(Object.keys(logger).sort()).toEqual(['debug', 'error', 'info', 'warn']);
    logger.error('goes nowhere');
  });

  it('takes from the environment what is not written out, and an empty variable for none', async () => {
    const env = {
      HIGHQ_INSTANCE_URL: 'https://beta.highq.com/beta',
      HIGHQ_CLIENT_ID: '77',
      HIGHQ_CLIENT_SECRET: 'from-env',
      HIGHQ_REDIRECT_URI: 'https://app.example/cb',
      HIGHQ_ACCESS_TOKEN_LIFETIME_MS: '1800000',
      HIGHQ_ENCRYPTION_KEYS: `new:${someKey}, old:${'ab'.repeat(32)}`,
    };
    const resolved = resolveOptions({ store: someStore }, env);
    expect(resolved).toMatchObject({
      instanceUrl: 'https://beta.highq.com/beta',
      clientId: '77',
      redirectUri: 'https://app.example/cb',
      accessTokenLifetimeMs: 1_800_000,
    });
    expect(await resolved.clientSecret()).toBe('from-env');
    expect((resolved.encryption || undefined)?.keys.map(({ id }) => id)).toEqual(['new', 'old']);
    expect(resolve({}, env)).toMatchObject({ instanceUrl: valid.instanceUrl, clientId: '1012' });
    const none = Object.fromEntries(Object.keys(env).map((name) => [name, '']));
    expect(named({ instanceUrl: undefined, clientId: undefined, encryption: undefined }, none)).toEqual([
      'instanceUrl',
      'clientId',
      'encryption',
    ]);
  });

  it.each([
    [30 * 60_000 - 1, 1],
    [30 * 60_000, 0],
    [31 * 86_400_000, 0],
    [31 * 86_400_000 + 1, 1],
    [31 * 86_400_000 + 1000, 1],
    [0, 1],
    [-1, 1],
    [Number.NaN, 1],
    [Number.POSITIVE_INFINITY, 1],
  ])('takes an accessTokenLifetimeMs of %d with %d problems, as option and as variable', (value, count) => {
    expect(problemsOf({ accessTokenLifetimeMs: value })).toHaveLength(count);
    expect(problemsOf({}, { HIGHQ_ACCESS_TOKEN_LIFETIME_MS: String(value) })).toHaveLength(count);
  });

  it('reads a lifetime variable strictly', () => {
    for (const text of ['5h', '1.8e6', ' 1800000', '1800000.0', '0x1b7740', '+1800000']) {
      expect(problemsOf({}, { HIGHQ_ACCESS_TOKEN_LIFETIME_MS: text })).toHaveLength(1);
    }
  });

  it('F101 refuses line breaks and other control characters in client id, secret and redirect URI', () => {
    for (const bad of ['10\r12', '10\n12', '1012\n', ' 1012', '10\u000012', '10\u007f', 'ü', '']) {
      for (const option of ['clientId', 'clientSecret']) {
        expect(named({ [option]: bad }), JSON.stringify(bad)).toEqual([option]);
      }
      expect(named({ redirectUri: `https://app.example/${bad}`.replace(/[ü]|1012$/, '\n') })).toEqual(
        bad === '' ? [] : ['redirectUri'],
      );
    }
    expect(named({ clientId: 1012 })).toEqual(['clientId']);
    expect(named({ clientId: null })).toEqual(['clientId']);
    expect(named({ clientSecret: 'with space & sign!~' })).toEqual([]);
  });

  it('asks a secret function each time, and tells its failure without its message', async () => {
    let asked = 0;
    const { clientSecret } = resolve({ clientSecret: async () => `secret-${++asked}` });
    expect([await clientSecret(), await clientSecret()]).toEqual(['secret-1', 'secret-2']);
    const failing: (() => unknown)[] = [
      () => Promise.reject(Object.assign(new TypeError('no canary-1'), { code: 'EVAULT', data: 'canary-1' })),
      () => {
        throw 'canary-1';
      },
      () => 'canary-1\r\n',
      () => '',
      () => undefined,
      () => Buffer.from('canary-1'),
    ];
    const reasons: string[] = [];
    for (const secret of failing) {
      const error: unknown = await resolve({ clientSecret: secret })
        .clientSecret()
        .catch((thrown) => thrown);
      if (!(error instanceof TokenEndpointError)) throw new Error('not a TokenEndpointError');
      expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain('canary');
      reasons.push(error.reason);
    }
    const [unavailable, unusable] = ['client_secret_unavailable', 'client_secret_unusable'];
    expect(reasons).toEqual([unavailable, unavailable, unusable, unusable, unusable, unusable]);
  });

  it('requires a store that is one', () => {
    expect(problemsOf({ store: Promise.resolve(someStore) })[0]?.problem).toContain('await it');
    expect(problemsOf({ store: new Map() })[0]?.problem).toContain(
      'has no method read, cas, now, list, close',
    );
    expect(named({ store: null })).toEqual(['store']);
  });

  it('names the option that a misspelt one was meant to be', () => {
    const hints = problemsOf({
      clientID: 'x',
      instance_url: 'x',
      refesh: {},
      refresh: { waitMS: 1 },
      provider: { allowLoopbak: true },
      encryption: { keys: [{ id: 'k', key: someKey }], key: 'x' },
      colour: 1,
    }).map(({ option, problem }) => `${option} ${problem.split(',')[0]}`);
    expect(hints.sort()).toEqual([
      'clientID is no option; did you mean `clientId`?',
      'colour is no option; known are instanceUrl',
      'encryption.key is no option; did you mean `encryption.keys`?',
      'instance_url is no option; did you mean `instanceUrl`?',
      'provider.allowLoopbak is no option; did you mean `provider.allowLoopback`?',
      'refesh is no option; did you mean `refresh`?',
      'refresh.waitMS is no option; did you mean `refresh.waitMs`?',
    ]);
    expect(named({ keeper: false, journal: undefined })).toEqual([]);
    const forgetful = { ...someStore, needsJournal: true };
    expect(named({ store: forgetful })).toEqual(['journal']);
    expect(named({ store: forgetful, journal: [] })).toEqual(['journal']);
    expect(named({ http: { proxy: 'http://user:p%ss@proxy:8080' } })).toEqual(['http.proxy']);
    expect(named({ http: { proxy: 'http://user:p%25ss@proxy:8080' } })).toEqual([]);
    expect(problemsOf({ keeper: true })[0]?.problem).toContain('not available in this version');
    expect(() => resolveOptions(undefined as never, {})).toThrow(ConfigurationError);
  });

  it.each<[string, Record<string, unknown>, number]>([
    ['waitMs', { refresh: { waitMs: 0, revalidateMs: 86_400_000, idleRereadMs: 1.5 } }, 0],
    ['waitMs', { refresh: { waitMs: -1, revalidateMs: 86_400_001, idleRereadMs: Number.NaN } }, 3],
    ['waitMs', { refresh: { waitMs: '15000' } }, 1],
    ['background', { refresh: { background: 'await' } }, 0],
    ['background', { refresh: { background: 'later' } }, 1],
    ['connectTimeoutMs', { http: { connectTimeoutMs: 1 } }, 0],
    ['connectTimeoutMs', { http: { connectTimeoutMs: 0 } }, 1],
    ['connectTimeoutMs', { http: { connectTimeoutMs: 60_000 } }, 0],
    ['connectTimeoutMs', { http: { connectTimeoutMs: 60_001 } }, 1],
    ['timeScale', { refresh: { timeScale: 1 } }, 0],
    ['timeScale', { refresh: { timeScale: 0.5 } }, 1],
    ['timeScale', { refresh: { timeScale: 0.001 }, provider: { allowLoopback: true } }, 0],
    ['timeScale', { refresh: { timeScale: 0.0009 }, provider: { allowLoopback: true } }, 1],
    ['timeScale', { refresh: { timeScale: 0 }, provider: { allowLoopback: true } }, 1],
    ['proxy', { http: { proxy: 'http://bob:pw@proxy.firm.example:8080' } }, 0],
    ['proxy', { http: { proxy: 'proxy.firm.example:8080' } }, 1],
    ['proxy', { http: { proxy: 'socks5://proxy.firm.example' } }, 1],
    ['ca', { http: { ca: '/etc/ssl/ca.pem' } }, 1],
    ['ca', { http: { ca: [] } }, 1],
    ['refusals', { provider: { refusals: ['xml-403', '401', 'error-200'], tokenFormat: 'json' } }, 0],
    ['refusals', { provider: { refusals: ['403'] } }, 1],
    ['refreshYear', { provider: { refreshYear: 'absolute' } }, 0],
    ['groups', { refresh: null, http: 1, provider: 'x' }, 3],
    ['clock', { clock: systemClock, random: systemRandom }, 0],
    ['clock', { clock: Date, random: {} }, 2],
    ['logger', { logger: { info: 'x' } }, 1],
  ])('checks %s: %o has %d problems', (_, changes, count) => {
    expect(problemsOf(changes)).toHaveLength(count);
  });

  it('hands on what was given', () => {
    const waitUntil = (): void => {};
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    const lines: unknown[] = [];
    const logger = {
      prefix: 'hq ',
      warn(message: string, fields?: object) {
        lines.push(this.prefix + message, fields);
      },
      fatal() {},
    };
    const resolved = resolve({
      refresh: { background: waitUntil, timeScale: 0.01, waitMs: 5 },
      http: { connectTimeoutMs: 700, ca: [pem, Buffer.from(pem)], proxy: 'http://proxy.firm.example:8080' },
      provider: { allowLoopback: true, refusals: ['401'] },
      clock: systemClock,
      logger,
    });
    expect(resolved).toMatchObject({
      background: waitUntil,
      waitMs: 5,
      timings: { ...timings(0.01), connectMs: 700 },
      http: { ca: [pem, pem], proxy: 'http://proxy.firm.example:8080' },
      refusals: ['401'],
      allowLoopback: true,
    });
    expect(resolved.clock).toBe(systemClock);
    resolved.logger.warn('slow', { ms: 5 });
    resolved.logger.info('nobody listens');
    expect(lines).toEqual(['hq slow', { ms: 5 }]);
  });
});
