import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningExample, startExample } from './example.fixture.ts';

const AMARA = 'amara@hartwell-lyle.example';
let example: RunningExample;

beforeEach(async () => {
  example = await startExample();
});
afterEach(() => example.close());

function login(fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${example.url}/login`, {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ email: AMARA, password: 'password', ...fields }),
    headers: { origin: example.url, ...headers },
  });
}

async function cookie(): Promise<string> {
  return (await login({})).headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

function get(path: string, session: string): Promise<Response> {
  return fetch(example.url + path, {
    redirect: 'manual',
    headers: { cookie: session, accept: 'text/html' },
  });
}

/** As after a sign-in by the pages, which the browser tests walk through. */
async function connected(user?: string): Promise<string> {
  const { code } = await example.emulator.authorize(user === undefined ? {} : { user });
  await example.manager.connection('amara').exchangeCode(code);
  return cookie();
}

describe('the session of the example', () => {
  it('lets nobody in without one, and comes back to where they were', async () => {
    const response = await get('/matters/101', '');
    expect([response.status, response.headers.get('location')]).toEqual([303, '/login?to=%2Fmatters%2F101']);
    const done = await login({ to: '/matters/101' });
    expect([done.status, done.headers.get('location')]).toEqual([303, '/matters/101']);
    expect(done.headers.getSetCookie()[0]).toMatch(/^matters=.*; Path=\/; .*HttpOnly; SameSite=Lax$/);
  });

  it.each(['//evil.example', '/\\evil.example', 'https://evil.example', '/.//evil.example'])(
    'F86 leads nowhere else: %s',
    async (to) => {
      expect((await login({ to })).headers.get('location')).toBe('/');
    },
  );

  it('refuses a wrong password, and a form from elsewhere', async () => {
    expect((await login({ password: 'Password' })).status).toBe(401);
    expect((await login({ email: 'eve@firm.example' })).status).toBe(401);
    expect((await login({}, { origin: 'https://evil.example' })).status).toBe(403);
  });

  it('refuses a session that it did not sign, or that is over', async () => {
    const sign = (text: string, secret: string) =>
      `matters=${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    const [later, before] = [Date.now() + 60_000, Date.now() - 1];
    expect((await get('/connection', sign(`amara.${later}`, 's'.repeat(32)))).status).toBe(200);
    expect((await get('/connection', sign(`amara.${later}`, 'x'.repeat(32)))).status).toBe(303);
    expect((await get('/connection', sign(`amara.${before}`, 's'.repeat(32)))).status).toBe(303);
    expect((await get('/connection', sign(`eve.${later}`, 's'.repeat(32)))).status).toBe(303);
  });
});

describe('the pages of the example', () => {
  it('ask to connect, with 401, until somebody has', async () => {
    const response = await get('/matters', await cookie());
    expect(response.status).toBe(401);
    expect(await response.text()).toContain('Connect to HighQ');
  });

  it('escape what HighQ holds', async () => {
    const page = await (await get('/matters/101/sheets/401', await connected())).text();
    expect(page).toContain('&#60;English law&#62; &#38; enforceability');
    expect(page).not.toContain('<English');
  });

  it('show a sheet with one row, which HighQ does not put into a list', async () => {
    const page = await (await get('/matters/105/sheets/403', await connected())).text();
    expect(page).toContain('Brightwell GmbH');
    expect(page).toContain('1 row<');
  });

  it('say so when there is no such site', async () => {
    const session = await connected();
    expect((await get('/matters/999', session)).status).toBe(404);
    expect((await get('/matters/101/sheets/402', session)).status).toBe(404);
    expect((await get('/nothing', session)).status).toBe(404);
  });

  it('say so when HighQ does not show a person', async () => {
    const session = await connected('limited@clientname.com');
    const response = await get('/people?email=user@clientname.com', session);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('HighQ does not let you look this person up.');
  });

  it('are kept in no cache and framed nowhere, and run no script', async () => {
    const response = await get('/matters', await connected());
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(response.headers.get('x-powered-by')).toBeNull();
    expect(await response.text()).not.toMatch(/<script|\son\w+=/);
  });
});
