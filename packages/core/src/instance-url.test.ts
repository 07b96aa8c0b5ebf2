import { describe, expect, it } from 'vitest';
import { problemsOf, resolve } from './options.fixture.ts';

const loopback = { provider: { allowLoopback: true } };
const problem = (
  instanceUrl: string,
  more: Record<string, unknown> = {},
  env: Record<string, string> = {},
): string => problemsOf({ instanceUrl, ...more }, env)[0]?.problem ?? 'none';

describe('instanceUrl', () => {
  it.each([
    ['https://acme.highq.com/acme', 'https://acme.highq.com/acme'],
    ['https://acme.highq.com/acme/', 'https://acme.highq.com/acme'],
    ['https://ACME.highq.com:443/Acme', 'https://acme.highq.com/Acme'],
    ['https://matters.firm.example:8443/a..b', 'https://matters.firm.example:8443/a..b'],
    ['https://10.1.2.3/acme', 'https://10.1.2.3/acme'],
    ['https://192.168.0.9/acme', 'https://192.168.0.9/acme'],
    ['https://[fd12:3456::1]/acme', 'https://[fd12:3456::1]/acme'],
    ['https://kanzlei-müller.example/acme', 'https://xn--kanzlei-mller-4ob.example/acme'],
    ['https://acme.highq.com/apiary', 'https://acme.highq.com/apiary'],
  ])('F95 takes %s', (text, instanceUrl) => {
    expect(resolve({ instanceUrl: text })).toMatchObject({ instanceUrl, origin: new URL(text).origin });
  });

  it('names one registration, however the address is spelt, and another for another client', () => {
    const of = (changes: object): string => resolve({ ...changes }).registration;
    expect(of({ instanceUrl: 'https://ACME.highq.com:443/acme/' })).toBe(of({}));
    expect(of({ instanceUrl: 'https://acme.highq.com/acme2' })).not.toBe(of({}));
    expect(of({ clientId: '1013' })).not.toBe(of({}));
  });

  it.each<[string, RegExp]>([
    ['https://bob:pw@acme.highq.com/acme', /user name or password/],
    ['https://bob@acme.highq.com/acme', /user name or password/],
    ['https://@acme.highq.com/acme', /user name or password/],
    ['https://acme.highq.com/acme/..', /`\.\.`/],
    ['https://acme.highq.com/x/../acme', /`\.\.`/],
    ['https://acme.highq.com/%2e%2e/acme', /`\.\.`/],
    ['https://acme.highq.com/.%2E', /`\.\.`/],
    ['https://acme.highq.com/./acme', /`\.\.`/],
    ['https://acme.highq.com/..;/acme', /`\.\.`/],
    ['https://acme.highq.com/%252e%252e', /escape/],
    ['https://acme.highq.com/a%2fb', /escape/],
    ['https://acme.highq.com/a%5cb', /escape/],
    ['https://acme.highq.com/a%0d%0ab', /escape/],
    ['https://acme.highq.com/a%zz', /escape/],
    ['https://acme.highq.com/acme?x=1', /query/],
    ['https://acme.highq.com/acme?', /query/],
    ['https://acme.highq.com/acme#x', /fragment/],
    ['https://acme.highq.com', /names no instance; write `https:\/\/<host>\/<instance>`/],
    ['https://acme.highq.com/', /names no instance/],
    ['https://acme.highq.com/api', /names no instance/],
    ['https://acme.highq.com/acme/api', /leave out `\/api`/],
    ['https://acme.highq.com/acme/api/', /leave out `\/api`/],
    ['https://acme.highq.com/acme/api/6/sites', /leave out `\/api`/],
    ['https://acme.highq.com/acme/authorize.action', /exactly one path segment/],
    ['https://acme.highq.com//acme', /exactly one path segment/],
    ['https://acme.highq.com/acme//', /exactly one path segment/],
    ['https://acme.highq.com\\acme', /backslash/],
    ['https://acme.highq.com/ac\nme', /control character/],
    ['https://acme.highq.com/ac\tme', /control character/],
    [' https://acme.highq.com/acme', /white space/],
    ['acme.highq.com/acme', /not an https URL/],
    ['ftp://acme.highq.com/acme', /not an https URL/],
    ['https:acme.highq.com/acme', /not an https URL/],
    ['https:///acme', /not an https URL/],
    ['http://acme.highq.com/acme', /must begin with https/],
    ['http://10.1.2.3/acme', /must begin with https/],
    ['https://169.254.169.254/acme', /link-local/],
    ['https://0xa9fea9fe/acme', /link-local/],
    ['https://[::ffff:169.254.169.254]/acme', /link-local/],
    ['https://[fe80::1]/acme', /link-local/],
    ['https://metadata.google.internal/acme', /link-local/],
  ])('F95 F101 refuses %j, on loopback terms too', (text, why) => {
    expect(problem(text)).toMatch(why);
    expect(problem(text, loopback)).toMatch(why);
  });

  it.each([
    'http://localhost:4310/acme',
    'http://LOCALHOST/acme',
    'http://acme.localhost/acme',
    'http://localhost./acme',
    'http://127.0.0.1:4310/acme',
    'http://127.255.255.254/acme',
    'http://2130706433/acme',
    'http://0x7f.1/acme',
    'http://[::1]:4310/acme',
    'http://[::ffff:127.0.0.1]/acme',
    'http://0.0.0.0/acme',
    'https://localhost/acme',
  ])('F95 takes %s with allowLoopback only, and never in production', (text) => {
    expect(problem(text)).toMatch(/loopback.*allowLoopback/);
    expect(problem(text, loopback)).toBe('none');
    expect(problem(text, {}, { HIGHQ_ALLOW_LOOPBACK: '1' })).toBe('none');
    expect(problem(text, {}, { HIGHQ_ALLOW_LOOPBACK: '0' })).toMatch(/loopback/);
    expect(problem(text, { provider: { allowLoopback: false } }, { HIGHQ_ALLOW_LOOPBACK: '1' })).toMatch(
      /loopback/,
    );
    expect(problem(text, loopback, { NODE_ENV: 'production' })).toMatch(/production/);
    expect(problem(text, {}, { HIGHQ_ALLOW_LOOPBACK: '1', NODE_ENV: 'production' })).toMatch(/production/);
  });

  it('F95 draws the edges of the ranges where they are', () => {
    for (const host of ['126.255.255.255', '128.0.0.0', '[::2]', 'localhost.evil.example', 'notlocalhost']) {
      expect(problem(`http://${host}/acme`, loopback)).toMatch(/must begin with https/);
    }
    for (const host of ['169.253.255.255', '169.255.0.0', '[fec0::1]']) {
      expect(problem(`https://${host}/acme`)).toBe('none');
    }
  });

  it('F95 gives up loopback terms in production altogether', () => {
    expect(resolve(loopback, { NODE_ENV: 'production' }).allowLoopback).toBe(false);
    expect(resolve(loopback, { NODE_ENV: 'test' }).allowLoopback).toBe(true);
    expect(problemsOf({}, { HIGHQ_ALLOW_LOOPBACK: 'yes' })[0]?.option).toBe('provider.allowLoopback');
  });
});

