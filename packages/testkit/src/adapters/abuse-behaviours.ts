import { expect } from 'vitest';
import type { Behaviour } from './bench.ts';
import { exchange } from './exchange.ts';
import { hiddenFields } from './http-browser.ts';
import { begin, callbackWith, codesSent, decide, signIn, stateOf, toAllowPage } from './steps.ts';

const SAME = { 'sec-fetch-site': 'same-origin' };
const EVIL = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };

/** Requests that somebody else made up, and answers that would give something away. */
export const ABUSE_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'F86 leads nowhere but to a path of the application',
    async run(bench) {
      const app = await bench.open({ mount: { returnTo: '/start' } });
      const hostile = [
        '//evil.example',
        '/\\evil.example',
        'https:evil.example',
        'https://evil.example/',
        '/%2f%2fevil.example',
        'javascript:alert(1)',
        '\t//evil.example',
        '/\t/evil.example',
        '/..//evil.example',
        '//\u3002evil.example',
        `/${'x'.repeat(4096)}`,
        '/highq/callback?code=1',
      ];
      for (const returnTo of hostile) {
        const page = await app
          .browser()
          .send(`${app.url}/highq/connect?${new URLSearchParams({ returnTo })}`);
        expect(hiddenFields(page.text, '/highq/connect'), returnTo).toEqual({ returnTo: '/start' });
        const form = new URLSearchParams({ returnTo }).toString();
        const out = await app.browser().send(`${app.url}/highq/disconnect`, 'POST', form, SAME);
        expect([out.status, out.headers.get('location')], returnTo).toEqual([303, '/start']);
      }
      const own = new URLSearchParams({ returnTo: '/sites/caf%C3%A9?a=1&b=%2F#part' }).toString();
      const out = await app.browser().send(`${app.url}/highq/disconnect`, 'POST', own, SAME);
      expect(out.headers.get('location')).toBe('/sites/caf%C3%A9?a=1&b=%2F#part');
    },
  },
  {
    title: 'F86 a whole sign-in that was asked to end elsewhere ends at the start page',
    async run(bench) {
      const routes = [{ path: '/start', guarded: true, answer: () => 'here' }];
      const app = await bench.open({ mount: { returnTo: '/start' }, setup: () => ({ routes }) });
      const browser = app.browser();
      await begin(app, browser, 'https://evil.example/');
      const question = await browser.open(await callbackWith(app));
      expect(question.url.pathname).toBe('/highq/confirm');
      const done = await browser.submit('/highq/confirm', { decision: 'confirm' });
      expect([done.url.href, done.text]).toEqual([`${app.url}/start`, JSON.stringify('here')]);
    },
  },
  {
    title: 'F87 nothing begins, is confirmed or ends for a form on another site',
    async run(bench) {
      const app = await bench.open();
      await app.connect();
      for (const path of ['/highq/connect', '/highq/confirm', '/highq/disconnect']) {
        for (const headers of [EVIL, { origin: EVIL.origin, 'sec-fetch-site': 'same-site' }]) {
          const answer = await app.browser().send(app.url + path, 'POST', 'decision=confirm', headers);
          expect([path, answer.status, answer.headers.getSetCookie()]).toEqual([path, 403, []]);
        }
      }
      expect(await stateOf(app)).toBe('active');
    },
  },
  {
    title: 'F87 an older browser is told by its Origin, and a program that sends neither is refused',
    async run(bench) {
      const app = await bench.open();
      const raw = async (headers: Record<string, string>) => {
        const sent = { method: 'POST', headers: { ...headers, cookie: 'user=ann' } };
        return (await exchange(`${app.url}/highq/connect`, sent)).statusCode;
      };
      expect(await raw({ origin: app.url })).toBe(303);
      expect(await raw({ origin: 'https://evil.example' })).toBe(403);
      expect(await raw({ origin: 'null' })).toBe(403);
      expect(await raw({})).toBe(403);
    },
  },
  {
    title:
      'F88 a code of one instance that lands in the sign-in at another goes to neither of the wrong ones',
    async run(bench) {
      const other = await bench.other();
      const app = await bench.open({
        setup: ({ manager, managerFor }) => ({
          mounts: [
            { manager, connectionId: 'shared', authorize: () => true },
            {
              name: 'highqClient',
              basePath: '/client',
              connectionId: 'shared',
              authorize: () => true,
              manager: managerFor('/client/callback', {
                instanceUrl: other.instanceUrl,
                clientId: other.env.HIGHQ_CLIENT_ID,
                clientSecret: other.env.HIGHQ_CLIENT_SECRET,
              }),
            },
          ],
        }),
      });
      const { code } = await other.authorize({});
      const browser = app.browser();
      await begin(app, browser);
      // At the other's callback, this sign-in is none.
      expect((await browser.open(`${app.url}/client/callback?code=${code}`)).status).toBe(400);
      expect(other.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(0);
      // At its own, the code goes to the instance that the sign-in was begun with, which does not know it.
      const refused = await browser.open(`${app.url}/highq/callback?code=${code}`);
      expect([refused.status, refused.url.pathname]).toEqual([400, '/highq/callback']);
      expect(other.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(0);
      expect(await stateOf(app, 'shared')).toBe('disconnected');
    },
  },
  {
    title: 'F89 tells that access was denied, and leads back',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      const denied = await decide(browser, await toAllowPage(app, browser), 'deny');
      expect(denied.status).toBe(400);
      expect(denied.text).toContain('Access was not allowed');
      expect(denied.text).toContain('href="/sites"');
      expect(codesSent(app)).toBe(0);
    },
  },
  {
    title: 'F89 a callback with anything but one code is refused, and nothing of it is shown',
    async run(bench) {
      const app = await bench.open();
      const mark = '"><script>planted-text</script>';
      const odd = [
        { error: mark },
        { error: 'access_denied', code: mark },
        { 'code[]': mark },
        { 'code[a]': mark },
        { error_description: mark },
        { code: '' },
        { code: `${mark}\n` },
        { code: 'x'.repeat(4097) },
      ].map((query) => new URLSearchParams(query).toString());
      for (const query of [...odd, 'code=1&code=2', 'code=1&code[]=2', '']) {
        const browser = app.browser();
        await begin(app, browser);
        const answer = await browser.open(`${app.url}/highq/callback?${query}`);
        expect([answer.status, answer.text.includes('planted-text')], query).toEqual([400, false]);
      }
      expect(codesSent(app)).toBe(0);
    },
  },
  {
    title: 'F90 each sign-in has a fresh cookie, held to this host and hidden from scripts',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      // One that somebody planted is not taken over.
      browser.cookies.get(new URL(app.url).host)?.set('highq-login', 'planted');
      const lines: string[] = [];
      for (let round = 0; round < 2; round += 1) {
        const answer = await browser.send(`${app.url}/highq/connect`, 'POST', '', SAME);
        lines.push(...answer.headers.getSetCookie());
      }
      expect(lines).toHaveLength(2);
      for (const line of lines) {
        expect(line).toMatch(/^highq-login=[\w-]{40,}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
      }
      expect(new Set(lines).size).toBe(2);
    },
  },
  {
    title: "F90 behind https the cookie is __Host- and Secure, and the application's session is left alone",
    async run(bench) {
      const redirectUri = 'https://matters.example/highq/callback';
      const app = await bench.open({
        manager: { redirectUri },
        setup: () => ({ cookie: 'session=s1; Path=/' }),
      });
      const browser = app.browser();
      browser.cookies.get(new URL(app.url).host)?.set('session', 's1');
      const begun = await browser.send(`${app.url}/highq/connect`, 'POST', '', SAME);
      const [own, ...rest] = begun.headers.getSetCookie().filter((line) => !line.startsWith('session='));
      expect(own).toMatch(
        /^__Host-highq-login=[\w-]{40,}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
      );
      expect(rest).toEqual([]);
      expect(browser.cookies.get(new URL(app.url).host)?.get('session')).toBe('s1');
    },
  },
  {
    title: 'F91 a callback that is posted is not taken',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await begin(app, browser);
      const { code } = await app.emulator.authorize({});
      const headers = { 'sec-fetch-site': 'cross-site' };
      const answer = await browser.send(`${app.url}/highq/callback`, 'POST', `code=${code}`, headers);
      expect([answer.status, answer.headers.get('allow'), codesSent(app)]).toEqual([405, 'GET, HEAD', 0]);
    },
  },
  {
    title: 'F92 sends people back to the configured address, whatever the request says of its host',
    async run(bench) {
      const app = await bench.open();
      const answer = await app.browser().send(`${app.url}/highq/connect`, 'POST', '', {
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'https',
        forwarded: 'host=evil.example',
        ...SAME,
      });
      const target = new URL(answer.headers.get('location') ?? '');
      expect(target.searchParams.get('redirect_uri')).toBe(`${app.url}/highq/callback`);
      expect(answer.text + JSON.stringify([...answer.headers])).not.toContain('evil.example');
    },
  },
  {
    title: 'F98 a callback leads to a clean address at once, and leaves no referrer and nothing in a cache',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await begin(app, browser);
      const callback = await callbackWith(app);
      const answer = await browser.send(callback);
      expect([answer.status, answer.headers.get('location'), answer.text]).toEqual([
        303,
        '/highq/confirm',
        '',
      ]);
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      // Also where it is refused, and the address bar shows the code.
      const refused = await app.browser().send(callback);
      expect([refused.status, refused.headers.get('referrer-policy')]).toEqual([400, 'no-referrer']);
      expect(refused.headers.get('cache-control')).toBe('no-store');
      expect(refused.text).not.toContain(new URL(callback).searchParams.get('code'));
      const done = app.browser();
      await signIn(app, done);
      expect(done.trail.at(-1)).toBe(`${app.url}/sites`);
      expect(done.trail.some((url) => url.includes('/highq/callback?code='))).toBe(true);
    },
  },
];
