import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  CALLBACK,
  call,
  postCode,
  postRefresh,
  postToken,
  refresh,
  signIn,
  startEmulator,
  tokensOf,
  USER,
} from '../emulator.fixture.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

describe('codes', () => {
  it('gives the documented members, as XML when nothing is asked for', async () => {
    const emulator = await startEmulator();
    const { code } = await emulator.authorize();
    const response = await postCode(emulator, code, { accept: '*/*' });
    expect(response.headers.get('content-type')).toContain('application/xml');
    expect(await response.text()).toMatch(
      /^<\?xml [^>]*\?>\n<TokenResponse><access_token>[\w-]{32,}<\/access_token><expires_in>18000<\/expires_in><refresh_token>[\w-]{32,}<\/refresh_token><token_type>bearer<\/token_type><useremail>user@clientname\.com<\/useremail><\/TokenResponse>$/,
    );
  });

  it('takes a code once', async () => {
    const emulator = await startEmulator();
    const { code } = await emulator.authorize();
    expect((await postCode(emulator, code)).status).toBe(200);
    const second = await postCode(emulator, code);
    expect(second.status).toBe(400);
    expect(await second.json()).toMatchObject({ error: 'invalid_grant' });
    expect(emulator.ledger.count({ tokenType: 'code', verdict: 'reused' })).toBe(1);
    expect(emulator.ledger.presentedTwice()).toBe(1);
  });

  it.each([
    [30 * MINUTE_MS - 1, 200],
    [30 * MINUTE_MS, 400],
  ])('after %d ms a code is answered %d', async (ageMs, status) => {
    const emulator = await startEmulator();
    const { code } = await emulator.authorize();
    emulator.clock.advance(ageMs);
    expect((await postCode(emulator, code)).status).toBe(status);
  });

  it('refuses a code of another registration', async () => {
    const emulator = await startEmulator();
    const other = emulator.registrations.add({ name: 'other' });
    const { code } = await emulator.authorize({ clientId: other.clientId });
    expect((await postCode(emulator, code)).status).toBe(400);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('wrong-client');
    const { clientId, clientSecret } = other;
    expect((await postCode(emulator, code, { clientId, clientSecret })).status).toBe(200);
  });
});

describe('access tokens', () => {
  it.each([30 * MINUTE_MS, 5 * HOUR_MS, 31 * DAY_MS])(
    'of %d ms work to their last millisecond',
    async (life) => {
      const emulator = await startEmulator({ registrations: [{ tokenExpirationMs: life }] });
      const tokens = await signIn(emulator);
      expect(tokens.expires_in).toBe(life / 1000);
      emulator.clock.advance(life - 1);
      expect((await call(emulator, tokens.access_token)).status).toBe(200);
      emulator.clock.advance(1);
      const dead = await call(emulator, tokens.access_token);
      expect(dead.status).toBe(403);
      expect(await dead.text()).toContain('Access denied');
      expect(emulator.ledger.count({ kind: 'presented', tokenType: 'access', verdict: 'expired' })).toBe(1);
      expect(emulator.requests.count({ endpoint: 'api', status: 403 })).toBe(1);
    },
  );
});

describe('rotation', () => {
  it('replaces the refresh token each time and links the generations', async () => {
    const emulator = await startEmulator();
    const first = await signIn(emulator);
    const second = await refresh(emulator, first.refresh_token);
    const third = await refresh(emulator, second.refresh_token);
    expect(new Set([first, second, third].flatMap((t) => [t.access_token, t.refresh_token])).size).toBe(6);
    const issued = emulator.ledger.filter({ kind: 'issued', tokenType: 'refresh' });
    expect(issued.map((entry) => entry.generation)).toEqual([1, 2, 3]);
    expect(issued[2]?.parent).toBe(issued[1]?.fingerprint);
    expect(emulator.ledger.refreshes()).toBe(2);
    expect(emulator.ledger.presentedTwice()).toBe(0);
    expect((await postRefresh(emulator, first.refresh_token)).status).toBe(400);
    expect(emulator.ledger.presentedTwice()).toBe(1);
    expect(emulator.ledger.repeats()).toEqual([
      { fingerprint: issued[0]?.fingerprint, tokenType: 'refresh', times: 2 },
    ]);
  });

  it.each([
    [365 * DAY_MS - 1, 200],
    [365 * DAY_MS, 400],
  ])('after %d ms a refresh token is answered %d', async (ageMs, status) => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.clock.advance(ageMs);
    expect((await postRefresh(emulator, tokens.refresh_token)).status).toBe(status);
  });

  it('carries one connection through 13 months with a call a week', async () => {
    const emulator = await startEmulator();
    let tokens = await signIn(emulator);
    for (let week = 0; week < 57; week += 1) {
      emulator.clock.advance(7 * DAY_MS);
      tokens = await refresh(emulator, tokens.refresh_token);
      expect((await call(emulator, tokens.access_token)).status).toBe(200);
    }
    expect(emulator.ledger.refreshes()).toBe(57);
    expect(emulator.ledger.presentedTwice()).toBe(0);
  });
});