describe('redirectUri', () => {
  const of = (redirectUri: string, more: object = {}): number => problemsOf({ redirectUri, ...more }).length;
  it('is https, or on loopback where that is allowed, without userinfo and fragment', () => {
    expect(of('https://app.example/highq/callback?tenant=a')).toBe(0);
    expect(of('http://app.example/cb')).toBe(1);
    expect(of('http://app.example/cb', loopback)).toBe(1);
    expect(of('http://localhost:3000/cb')).toBe(1);
    expect(of('http://localhost:3000/cb', loopback)).toBe(0);
    for (const bad of ['https://a:b@app.example/cb', 'https://app.example/cb#x', '/cb', 'myapp://cb', '']) {
      expect(of(bad), bad).toBe(1);
    }
  });
});

describe('HIGHQ_TEST_CLOCK', () => {
  const clockUrl = 'http://127.0.0.1:4310/_emulator/clock';
  const env = { HIGHQ_TEST_CLOCK: clockUrl };
  const local = { instanceUrl: 'http://127.0.0.1:4310/acme', ...loopback };
  it('is honoured with an instance on loopback, and ignored otherwise', async () => {
    expect(resolve(local, env).testClockUrl).toBe(clockUrl);
    expect(resolve(loopback, env).testClockUrl).toBeUndefined();
    expect(resolve({}, env).testClockUrl).toBeUndefined();
    expect(resolve({}, { HIGHQ_TEST_CLOCK: 'nonsense' }).testClockUrl).toBeUndefined();
    const { systemClock } = await import('./clock.ts');
    expect(resolve({ ...local, clock: systemClock }, env).testClockUrl).toBeUndefined();
  });
  it('must itself be on loopback', () => {
    for (const bad of [
      'https://evil.example/clock',
      'nonsense',
      'http://10.0.0.1/',
      'http://a:b@localhost/',
    ]) {
      const [found] = problemsOf(local, { HIGHQ_TEST_CLOCK: bad });
      expect(found).toMatchObject({ option: 'clock', env: 'HIGHQ_TEST_CLOCK' });
    }
  });
});
