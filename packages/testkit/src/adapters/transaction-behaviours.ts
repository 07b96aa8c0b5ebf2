import { expect } from 'vitest';
import { type Behaviour, LIMITED } from './bench.ts';
import { HttpBrowser, hiddenFields } from './http-browser.ts';
import { begin, callbackWith, codesSent, decide, stateOf, toAllowPage } from './steps.ts';

const MINUTE_MS = 60_000;

/** What stands in for `state`, which HighQ does not send back. */
export const TRANSACTION_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'F80 a callback without the cookie of a sign-in is refused, and its code goes nowhere',
    async run(bench) {
      const app = await bench.open();
      const answer = await app.browser().open(await callbackWith(app));
      expect([answer.status, codesSent(app)]).toEqual([400, 0]);
      expect(answer.text).toContain('has not begun a sign-in');
      expect(await stateOf(app)).toBe('disconnected');
    },
  },
  {
    title:
      'F81 a callback in another browser of the same visitor is refused, and the sign-in goes on in its own',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await begin(app, browser);
      const callback = await callbackWith(app);
      expect((await app.browser().open(callback)).status).toBe(400);
      expect(codesSent(app)).toBe(0);
      expect((await browser.open(callback)).url.pathname).toBe('/highq/confirm');
    },
  },
  {
    title: 'F81 a callback is refused when somebody else is signed in to the application by then',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser('ann');
      await begin(app, browser);
      browser.cookies.get(new URL(app.url).host)?.set('user', 'bob');
      const answer = await browser.open(await callbackWith(app));
      expect([answer.status, codesSent(app)]).toEqual([400, 0]);
      expect(answer.text).toContain('Somebody else is signed in');
      expect([await stateOf(app, 'ann'), await stateOf(app, 'bob')]).toEqual([
        'disconnected',
        'disconnected',
      ]);
    },
  },
  {
    title: 'F82 asks nothing where the account is known, and refuses another',
    async run(bench) {
      const known: Record<string, string> = { ann: ' User@ClientName.com', bob: 'x@y.example' };
      const app = await bench.open({
        mount: {
          expectedUser: async (visitor) =>
            known[/user=(\w+)/.exec(visitor.header('cookie') ?? '')?.[1] ?? ''],
        },
      });
      const ann = app.browser();
      const done = await decide(ann, await toAllowPage(app, ann), 'allow');
      expect([done.status, done.url.href]).toEqual([200, `${app.url}/sites`]);
      const bob = app.browser('bob');
      const refused = await decide(bob, await toAllowPage(app, bob), 'allow');
      expect([refused.status, refused.url.pathname]).toEqual([400, '/highq/callback']);
      expect(refused.text).toContain('another account');
      expect(await stateOf(app, 'bob')).toBe('disconnected');
    },
  },
  {
    title:
      "F82 a stranger's code in one's own sign-in connects nothing until the person has seen the account",
    async run(bench) {
      const app = await bench.open();
      const victim = app.browser();
      await begin(app, victim);
      const question = await victim.open(await callbackWith(app, LIMITED));
      expect([question.url.pathname, question.text.includes(LIMITED)]).toEqual(['/highq/confirm', true]);
      expect(await stateOf(app)).toBe('pending');
      expect((await victim.send(`${app.url}/sites`)).status).toBe(401);
      await victim.submit('/highq/confirm', { decision: 'cancel' });
      expect(await stateOf(app)).toBe('disconnected');
    },
  },
  {
    title: "F82 a stranger's code is refused by the provider where PKCE is enforced",
    async run(bench) {
      bench.emulator.switches.set({ pkce: 'enforced' });
      const app = await bench.open();
      const attacker = app.browser('eve');
      const page = await toAllowPage(app, attacker);
      const action = hiddenFields(page.text, '/acme/authorize.action');
      const stolen = await attacker.send(
        new URL('/acme/authorize.action', page.url),
        'POST',
        new URLSearchParams({ ...action, decision: 'allow' }).toString(),
      );
      const victim = app.browser('ann');
      await begin(app, victim);
      const answer = await victim.open(stolen.headers.get('location') ?? '');
      expect([answer.status, answer.url.pathname]).toEqual([400, '/highq/callback']);
      expect(await stateOf(app)).toBe('disconnected');
    },
  },
  {
    title: 'F83 a callback that is opened again is told to be handled, and its code is sent once',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await begin(app, browser);
      const callback = await callbackWith(app);
      // The browser goes back, with the cookies that it had then.
      const earlier = new Map(browser.cookies.get(new URL(app.url).host));
      await browser.open(callback);
      expect((await browser.open(callback)).status).toBe(400);
      const again = await new HttpBrowser(new Map([[new URL(app.url).host, earlier]])).open(callback);
      expect([again.status, again.text.includes('already handled')]).toEqual([200, true]);
      expect(codesSent(app)).toBe(1);
    },
  },
  {
    title: 'F83 of two callbacks at the same moment, one is exchanged',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await begin(app, browser);
      const callback = await callbackWith(app);
      const answers = await Promise.all([browser.send(callback), browser.send(callback)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 303]);
      expect(codesSent(app)).toBe(1);
    },
  },
  {
    title: 'F83 neither a HEAD nor a prefetch of the callback uses the sign-in up',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await begin(app, browser);
      const callback = await callbackWith(app);
      const head = await browser.send(callback, 'HEAD');
      const prefetch = await browser.send(callback, 'GET', null, { 'sec-purpose': 'prefetch' });
      expect([head.status, prefetch.status, codesSent(app)]).toEqual([204, 503, 0]);
      expect((await browser.open(callback)).url.pathname).toBe('/highq/confirm');
    },
  },
  {
    title: 'F84 a sign-in is over after ten minutes, to the millisecond, and a late code is not sent',
    async run(bench) {
      const app = await bench.open();
      const [inTime, late] = [app.browser('ann'), app.browser('bob')];
      await bench.freeze();
      await begin(app, late);
      await bench.advance(1);
      await begin(app, inTime);
      await bench.advance(10 * MINUTE_MS - 1);
      const answer = await late.open(await callbackWith(app));
      expect([answer.status, codesSent(app)]).toEqual([400, 0]);
      expect(answer.text).toContain('took too long');
      expect((await inTime.open(await callbackWith(app))).url.pathname).toBe('/highq/confirm');
    },
  },
  ...(['ignored', 'enforced'] as const).map((pkce): Behaviour => {
    return {
      title: `F85 of two tabs one code is sent, and the other gets a way to begin again (PKCE ${pkce})`,
      async run(bench) {
        bench.emulator.switches.set({ pkce });
        const app = await bench.open();
        const older = app.browser();
        const newer = new HttpBrowser(older.cookies);
        const olderQuestion = await toAllowPage(app, older);
        const connect = await newer.open(`${app.url}/sites`);
        const newerQuestion = await newer.submit(
          '/highq/connect',
          hiddenFields(connect.text, '/highq/connect'),
        );
        const early = await decide(older, olderQuestion, 'allow');
        // With PKCE the provider tells them apart; without, the person does.
        const path = pkce === 'enforced' ? '/highq/callback' : '/highq/confirm';
        expect(early.url.pathname).toBe(path);
        const late = await decide(newer, newerQuestion, 'allow');
        expect([late.status, late.url.pathname]).toEqual([400, '/highq/callback']);
        expect(late.text).toContain('href="/highq/connect?returnTo=');
        expect(codesSent(app)).toBe(1);
      },
    };
  }),
  {
    title: 'F85 a newer sign-in of the same browser ends the older',
    async run(bench) {
      const app = await bench.open();
      const browser = app.browser();
      await begin(app, browser);
      const older = new HttpBrowser(
        new Map([[new URL(app.url).host, new Map(browser.cookies.get(new URL(app.url).host))]]),
      );
      await begin(app, browser);
      const answer = await older.open(await callbackWith(app));
      expect([answer.status, codesSent(app)]).toEqual([400, 0]);
      expect(answer.text).toContain('A newer sign-in was begun');
    },
  },
];
