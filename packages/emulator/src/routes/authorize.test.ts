import { describe, expect, it } from 'vitest';
import type { Emulator, EmulatorOptions } from '../create-emulator.ts';
import {
  Browser,
  CALLBACK,
  hiddenField,
  LIMITED,
  postCode,
  signIn,
  startEmulator,
  tokensOf,
  USER,
} from '../emulator.fixture.ts';

const ASK = { response_type: 'code', client_id: '1012', redirect_uri: CALLBACK };

function queryOf(members: Record<string, string>): string {
  return new URLSearchParams(members).toString();
}

function authorizeUrl(emulator: Emulator, members: Record<string, string> = ASK): string {
  return `${emulator.instanceUrl}/authorize.action?${queryOf(members)}`;
}

async function signInWith(
  emulator: Emulator,
  browser: Browser,
  email = USER,
  members = ASK,
): Promise<Response> {
  return browser.post(`${emulator.instanceUrl}/login.action`, {
    query: queryOf(members),
    email,
    password: 'password',
  });
}

/** Signs in, presses a button on the allow/deny page, and gives where the browser is sent. */
async function decide(
  options: EmulatorOptions,
  decision: string,
  members: Record<string, string> = ASK,
): Promise<{ emulator: Emulator; target: URL; browser: Browser }> {
  const emulator = await startEmulator(options);
  const browser = new Browser();
  const signedIn = await browser.post(`${emulator.instanceUrl}/login.action`, {
    query: queryOf(members),
    email: USER,
    password: 'password',
  });
  expect(signedIn.status).toBe(303);
  const page = await (
    await browser.get(new URL(signedIn.headers.get('location') ?? '', emulator.url).href)
  ).text();
  const form = { query: hiddenField(page, 'query'), key: hiddenField(page, 'key'), decision };
  const answer = await browser.post(`${emulator.instanceUrl}/authorize.action`, form);
  expect(answer.status).toBe(303);
  return { emulator, target: new URL(answer.headers.get('location') ?? ''), browser };
}

describe('a person', () => {
  it('signs in, allows, and is sent back with a code that works', async () => {
    const { emulator, target } = await decide({}, 'allow');
    expect(target.origin + target.pathname).toBe(CALLBACK);
    expect([...target.searchParams.keys()]).toEqual(['code']);
    const tokens = await tokensOf(await postCode(emulator, target.searchParams.get('code') ?? ''));
    expect(tokens.useremail).toBe(USER);
    expect(emulator.requests.entries.map(({ path }) => path).join(' ')).not.toContain(tokens.access_token);
  });

  it('denies, and is sent back with access_denied', async () => {
    const { emulator, target } = await decide({}, 'deny');
    expect(target.href).toBe(`${CALLBACK}?error=access_denied`);
    expect(emulator.ledger.entries).toHaveLength(0);
  });

  it('keeps the query of the redirect URI', async () => {
    const { target } = await decide({}, 'allow', { ...ASK, redirect_uri: `${CALLBACK}?tenant=a%26b` });
    expect(target.searchParams.get('tenant')).toBe('a&b');
    expect(target.searchParams.get('code')).toMatch(/^[\w-]{32,}$/);
  });

  it('meets a page that names the application, and signs in once for several requests', async () => {
    const emulator = await startEmulator();
    const browser = new Browser();
    expect(await (await browser.get(authorizeUrl(emulator))).text()).toContain('Sign in');
    await signInWith(emulator, browser);
    const page = await (await browser.get(authorizeUrl(emulator))).text();
    expect(page).toContain('Allow Matter Browser?');
    expect(page).toContain(USER);
    expect(page).not.toContain('<script');
  });

  it('signs out and in as somebody else', async () => {
    const emulator = await startEmulator();
    const browser = new Browser();
    await signInWith(emulator, browser);
    const out = await browser.post(`${emulator.instanceUrl}/logout.action`, { query: queryOf(ASK) });
    expect(out.headers.get('location')).toContain('/acme/authorize.action?');
    expect(await (await browser.get(authorizeUrl(emulator))).text()).toContain('type="password"');
    await signInWith(emulator, browser, LIMITED);
    expect(await (await browser.get(authorizeUrl(emulator))).text()).toContain(LIMITED);
  });

  it.each([
    [USER, 'wrong'],
    ['nobody@clientname.com', 'password'],
    ['"><script>alert(1)</script>', 'password'],
  ])('is not let in as %s with %s', async (email, password) => {
    const emulator = await startEmulator();
    const browser = new Browser();
    const answer = await browser.post(`${emulator.instanceUrl}/login.action`, {
      query: queryOf(ASK),
      email,
      password,
    });
    expect(answer.status).toBe(401);
    const page = await answer.text();
    expect(page).toContain('role="alert"');
    expect(page).not.toContain('<script');
    expect(await (await browser.get(authorizeUrl(emulator))).text()).toContain('type="password"');
  });

  it('is not asked where the registration says so', async () => {
    const emulator = await startEmulator({ registrations: [{ showAllowDeny: false }] });
    const browser = new Browser();
    await signInWith(emulator, browser);
    const answer = await browser.get(authorizeUrl(emulator));
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toMatch(/\?code=[\w-]{32,}$/);
  });

  it('is not made to allow by another site', async () => {
    const emulator = await startEmulator();
    const browser = new Browser();
    await signInWith(emulator, browser);
    const url = `${emulator.instanceUrl}/authorize.action`;
    const form = { query: queryOf(ASK), decision: 'allow' };
    expect((await browser.post(url, form)).status).toBe(400);
    const page = await (await browser.get(authorizeUrl(emulator))).text();
    const complete = { ...form, key: hiddenField(page, 'key') };
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'null' },
    ]) {
      expect((await browser.post(url, complete, headers)).status).toBe(403);
    }
    expect(
      (await browser.post(url, complete, { origin: emulator.url, 'sec-fetch-site': 'same-origin' })).status,
    ).toBe(303);
  });
});

