import { text } from 'node:stream/consumers';
import type Koa from 'koa';
import { afterEach, describe, expect, it } from 'vitest';
import { at, routes, type Served, serve, userOf } from './app.fixture.ts';
import { type Answer, HttpBrowser, hiddenFields } from './http-browser.fixture.ts';
import { highq, highqErrors, requireHighQ } from './index.ts';

const HOUR = 3_600_000;
let served: Served;

afterEach(() => served.close());

function visitor(user: string | null = 'ann'): HttpBrowser {
  const browser = new HttpBrowser();
  const { host } = new URL(served.url);
  browser.cookies.set(host, new Map(user === null ? [] : [['user', user]]));
  return browser;
}

/** Goes to a page of the application, and on to HighQ, up to the question whether to allow it. */
async function toAllowPage(browser: HttpBrowser, path = '/sites'): Promise<Answer> {
  const connect = await browser.open(served.url + path);
  expect(connect.text).toContain('Connect to HighQ');
  const signIn = await browser.submit('/highq/connect', hiddenFields(connect.text, '/highq/connect'));
  expect(signIn.url.origin).toBe(served.emulator.url);
  return browser.submit('/acme/login.action', {
    ...hiddenFields(signIn.text),
    email: 'user@clientname.com',
    password: 'password',
  });
}

async function decide(browser: HttpBrowser, page: Answer, decision: string): Promise<Answer> {
  return browser.submit('/acme/authorize.action', {
    ...hiddenFields(page.text, '/acme/authorize.action'),
    decision,
  });
}

async function signIn(browser: HttpBrowser, path = '/sites'): Promise<Answer> {
  const question = await decide(browser, await toAllowPage(browser, path), 'allow');
  expect(question.url.pathname).toBe('/highq/confirm');
  expect(question.text).toContain('user@clientname.com');
  return browser.submit('/highq/confirm', { decision: 'confirm' });
}

