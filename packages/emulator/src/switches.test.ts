import { describe, expect, it } from 'vitest';
import {
  call,
  postCode,
  postRefresh,
  refresh,
  signIn,
  startEmulator,
  tokensOf,
  USER,
} from './emulator.fixture.ts';
import { DEFAULT_SWITCHES, mergeSwitches, SWITCH_POSITIONS } from './switches.ts';

const DAY_MS = 86_400_000;

describe('previousAccessToken', () => {
  it.each([
    ['survives', 200],
    ['ends', 403],
  ] as const)('%s: the older access token is answered %d', async (previousAccessToken, status) => {
    const emulator = await startEmulator({ previousAccessToken });
    const first = await signIn(emulator);
    const second = await refresh(emulator, first.refresh_token);
    expect((await call(emulator, first.access_token)).status).toBe(status);
    expect((await call(emulator, second.access_token)).status).toBe(200);
  });
});

describe('reuse', () => {
  it.each([
    ['refused', 200],
    ['family-revoked', 400],
  ] as const)('%s: after a reuse the successor is answered %d', async (reuse, status) => {
    const emulator = await startEmulator({ reuse });
    const first = await signIn(emulator);
    const second = await refresh(emulator, first.refresh_token);
    expect((await postRefresh(emulator, first.refresh_token)).status).toBe(400);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('reused');
    expect((await call(emulator, second.access_token)).status).toBe(status === 200 ? 200 : 403);
    expect((await postRefresh(emulator, second.refresh_token)).status).toBe(status);
  });

  it.each([
    [59_999, 200],
    [60_000, 400],
  ])('grace: %d ms after its replacement a token is answered %d', async (ageMs, status) => {
    const emulator = await startEmulator({ reuse: 'grace', graceMs: 60_000 });
    const first = await signIn(emulator);
    const second = await refresh(emulator, first.refresh_token);
    emulator.clock.advance(ageMs);
    expect((await postRefresh(emulator, first.refresh_token)).status).toBe(status);
    expect((await postRefresh(emulator, second.refresh_token)).status).toBe(200);
  });

  it('grace counts from the first replacement, not from the last', async () => {
    const emulator = await startEmulator({ reuse: 'grace', grace: 'fork', graceMs: 60_000 });
    const first = await signIn(emulator);
    await refresh(emulator, first.refresh_token);
    emulator.clock.advance(40_000);
    await refresh(emulator, first.refresh_token);
    emulator.clock.advance(20_000);
    expect((await postRefresh(emulator, first.refresh_token)).status).toBe(400);
  });
});

describe('grace', () => {
  it('same: the same pair again, with what is left of its life, until that pair is spent', async () => {
    const emulator = await startEmulator({ reuse: 'grace', grace: 'same' });
    const first = await signIn(emulator);
    const second = await refresh(emulator, first.refresh_token);
    emulator.clock.advance(30_000);
    const again = await refresh(emulator, first.refresh_token);
    expect(again).toEqual({ ...second, expires_in: 18000 - 30 });
    await refresh(emulator, second.refresh_token);
    expect((await postRefresh(emulator, first.refresh_token)).status).toBe(400);
  });

  it('same: what was lost on the way can be read after all', async () => {
    const emulator = await startEmulator({ reuse: 'grace', grace: 'same' });
    const first = await signIn(emulator);
    emulator.faults.add({ match: { endpoint: 'token' }, kind: 'reset-after-commit', times: 1 });
    await expect(postRefresh(emulator, first.refresh_token)).rejects.toThrow();
    expect(emulator.ledger.unread()).toHaveLength(1);
    await refresh(emulator, first.refresh_token);
    expect(emulator.ledger.unread()).toHaveLength(0);
  });

  it('fork: a second successor beside the first', async () => {
    const emulator = await startEmulator({ reuse: 'grace', grace: 'fork' });
    const first = await signIn(emulator);
    const [a, b] = [
      await refresh(emulator, first.refresh_token),
      await refresh(emulator, first.refresh_token),
    ];
    expect(a.refresh_token).not.toBe(b.refresh_token);
    expect((await call(emulator, a.access_token)).status).toBe(200);
    await refresh(emulator, a.refresh_token);
    await refresh(emulator, b.refresh_token);
    expect(emulator.ledger.filter({ kind: 'issued', tokenType: 'refresh', generation: 2 })).toHaveLength(2);
  });

  it('replace: the second successor ends the first and what came of it', async () => {
    const emulator = await startEmulator({ reuse: 'grace', grace: 'replace' });
    const first = await signIn(emulator);
    const a = await refresh(emulator, first.refresh_token);
    const a2 = await refresh(emulator, a.refresh_token);
    const b = await refresh(emulator, first.refresh_token);
    for (const ended of [a, a2]) expect((await call(emulator, ended.access_token)).status).toBe(403);
    expect((await postRefresh(emulator, a2.refresh_token)).status).toBe(400);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('ended');
    expect((await call(emulator, b.access_token)).status).toBe(200);
    await refresh(emulator, b.refresh_token);
  });
});

