import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Http, httpTo } from './http.fixture.ts';
import type { RunningExample, StartExample } from './running-example.fixture.ts';

/** What each of the examples does over HTTP. `start` signs its sessions with `'s'.repeat(32)`. */
export function appWalk(start: StartExample): void {
  let example: RunningExample;
  let http: Http;

  beforeEach(async () => {
    example = await start();
    http = httpTo(example.url);
  });
  afterEach(() => example.close());

  /** As after a sign-in by the pages, which the browser walks through. */
  async function connected(user?: string): Promise<string> {
    const { code } = await example.emulator.authorize(user === undefined ? {} : { user });
    await example.manager.connection('amara').exchangeCode(code);
    return http.session();
  }

  describe('the session of the example', () => {
    it('lets nobody in without one, and comes back to where they were', async () => {
      const response = await http.page('/matters/101', '');
      expect([response.status, response.headers.get('location')]).toEqual([
        303,
        '/login?to=%2Fmatters%2F101',
      ]);
      const done = await http.login({ to: '/matters/101' });
      expect([done.status, done.headers.get('location')]).toEqual([303, '/matters/101']);
      expect(done.headers.getSetCookie()[0]).toMatch(/^matters=.*; Path=\/; .*HttpOnly; SameSite=Lax$/);
    });

    it.each(['//evil.example', '/\\evil.example', 'https://evil.example', '/.//evil.example'])(
      'F86 leads nowhere else: %s',
      async (to) => {
        expect((await http.login({ to })).headers.get('location')).toBe('/');
      },
    );

    it('refuses a wrong password, and a form from elsewhere', async () => {
      expect((await http.login({ password: 'Password' })).status).toBe(401);
      expect((await http.login({ email: 'eve@firm.example' })).status).toBe(401);
      expect((await http.login({}, { origin: 'https://evil.example' })).status).toBe(403);
    });

    it('refuses a session that it did not sign, or that is over', async () => {
      const sign = (text: string, secret: string) =>
        `matters=${text}.${createHmac('sha256', secret).update(`${example.url} ${text}`).digest('base64url')}`;
      const [later, before] = [Date.now() + 60_000, Date.now() - 1];
      expect((await http.page('/connection', sign(`amara.${later}`, 's'.repeat(32)))).status).toBe(200);
      expect((await http.page('/connection', sign(`amara.${later}`, 'x'.repeat(32)))).status).toBe(303);
      expect((await http.page('/connection', sign(`amara.${before}`, 's'.repeat(32)))).status).toBe(303);
      expect((await http.page('/connection', sign(`eve.${later}`, 's'.repeat(32)))).status).toBe(303);
    });
  });

  describe('the pages of the example', () => {
    it('ask to connect, with 401, until somebody has', async () => {
      const response = await http.page('/matters', await http.session());
      expect(response.status).toBe(401);
      expect(await response.text()).toContain('Connect to HighQ');
    });

    it('escape what HighQ holds', async () => {
      const page = await (await http.page('/matters/101/sheets/401', await connected())).text();
      expect(page).toContain('&#60;English law&#62; &#38; enforceability');
      expect(page).not.toContain('<English');
    });

    it('show a sheet with one row, which HighQ does not put into a list', async () => {
      const page = await (await http.page('/matters/105/sheets/403', await connected())).text();
      expect(page).toContain('Brightwell GmbH');
      expect(page).toContain('1 row<');
    });

    it('say so when there is no such site', async () => {
      const session = await connected();
      expect((await http.page('/matters/999', session)).status).toBe(404);
      expect((await http.page('/matters/101/sheets/402', session)).status).toBe(404);
      expect((await http.page('/nothing', session)).status).toBe(404);
    });

    it('say so when HighQ does not show a person', async () => {
      const session = await connected('limited@clientname.com');
      const response = await http.page('/people?email=user@clientname.com', session);
      expect(response.status).toBe(200);
      expect(await response.text()).toContain('HighQ does not let you look this person up.');
    });

    it('show a person by address, and say so when there is none', async () => {
      const session = await connected();
      const found = await http.page('/people?email=limited@clientname.com', session);
      expect(await found.text()).toContain('Sam Reed');
      const nobody = await http.page('/people?email=nobody@clientname.com', session);
      expect(await nobody.text()).toContain('HighQ knows nobody with this address.');
    });

    it('show the status of a connection to whose it is, and to nobody else', async () => {
      const session = await connected();
      const own = await http.page('/highq/status', session);
      expect([own.status, await own.text()]).toEqual([200, expect.stringContaining('user@clientname.com')]);
      expect((await http.page('/highq/status', '')).status).toBe(401);
      expect((await http.page('/highq/status?connection=jonas', session)).status).toBe(403);
    });

    it('are kept in no cache and framed nowhere, and run no script', async () => {
      const response = await http.page('/matters', await connected());
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(response.headers.get('x-powered-by')).toBeNull();
      expect(await response.text()).not.toMatch(/<script|\son\w+=/);
    });
  });
}