describe('a sign-in over HTTP', () => {
  it('leads from the page to HighQ, by the question, and back to the page with its data', async () => {
    served = await serve();
    const browser = visitor();
    const sites = await signIn(browser);
    expect(sites.url.href).toBe(`${served.url}/sites`);
    expect(JSON.parse(sites.text).site).toHaveLength(5);
    expect(browser.trail.filter((url) => url.includes('state='))).toEqual([]);
    expect(served.emulator.ledger.count({ kind: 'presented', tokenType: 'code', verdict: 'ok' })).toBe(1);
  });

  it('goes on after the access token has expired, by one refresh and without a 403', async () => {
    served = await serve();
    const browser = visitor();
    await signIn(browser);
    served.emulator.clock.advance(6 * HOUR);
    const sites = await browser.open(`${served.url}/sites`);
    expect(JSON.parse(sites.text).site).toHaveLength(5);
    expect(served.emulator.ledger.refreshes()).toBe(1);
    expect(served.emulator.requests.count({ status: 403 })).toBe(0);
  });

  it('works with PKCE enforced, with state echoed, and with tokens in XML', async () => {
    served = await serve({}, { emulator: { pkce: 'enforced', state: 'echoed', tokenFormat: 'xml' } });
    expect((await signIn(visitor())).status).toBe(200);
  });

  it('F82 asks nothing where the account is known, and refuses another', async () => {
    served = await serve({
      expectedUser: (ctx) => (userOf(ctx) === 'ann' ? 'user@clientname.com' : 'x@y.example'),
    });
    const ann = visitor();
    const done = await decide(ann, await toAllowPage(ann), 'allow');
    expect(done.url.href).toBe(`${served.url}/sites`);
    const bob = visitor('bob');
    const refused = await decide(bob, await toAllowPage(bob), 'allow');
    expect([refused.status, refused.url.pathname]).toEqual([400, '/highq/callback']);
    expect(refused.text).toContain('another account');
    expect((await served.manager.connection('bob').status()).state).toBe('disconnected');
  });

  it('F89 tells that access was denied, and leads back', async () => {
    served = await serve();
    const browser = visitor();
    const denied = await decide(browser, await toAllowPage(browser), 'deny');
    expect(denied.status).toBe(400);
    expect(denied.text).toContain('Access was not allowed');
    expect(denied.text).toContain('href="/sites"');
    expect(served.emulator.ledger.count({ tokenType: 'code' })).toBe(0);
  });

  it('F80 F83 sends no code from a foreign browser, and one code only once', async () => {
    served = await serve();
    const browser = visitor();
    await signIn(browser);
    const callback = browser.trail.find((url) => url.includes('/highq/callback')) ?? '';
    const { code } = await served.emulator.authorize({ user: 'user@clientname.com' });
    const foreign = await visitor().open(`${served.url}/highq/callback?code=${code}`);
    const again = await browser.open(callback);
    expect([foreign.status, again.status]).toEqual([400, 400]);
    expect(served.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
  });

  it.each([
    { pkce: 'enforced', status: 400, path: '/highq/callback' },
    { pkce: 'ignored', status: 200, path: '/highq/confirm' },
  ] as const)(
    'F85 sends one code for two tabs; PKCE $pkce: the older gets $status',
    async ({ pkce, ...wanted }) => {
      served = await serve({}, { emulator: { pkce } });
      const older = visitor();
      const newer = new HttpBrowser(older.cookies);
      const olderQuestion = await toAllowPage(older);
      const connect = await newer.open(`${served.url}/sites`);
      const newerQuestion = await newer.submit(
        '/highq/connect',
        hiddenFields(connect.text, '/highq/connect'),
      );
      const early = await decide(older, olderQuestion, 'allow');
      expect({ status: early.status, path: early.url.pathname }).toEqual(wanted);
      // Nothing tells the two callbacks apart, so the first one has used the browser's one transaction up.
      const late = await decide(newer, newerQuestion, 'allow');
      expect([late.status, late.url.pathname]).toEqual([400, '/highq/callback']);
      expect(late.text).toContain('href="/highq/connect?returnTo=');
      expect(served.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
    },
  );

  it('F87 begins nothing for a form on another site', async () => {
    served = await serve();
    const answer = await visitor().send(`${served.url}/highq/connect`, 'POST', '', {
      'sec-fetch-site': 'cross-site',
      origin: 'https://evil.example',
    });
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([403, []]);
  });

  it('F92 sends people back to the configured address, whatever the Host header says', async () => {
    served = await serve();
    const answer = await visitor().send(`${served.url}/highq/connect`, 'POST', '', {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'sec-fetch-site': 'same-origin',
    });
    const target = new URL(answer.headers.get('location') ?? '');
    expect(target.searchParams.get('redirect_uri')).toBe(`${served.url}/highq/callback`);
  });

  it('takes forms that a body parser has read before, and cookies of the application stay', async () => {
    served = await serve(
      {},
      {
        prepare(app, manager) {
          app.use(async (ctx, next) => {
            // What the usual body parsers leave behind.
            const form = ctx.method === 'POST' ? await text(ctx.req) : '';
            if (form !== '') Reflect.set(ctx.request, 'body', Object.fromEntries(new URLSearchParams(form)));
            ctx.cookies.set('app', 'kept', { httpOnly: false });
            await next();
          });
          app.use(highqErrors());
          app.use(highq({ manager, connectionId: userOf }));
          routes(app);
        },
      },
    );
    const browser = visitor();
    expect((await signIn(browser)).url.pathname).toBe('/sites');
    expect(browser.cookies.get(new URL(served.url).host)?.get('app')).toBe('kept');
  });

  it('answers a form that is too long, and does not take the connection down', async () => {
    served = await serve();
    const form = `padding=${'x'.repeat(100_000)}&decision=confirm`;
    const answer = await visitor().send(`${served.url}/highq/confirm`, 'POST', form);
    expect(answer.status).toBe(400);
  });

  it('ends with a disconnect', async () => {
    served = await serve();
    const browser = visitor();
    await signIn(browser);
    const back = await browser.submit(`${served.url}/highq/disconnect`, { returnTo: '/sites' });
    expect([back.status, back.url.pathname]).toEqual([401, '/sites']);
    expect(back.text).toContain('Connect to HighQ');
  });
});

describe('the middleware', () => {
  it('F109 gives an anonymous visitor no connection, and 401 where one is required', async () => {
    served = await serve();
    expect(JSON.parse((await visitor(null).open(served.url)).text)).toEqual({ highq: null });
    const refused = await fetch(`${served.url}/sites`);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(await refused.json()).toMatchObject({ code: 'not_connected', status: 401 });
  });

  it('names where to sign in to a program that is known', async () => {
    served = await serve({ statuses: { notConnected: 409 } });
    const refused = await fetch(`${served.url}/sites`, { headers: { cookie: 'user=ann' } });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ code: 'not_connected', connectUrl: '/highq/connect' });
  });

  it('passes errors on that are not of hq-oauth', async () => {
    served = await serve(
      {},
      {
        prepare(app) {
          answerErrors(app);
          app.use(highqErrors());
          app.use(() => {
            throw new Error('of the application');
          });
        },
      },
    );
    const answer = await fetch(served.url);
    expect([answer.status, await answer.text()]).toEqual([418, 'of the application']);
  });

  it('refuses two on one path or of one name, and takes one that is mounted twice', async () => {
    served = await serve(
      {},
      {
        prepare(app, manager) {
          answerErrors(app);
          const one = highq({ manager, connectionId: userOf });
          const routes = { callback: '/highq/callback' };
          app.use(one);
          app.use(at('/same', one));
          app.use(at('/path', highq({ manager, connectionId: userOf, as: 'other' })));
          app.use(at('/name', highq({ manager, connectionId: userOf, basePath: '/b', routes })));
          app.use((ctx) => {
            ctx.body = 'fine';
          });
        },
      },
    );
    expect(await (await fetch(`${served.url}/same`)).text()).toBe('fine');
    expect(await (await fetch(`${served.url}/path`)).text()).toMatch(/basePath: two of highq\(\).*\/highq/);
    expect(await (await fetch(`${served.url}/name`)).text()).toMatch(/as: two of highq\(\).*highq/);
  });

  it('F110 serves two managers side by side, each with its own routes and errors', async () => {
    served = await serve(
      {},
      {
        prepare(app, manager) {
          app.use(highqErrors());
          app.use(highq({ manager, connectionId: userOf }));
          const routes = { callback: '/highq/callback' };
          app.use(highq({ manager, connectionId: userOf, as: 'client', basePath: '/client', routes }));
          app.use(at('/b', requireHighQ({ as: 'client' })));
          app.use(at('/b', async (ctx) => void (await ctx.highq.getAccessToken())));
        },
      },
    );
    const refused = await fetch(`${served.url}/b`, { headers: { cookie: 'user=ann' } });
    expect(await refused.json()).toMatchObject({ connectUrl: '/client/connect' });
  });

  it('says so when requireHighQ comes before highq', async () => {
    served = await serve(
      {},
      {
        prepare(app) {
          answerErrors(app);
          app.use(at('/', requireHighQ()));
        },
      },
    );
    expect(await (await fetch(served.url)).text()).toContain('requireHighQ(): comes before highq()');
  });

  it('takes the manager from the request', async () => {
    served = await serve(
      {},
      {
        prepare(app, manager) {
          app.use(highqErrors());
          app.use(highq({ manager: async () => manager, connectionId: async (ctx) => userOf(ctx) }));
          routes(app);
        },
      },
    );
    expect((await signIn(visitor())).status).toBe(200);
  });

  it('tells its health', async () => {
    served = await serve();
    const answer = await fetch(`${served.url}/health`);
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { status: 'up', store: 'up', unpersisted: 0 },
    ]);
  });

  it('gives an answer without a body no type', async () => {
    served = await serve();
    const { status, headers } = await fetch(`${served.url}/highq/disconnect`);
    expect([status, headers.get('allow'), headers.get('content-type')]).toEqual([405, 'POST', null]);
  });

  it('survives a Host header that is none', async () => {
    served = await serve();
    const answer = await visitor().send(`${served.url}/sites`, 'GET', null, { host: 'a b' });
    expect(answer.status).toBe(401);
  });
});

function answerErrors(app: Koa): void {
  app.use(async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      ctx.status = 418;
      ctx.body = error instanceof Error ? error.message : String(error);
    }
  });
}