describe('a request that is wrong is never sent on', () => {
  it.each([
    ['response_type', { ...ASK, response_type: 'token' }],
    ['client_id is missing', { response_type: 'code', redirect_uri: CALLBACK }],
    ['No application', { ...ASK, client_id: '1' }],
    ['redirect_uri is missing', { response_type: 'code', client_id: '1012' }],
    ['absolute', { ...ASK, redirect_uri: '/callback' }],
    ['absolute', { ...ASK, redirect_uri: 'javascript:alert(1)' }],
    ['absolute', { ...ASK, redirect_uri: `${CALLBACK}#fragment` }],
    ['absolute', { ...ASK, redirect_uri: 'http://user:pass@127.0.0.1/' }],
  ])('%s', async (message, members) => {
    const emulator = await startEmulator();
    const answer = await fetch(authorizeUrl(emulator, members), { redirect: 'manual' });
    expect(answer.status).toBe(400);
    expect(answer.headers.has('location')).toBe(false);
    expect(await answer.text()).toContain(message);
  });

  it('repeated parameters, archived registrations', async () => {
    const emulator = await startEmulator();
    const repeated = await fetch(`${authorizeUrl(emulator)}&client_id=1012`);
    expect(await repeated.text()).toContain('more than once');
    emulator.registrations.archive('1012');
    const archived = await fetch(authorizeUrl(emulator));
    expect(archived.status).toBe(400);
    expect(await archived.text()).toContain('archived');
  });
});

describe('redirectUri', () => {
  const registrations = [{ redirectUrl: CALLBACK }];
  it.each([
    ['exact', CALLBACK, 200],
    ['exact', `${CALLBACK}?a=1`, 400],
    ['exact', `${CALLBACK}/`, 400],
    ['prefix', `${CALLBACK}?a=1`, 200],
    ['prefix', `${CALLBACK}/deeper`, 200],
    ['prefix', 'http://127.0.0.1:9/other', 400],
    ['prefix', 'http://127.0.0.1:9.evil.example/highq/callback', 400],
    ['any', 'https://elsewhere.example/', 200],
  ] as const)('%s: %s is answered %d', async (redirectUri, redirect_uri, status) => {
    const emulator = await startEmulator({ redirectUri, registrations });
    expect((await fetch(authorizeUrl(emulator, { ...ASK, redirect_uri }))).status).toBe(status);
  });

  it('goes to the registered URL when none is asked for', async () => {
    const { target } = await decide({ registrations }, 'allow', { response_type: 'code', client_id: '1012' });
    expect(target.href.startsWith(`${CALLBACK}?code=`)).toBe(true);
  });

  it('takes any where none is registered', async () => {
    const emulator = await startEmulator({ redirectUri: 'exact' });
    expect((await fetch(authorizeUrl(emulator))).status).toBe(200);
  });
});

describe('state', () => {
  it.each([
    ['dropped', 'allow', null],
    ['echoed', 'allow', 'a b&c'],
    ['dropped', 'deny', null],
    ['echoed', 'deny', 'a b&c'],
  ] as const)('%s on %s', async (state, decision, expected) => {
    const { target } = await decide({ state }, decision, { ...ASK, state: 'a b&c' });
    expect(target.searchParams.get('state')).toBe(expected);
  });
});

describe('pkce enforced in the browser', () => {
  it('asks for a challenge', async () => {
    const emulator = await startEmulator({ pkce: 'enforced' });
    expect((await fetch(authorizeUrl(emulator))).status).toBe(400);
    const challenge = { code_challenge: 'c'.repeat(43), code_challenge_method: 'S256' };
    expect((await fetch(authorizeUrl(emulator, { ...ASK, ...challenge }))).status).toBe(200);
    expect(
      (await fetch(authorizeUrl(emulator, { ...ASK, ...challenge, code_challenge_method: 'none' }))).status,
    ).toBe(400);
  });
});

describe('sessions', () => {
  it('of one emulator are not those of another on the same host', async () => {
    const [one, two] = [await startEmulator(), await startEmulator()];
    const browser = new Browser();
    await signInWith(one, browser);
    expect(await (await browser.get(authorizeUrl(one))).text()).toContain('Allow');
    expect(await (await browser.get(authorizeUrl(two))).text()).toContain('type="password"');
    await signInWith(two, browser, LIMITED);
    expect(await (await browser.get(authorizeUrl(one))).text()).toContain(USER);
    await signIn(two);
  });
});
