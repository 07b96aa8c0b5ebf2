import { expect } from 'vitest';
import { type Behaviour, HOUR_MS, LIMITED, USER } from './bench.ts';
import { hiddenFields } from './http-browser.ts';
import { codesSent, decide, signIn, toAllowPage } from './steps.ts';

const SAME = { 'sec-fetch-site': 'same-origin' };

/** The way of a person, from a page of the application to HighQ and back. */
export const SIGN_IN_BEHAVIOURS: readonly Behaviour[] = [
  {
    title:
      'sign-in: from a page to HighQ, by the question whose account it is, and back to the page with its data',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      const sites = await signIn(app, browser);
      expect([sites.status, sites.url.href]).toEqual([200, `${app.url}/sites`]);
      expect(JSON.parse(sites.text).site).toHaveLength(5);
      expect(browser.trail.filter((url) => url.includes('state='))).toEqual([]);
      expect(app.emulator.ledger.count({ kind: 'presented', tokenType: 'code', verdict: 'ok' })).toBe(1);
    },
  },
  {
    title: 'connect: a GET shows a page with the button that posts, and begins nothing',
    async run(bench) {
      const app = await bench.open();
      const page = await app.browser().send(`${app.url}/highq/connect?returnTo=/sites?x=1`);
      expect(page.status).toBe(200);
      expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(page.headers.get('cache-control')).toBe('no-store');
      expect(page.headers.getSetCookie()).toEqual([]);
      expect(page.text).toContain('method="post" action="/highq/connect"');
      expect(hiddenFields(page.text, '/highq/connect')).toEqual({ returnTo: '/sites?x=1' });
    },
  },
  {
    title: 'connect: a POST leads to the instance with client id, redirect URI and a PKCE challenge',
    async run(bench) {
      const app = await bench.open();
      const form = 'returnTo=%2Fsites';
      const answer = await app.browser().send(`${app.url}/highq/connect`, 'POST', form, SAME);
      expect([answer.status, answer.text]).toEqual([303, '']);
      const target = new URL(answer.headers.get('location') ?? '');
      expect(target.origin + target.pathname).toBe(`${app.emulator.instanceUrl}/authorize.action`);
      expect(Object.fromEntries(target.searchParams)).toEqual({
        response_type: 'code',
        client_id: app.emulator.env.HIGHQ_CLIENT_ID,
        redirect_uri: `${app.url}/highq/callback`,
        code_challenge: expect.stringMatching(/^[\w-]{43}$/),
        code_challenge_method: 'S256',
      });
      expect(answer.headers.getSetCookie()).toHaveLength(1);
    },
  },
  {
    title: 'sign-in: goes on after the access token has expired, by one refresh and without a 403',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await signIn(app, browser);
      await bench.advance(6 * HOUR_MS);
      const sites = await browser.open(`${app.url}/sites`);
      expect(JSON.parse(sites.text).site).toHaveLength(5);
      expect(app.emulator.ledger.refreshes()).toBe(1);
      expect(app.emulator.requests.count({ status: 403 })).toBe(0);
    },
  },
  {
    title: 'sign-in: works with PKCE enforced, state echoed and tokens in XML',
    async run(bench) {
      bench.emulator.switches.set({ pkce: 'enforced', state: 'echoed', tokenFormat: 'xml' });
      const app = await bench.open();
      expect((await signIn(app, app.browser())).status).toBe(200);
    },
  },
  {
    title: 'sign-in: two visitors at once each get their own account',
    async run(bench) {
      const app = await bench.open();
      const [ann, bob] = [app.browser('ann'), app.browser('bob')];
      const annsQuestion = await decide(ann, await toAllowPage(app, ann), 'allow');
      const bobsQuestion = await decide(bob, await toAllowPage(app, bob, { account: LIMITED }), 'allow');
      expect([annsQuestion.text.includes(USER), bobsQuestion.text.includes(LIMITED)]).toEqual([true, true]);
      await bob.submit('/highq/confirm', { decision: 'confirm' });
      await ann.submit('/highq/confirm', { decision: 'confirm' });
      const emailOf = async (id: string) => (await app.manager.connection(id).status()).userEmail;
      expect([await emailOf('ann'), await emailOf('bob')]).toEqual([USER, LIMITED]);
    },
  },
  {
    title: 'confirm: a cancel leaves the visitor without the account, and leads back',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      const question = await decide(browser, await toAllowPage(app, browser), 'allow');
      expect(question.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      const back = await browser.submit('/highq/confirm', { decision: 'cancel' });
      expect([back.status, back.url.pathname]).toEqual([401, '/sites']);
      expect((await app.manager.connection('ann').status()).state).toBe('disconnected');
    },
  },
  {
    title: 'confirm: another account replaces the one in use only after the person has said so',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await signIn(app, browser);
      const connect = await browser.open(`${app.url}/highq/connect`);
      // HighQ remembers who is signed in there: another account is another browser's.
      const fresh = app.browser();
      fresh.cookies.set(new URL(app.url).host, browser.cookies.get(new URL(app.url).host) ?? new Map());
      await fresh.open(`${app.url}/highq/connect`);
      const page = await fresh.submit('/highq/connect', hiddenFields(connect.text, '/highq/connect'));
      const account = { email: LIMITED, password: 'password' };
      const allow = await fresh.submit('/acme/login.action', { ...hiddenFields(page.text), ...account });
      const question = await decide(fresh, allow, 'allow');
      expect(question.text).toContain(`You signed in as ${LIMITED}`);
      expect(question.text).toContain(`takes the place of ${USER}`);
      expect((await app.manager.connection('ann').status()).userEmail).toBe(USER);
      await fresh.submit('/highq/confirm', { decision: 'confirm' });
      expect((await app.manager.connection('ann').status()).userEmail).toBe(LIMITED);
    },
  },
  {
    title: 'confirm: neither a GET nor a form without an answer decides anything',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      const question = await decide(browser, await toAllowPage(app, browser), 'allow');
      await browser.open(question.url);
      const empty = await browser.send(question.url, 'POST', 'decision=maybe', SAME);
      expect(empty.status).toBe(400);
      expect((await app.manager.connection('ann').status()).state).toBe('pending');
      const done = await browser.submit('/highq/confirm', { decision: 'confirm' });
      expect(done.url.pathname).toBe('/sites');
    },
  },
  {
    title: 'disconnect: a browser goes back to the page, which asks to connect again',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await signIn(app, browser);
      const back = await browser.submit(`${app.url}/highq/disconnect`, { returnTo: '/sites' });
      expect([back.status, back.url.pathname]).toEqual([401, '/sites']);
      expect(back.text).toContain('Connect to HighQ');
    },
  },
  {
    title: 'disconnect: a program gets 204, a GET gets 405 and ends nothing',
    async run(bench) {
      const app = await bench.open();
      await app.connect();
      const read = await app.ask('/highq/disconnect');
      expect([read.status, read.headers.get('allow'), await read.text()]).toEqual([405, 'POST', '']);
      expect((await app.ask('/sites')).status).toBe(200);
      const headers = { origin: app.url };
      const done = await app.ask('/highq/disconnect', 'ann', {
        method: 'POST',
        headers: { ...headers, ...SAME },
      });
      expect([done.status, await done.text()]).toEqual([204, '']);
      expect((await app.manager.connection('ann').status()).state).toBe('disconnected');
    },
  },
  {
    title:
      "sign-in: takes forms that the application's parsers have read before, and leaves its cookies alone",
    async run(bench) {
      const app = await bench.open({ setup: () => ({ bodies: 'parsed', cookie: 'app=kept; Path=/' }) });
      const browser = app.browser();
      expect((await signIn(app, browser)).url.pathname).toBe('/sites');
      expect(browser.cookies.get(new URL(app.url).host)?.get('app')).toBe('kept');
      const begun = await browser.send(`${app.url}/highq/connect`, 'POST', 'returnTo=%2Fsites', SAME);
      const names = begun.headers.getSetCookie().map((line) => line.split('=', 1)[0]);
      expect(names.sort()).toEqual(['app', 'highq-login']);
      expect(codesSent(app)).toBe(1);
    },
  },
];