describe('refreshYear', () => {
  it.each([
    ['sliding', 200],
    ['absolute', 400],
  ] as const)(
    '%s: a year after the authorization a used connection is answered %d',
    async (refreshYear, status) => {
      const emulator = await startEmulator({ refreshYear, refreshExpiresIn: 'number' });
      const first = await signIn(emulator);
      emulator.clock.advance(364 * DAY_MS);
      const second = await refresh(emulator, first.refresh_token);
      expect(second.refresh_token_expires_in).toBe((refreshYear === 'sliding' ? 365 : 1) * 86_400);
      emulator.clock.advance(DAY_MS - 1);
      const third = await refresh(emulator, second.refresh_token);
      emulator.clock.advance(1);
      expect((await postRefresh(emulator, third.refresh_token)).status).toBe(status);
    },
  );
});

describe('grants', () => {
  it.each([
    ['many', 200],
    ['newest', 400],
  ] as const)('%s: after a second sign-in the first grant is answered %d', async (grants, status) => {
    const emulator = await startEmulator({ grants });
    const other = await signIn(emulator, 'limited@clientname.com');
    const first = await signIn(emulator);
    const second = await signIn(emulator);
    expect((await call(emulator, first.access_token)).status).toBe(status === 200 ? 200 : 403);
    expect((await postRefresh(emulator, first.refresh_token)).status).toBe(status);
    await refresh(emulator, second.refresh_token);
    await refresh(emulator, other.refresh_token);
  });
});

describe('refusal', () => {
  it.each([
    ['json-400', 400, 'application/json', '"error":"invalid_grant"'],
    ['xml-400', 400, 'application/xml', '<error>invalid_grant</error>'],
    ['401', 401, 'application/xml', '<error>invalid_grant</error>'],
    ['xml-403', 403, 'application/xml', '<message>Access denied</message>'],
    ['error-200', 200, 'application/xml', '<error>invalid_grant</error>'],
  ] as const)('%s answers %d as %s', async (refusal, status, type, text) => {
    const emulator = await startEmulator({ refusal });
    for (const response of [
      await postRefresh(emulator, 'unknown', { accept: '*/*' }),
      await postCode(emulator, 'unknown', { accept: '*/*' }),
    ]) {
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toContain(type);
      expect(await response.text()).toContain(text);
    }
  });
});