describe('clients', () => {
  it.each([{ clientSecret: 'wrong' }, { clientId: '9999' }, { clientSecret: '' }])(
    'answers 401 invalid_client to %o and spends nothing',
    async (options) => {
      const emulator = await startEmulator();
      const tokens = await signIn(emulator);
      const response = await postRefresh(emulator, tokens.refresh_token, options);
      expect(response.status).toBe(401);
      expect(await response.json()).toMatchObject({ error: 'invalid_client' });
      expect(emulator.ledger.entries.at(-1)).toMatchObject({ verdict: 'unprocessed', tokenType: 'refresh' });
      await refresh(emulator, tokens.refresh_token);
      expect(emulator.ledger.presentedTwice()).toBe(0);
      expect(emulator.ledger.presentedTwice({ includeUnprocessed: true })).toBe(1);
    },
  );

  it('takes a regenerated secret at once and the old one no more', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    const { clientSecret } = emulator.registrations.regenerateSecret('1012');
    expect(emulator.env.HIGHQ_CLIENT_SECRET).toBe(clientSecret);
    expect((await postRefresh(emulator, tokens.refresh_token)).status).toBe(401);
    expect((await postRefresh(emulator, tokens.refresh_token, { clientSecret })).status).toBe(200);
  });

  it('refuses an archived registration', async () => {
    const emulator = await startEmulator();
    const { code } = await emulator.authorize();
    const tokens = await signIn(emulator);
    emulator.registrations.archive('1012');
    for (const response of [
      await postRefresh(emulator, tokens.refresh_token),
      await postCode(emulator, code),
    ]) {
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: 'unauthorized_client' });
      expect(emulator.ledger.entries.at(-1)?.verdict).toBe('archived');
    }
    await expect(emulator.authorize()).rejects.toThrow('archived');
    emulator.registrations.update('1012', { status: 'active' });
    expect((await postRefresh(emulator, tokens.refresh_token)).status).toBe(200);
  });

  it('refuses the tokens of a disabled user, and of a revoked grant', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.users.put({ email: USER, disabled: true });
    expect((await call(emulator, tokens.access_token)).status).toBe(403);
    expect((await postRefresh(emulator, tokens.refresh_token)).status).toBe(400);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('disabled');
    emulator.users.put({ email: USER, disabled: false });
    expect(emulator.revoke({ user: USER, what: 'access' })).toBe(1);
    expect((await call(emulator, tokens.access_token)).status).toBe(403);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('ended');
    const next = await refresh(emulator, tokens.refresh_token);
    expect(emulator.revoke()).toBe(1);
    expect((await call(emulator, next.access_token)).status).toBe(403);
    expect((await postRefresh(emulator, next.refresh_token)).status).toBe(400);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('revoked');
  });
});

describe('malformed requests', () => {
  it.each([
    [{}, 'invalid_request'],
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ grant_type: 'refresh_token' }, 'invalid_request'],
    [{ grant_type: 'authorization_code' }, 'invalid_request'],
  ])('answers %o with %s', async (members, error) => {
    const emulator = await startEmulator();
    const response = await postToken(emulator, members);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error });
  });

  it('refuses JSON bodies, repeated members, large bodies and GET', async () => {
    const emulator = await startEmulator();
    const url = `${emulator.instanceUrl}/api/oauth2/token`;
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const post = (body: string, headers: Record<string, string>): Promise<Response> =>
      fetch(url, { method: 'POST', body, headers });
    expect((await post('{}', { 'content-type': 'application/json' })).status).toBe(400);
    expect((await post('grant_type=refresh_token&grant_type=refresh_token', form)).status).toBe(400);
    expect((await post(`grant_type=${'x'.repeat(70_000)}`, form)).status).toBe(400);
    expect((await fetch(url)).status).toBe(405);
  });
});

describe('tokens', () => {
  it('carry the marker in front, codes included', async () => {
    const emulator = await startEmulator({ tokenMarker: 'LEAK_me-' });
    const { code } = await emulator.authorize();
    const tokens = await tokensOf(await postCode(emulator, code));
    for (const token of [code, tokens.access_token, tokens.refresh_token])
      expect(token).toMatch(/^LEAK_me-[\w-]{32}$/);
    await expect(startEmulator({ tokenMarker: 'not this' })).rejects.toThrow('tokenMarker');
  });

  it('ask for the verifier only where PKCE is enforced', async () => {
    const verifier = 'v'.repeat(43);
    const codeChallenge = createHash('sha256').update(verifier).digest('base64url');
    const emulator = await startEmulator({ pkce: 'enforced' });
    const trade = async (members: Record<string, string>): Promise<number> => {
      const { code } = await emulator.authorize({ codeChallenge });
      return (await postToken(emulator, { grant_type: 'authorization_code', code, ...members })).status;
    };
    expect(await trade({})).toBe(400);
    expect(await trade({ code_verifier: 'w'.repeat(43) })).toBe(400);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('wrong-verifier');
    expect(await trade({ code_verifier: verifier })).toBe(200);
    const page = await fetch(
      `${emulator.instanceUrl}/authorize.action?response_type=code&client_id=1012&redirect_uri=${CALLBACK}`,
    );
    expect(page.status).toBe(400);
    emulator.switches.set({ pkce: 'ignored' });
    expect(await trade({})).toBe(200);
  });
});
