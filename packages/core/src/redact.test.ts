import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { cpuMs } from './cpu-time.fixture.ts';
import { fingerprint, redactText, safeError } from './redact.ts';

const SECRET = 'dp3yp9zm6svZzUqduQH4CEYC2VgjwWLO';

const everythingOf = (error: Error): string =>
  [
    inspect(error, { showHidden: true, depth: 9 }),
    JSON.stringify(error),
    error.stack,
    String(error.cause),
  ].join();

describe('fingerprint', () => {
  it('is the first 12 hexadecimal digits of SHA-256', () => {
    expect(fingerprint('abc')).toBe('ba7816bf8f01');
    expect(fingerprint('')).toBe('e3b0c44298fc');
  });
});

describe('safeError', () => {
  it('F97 keeps name, code and message of a system error', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:443'), { code: 'ECONNREFUSED' });
    const safe = safeError(new TypeError('fetch failed', { cause }));
    expect(safe).toMatchObject({
      name: 'TypeError',
      code: 'ECONNREFUSED',
      message: 'fetch failed: connect ECONNREFUSED 127.0.0.1:443',
    });
    expect(safe.cause).toBeUndefined();
    expect(safeError(new AggregateError([cause], '')).message).toBe(cause.message);
    const tls = Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(safeError(tls)).toMatchObject({ message: tls.message, code: tls.code });
    expect(safeError(Object.assign(new Error('unique'), { code: '23505' })).code).toBe('23505');
  });

  it.each<[string, string]>([
    ['a query', `GET https://acme.highq.com/acme/authorize.action?code=${SECRET}&x=1 failed`],
    ['a short code in a query', 'GET https://acme.highq.com/acme/cb?code=canary-7 failed'],
    ['a fragment', 'at https://acme.highq.com/acme#canary-7'],
    ['credentials', 'proxy http://bob:canary-7@proxy.firm.example:8080/ refused'],
    ['an @ in the password', 'proxy http://bob:can@canary-7@proxy.firm.example:8080 refused'],
    ['a database URL', 'connect postgres://hq:canary-7@db/hq'],
    ['a header', 'bad header Authorization: Bearer canary-7'],
    ['basic credentials', 'sent Basic canary-7=='],
    ['a form body', `client_id=1012&client_secret=canary-7&refresh_token=${SECRET}`],
    ['JSON', '{"access_token":"canary-7","refresh_token": "canary-7"}'],
    ['XML', '<TokenResponse><access_token>canary-7</access_token>'],
    ['free text', `unexpected token ${SECRET} in answer`],
    ['the middle of a long text', `${'word '.repeat(50)}${SECRET}`],
    ['the cut', `${'a '.repeat(990)}${SECRET.repeat(4)}`],
    ['the cut of a text that shrinks', `${'x1'.repeat(992)} ${SECRET}`],
  ])('F96 leaves nothing of a secret in %s', (_, message) => {
    const nested = Object.assign(new Error(message), { headers: { cookie: SECRET }, body: message });
    const foreign = Object.assign(new Error(message, { cause: nested }), {
      name: SECRET,
      code: SECRET,
      request: { headers: { authorization: `Bearer ${SECRET}` } },
      [Symbol('state')]: SECRET,
    });
    const kept = everythingOf(safeError(foreign));
    expect(kept).not.toContain('canary-7');
    for (let start = 0; start + 8 <= SECRET.length; start += 1) {
      expect(kept).not.toContain(SECRET.slice(start, start + 8));
    }
  });

  it('keeps the part of an address that helps', () => {
    expect(redactText('GET https://acme.highq.com/acme/api/6/sites?name=x failed')).toBe(
      'GET https://acme.highq.com/acme/api/6/sites failed',
    );
    expect(redactText('http://bob:pw@proxy.firm.example:8080 refused')).toBe(
      'http://proxy.firm.example:8080 refused',
    );
  });

  it('takes out the secrets that the caller knows, however short, in every encoding', () => {
    const short = 'hunter+2/';
    const forms = [short, encodeURIComponent(short), Buffer.from(short).toString('base64')];
    forms.push(Buffer.from(short).toString('hex'), Buffer.from(short).toString('base64url'));
    for (const form of forms) expect(redactText(`got ${form} back`, [short])).toBe('got [redacted] back');
    const error = Object.assign(new Error('x'), { name: 'Hunter', code: 'HUNTER' });
    expect(everythingOf(safeError(error, ['Hunter', 'HUNTER']))).not.toMatch(/Hunter|HUNTER/);
  });

  it('takes whatever was thrown', () => {
    for (const thrown of [undefined, null, 7, {}, [], () => {}]) {
      expect(safeError(thrown)).toMatchObject({ name: 'Error', message: 'no message' });
    }
    expect(safeError(`failed with ${SECRET}`).message).toBe('failed with [redacted]');
    const circular = new Error('round');
    circular.cause = circular;
    expect(safeError(circular).message).toBe('round');
    const hostile = Object.defineProperty({}, 'message', {
      get() {
        throw new Error(SECRET);
      },
    });
    expect(safeError(hostile).message).toBe('no message');
  });

  it('F100 stays fast on hostile text', () => {
    for (const part of ['a', '://', 'a://', 'bearer ', '@', 'code=', '"', 'a-', 'A_', '<token>']) {
      expect(cpuMs(() => redactText(part.repeat(65_536 / part.length)))).toBeLessThan(50);
    }
  });
});