describe('tokenFormat', () => {
  it.each([
    ['accept-xml', '*/*', 'xml'],
    ['accept-xml', 'application/json', 'json'],
    ['accept-xml', 'application/xml;q=0.5, application/json;q=0.9', 'json'],
    ['accept-json', '*/*', 'json'],
    ['accept-json', 'text/xml', 'xml'],
    ['xml', 'application/json', 'xml'],
    ['json', 'application/xml', 'json'],
  ] as const)('%s with Accept: %s answers %s', async (tokenFormat, accept, format) => {
    const emulator = await startEmulator({ tokenFormat });
    const { code } = await emulator.authorize();
    const response = await postCode(emulator, code, { accept });
    expect(response.headers.get('content-type')).toContain(`application/${format}`);
    expect(await response.text()).toMatch(format === 'xml' ? /^<\?xml/ : /^\{"access_token"/);
  });
});

describe('expiresIn and refreshExpiresIn', () => {
  it.each(SWITCH_POSITIONS.expiresIn)('%s', async (position) => {
    const emulator = await startEmulator({ expiresIn: position, refreshExpiresIn: position });
    const tokens = await signIn(emulator);
    const expected = {
      number: [18000, 31536000],
      string: ['18000', '31536000'],
      missing: [undefined, undefined],
    };
    expect([tokens.expires_in, tokens.refresh_token_expires_in]).toEqual(expected[position]);
    const { code } = await emulator.authorize();
    const xml = await (await postCode(emulator, code, { accept: 'application/xml' })).text();
    expect(xml.includes('<expires_in>18000<')).toBe(position !== 'missing');
    expect(xml.includes('<refresh_token_expires_in>31536000<')).toBe(position !== 'missing');
  });
});

describe('expiredAnswer', () => {
  it.each([
    ['xml-403', 403, 'application/xml'],
    ['json-403', 403, 'application/json'],
    ['html-403', 403, 'text/html'],
    ['401', 401, 'application/xml'],
  ] as const)('%s answers %d as %s', async (expiredAnswer, status, type) => {
    const emulator = await startEmulator({ expiredAnswer });
    const tokens = await signIn(emulator);
    emulator.clock.advance(DAY_MS);
    for (const token of [tokens.access_token, 'unknown']) {
      const response = await call(emulator, token);
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toContain(type);
      expect(await response.text()).toContain('Access denied');
    }
  });
});

describe('setting switches', () => {
  it('takes every position of every switch, in process and over HTTP', async () => {
    const emulator = await startEmulator();
    for (const [name, positions] of Object.entries(SWITCH_POSITIONS)) {
      for (const position of positions) {
        const body = JSON.stringify({ [name]: position });
        const response = await fetch(`${emulator.url}/_emulator/switches`, { method: 'POST', body });
        expect(await response.json()).toMatchObject({ [name]: position });
        expect(emulator.switches.get()).toMatchObject({ [name]: position });
      }
    }
  });

  it('refuses an unknown name or position and lists what is allowed', async () => {
    expect(() => mergeSwitches(DEFAULT_SWITCHES, { reuse: 'maybe' })).toThrow(
      'refused, family-revoked, grace',
    );
    expect(() => mergeSwitches(DEFAULT_SWITCHES, { resue: 'grace' })).toThrow('previousAccessToken');
    expect(() => mergeSwitches(DEFAULT_SWITCHES, { graceMs: -1 })).toThrow('graceMs');
    const emulator = await startEmulator();
    const response = await fetch(`${emulator.url}/_emulator/switches`, {
      method: 'POST',
      body: '{"grace":"maybe"}',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: 'switches: grace takes same, fork, replace' });
    await expect(startEmulator(JSON.parse('{"colour":"red"}'))).rejects.toThrow('colour');
    expect(emulator.switches.get()).toEqual(DEFAULT_SWITCHES);
  });

  it('keeps two emulators of one process apart', async () => {
    const [one, two] = [await startEmulator({ refusal: '401' }), await startEmulator({ instance: 'beta' })];
    const tokens = await signIn(one);
    expect((await call(two, tokens.access_token)).status).toBe(403);
    expect((await postRefresh(two, tokens.refresh_token)).status).toBe(400);
    expect(two.instanceUrl).toMatch(/\/beta$/);
    expect(two.ledger.refreshes()).toBe(0);
    const { code } = await two.authorize({ user: USER });
    expect((await tokensOf(await postCode(two, code))).useremail).toBe(USER);
  });
});
