import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { internals } from '../contracts.ts';
import { createWebHandlers, type WebHandlers } from './handlers.ts';
import type { WebOptions } from './options.ts';
import { PaperBrowser, type PaperManager, paperManager, type Visitor } from './web.fixture.ts';

const COOKIE = '__Host-highq-login';
let manager: PaperManager;
let handlers: WebHandlers<Visitor>;
let browser: PaperBrowser;

function handlersWith(options: Partial<WebOptions<Visitor>> = {}): WebHandlers<Visitor> {
  return createWebHandlers<Visitor>({ manager, connectionId: (req) => req.user, ...options });
}

beforeEach(() => {
  manager = paperManager();
  handlers = handlersWith();
  browser = new PaperBrowser(handlers);
});

async function begun(): Promise<void> {
  expect((await browser.post('/highq/connect', { returnTo: '/sites' })).status).toBe(303);
}

describe('POST connect', () => {
  it('F90 sets one fresh host cookie and goes to the instance', async () => {
    const response = await browser.post('/highq/connect');
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toMatch(
      /^https:\/\/acme\.highq\.com\/acme\/authorize\.action\?/,
    );
    expect(response.headers.get('location')).not.toContain('state=');
    const [line = '', ...more] = response.headers.getSetCookie();
    expect(more).toEqual([]);
    expect(line).toMatch(
      /^__Host-highq-login=[\w-]{44}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    );
    const first = browser.cookies.get(COOKIE);
    await browser.post('/highq/connect');
    expect(browser.cookies.get(COOKIE)).not.toBe(first);
  });

  it('F90 drops prefix and Secure on an http loopback, and only there', async () => {
    manager = paperManager({
      redirectUri: 'http://127.0.0.1:3000/highq/callback',
      instanceUrl: 'http://127.0.0.1:4310/acme',
      allowLoopback: true,
    });
    const local = new PaperBrowser(handlersWith(), 'ann', 'http://127.0.0.1:3000');
    const [line] = (await local.post('/highq/connect')).headers.getSetCookie();
    expect(line).toMatch(/^highq-login=[\w-]{44}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
    manager = paperManager({ allowLoopback: true });
    const [secure] = (await new PaperBrowser(handlersWith()).post('/highq/connect')).headers.getSetCookie();
    expect(secure).toMatch(/^__Host-highq-login=.*; Secure$/);
  });

  it('stores neither the cookie nor who it belongs to', async () => {
    await begun();
    const { store, registration } = manager[internals];
    const rows = await store.list({ registration, kind: 'login', limit: 10 });
    expect(rows).toHaveLength(1);
    const secret = browser.cookies.get(COOKIE) ?? '';
    expect(rows[0]?.id).toBe(createHash('sha256').update(secret).digest('hex'));
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(JSON.stringify(rows)).not.toContain('ann');
    expect(JSON.stringify(rows)).not.toContain(createHash('sha256').update('ann').digest('hex'));
  });

  it.each([
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'cross-site', origin: 'https://app.example' }, 403],
    [{ 'sec-fetch-site': 'none' }, 303],
    [{ 'sec-fetch-site': 'same-origin', origin: 'null' }, 303],
  ])('F87 answers %j with %i', async (headers, status) => {
    const response = await browser.post('/highq/connect', {}, headers);
    expect(response.status).toBe(status);
    expect(browser.cookies.size).toBe(status === 303 ? 1 : 0);
  });

  it.each([
    ['https://app.example', 303],
    ['https://inside.example', 303],
    ['https://evil.example', 403],
    ['http://app.example', 403],
    ['null', 403],
    [null, 403],
  ])('F87 goes by Origin in a browser that sends no more: %s, %i', async (origin, status) => {
    const inside = new PaperBrowser(handlers, 'ann', 'https://inside.example');
    const request = inside.request('/highq/connect', {
      method: 'POST',
      headers: origin === null ? {} : { origin },
    });
    expect((await handlers.handle(request, { user: 'ann' }))?.status).toBe(status);
  });

  it('F87 begins nothing on a GET: it shows the button', async () => {
    const response = await browser.get('/highq/connect?returnTo=/sites/101');
    expect(response.status).toBe(200);
    expect(browser.cookies.size).toBe(0);
    const page = await response.text();
    expect(page).toContain('<form method="post" action="/highq/connect">');
    expect(page).toContain('name="returnTo" value="/sites/101"');
  });

  it('F109 answers an anonymous visitor 401, and sends nobody anywhere', async () => {
    for (const user of [null, undefined, '']) {
      const stranger = new PaperBrowser(handlers, user ?? null);
      stranger.visitor.user = user as null;
      const response = await stranger.post('/highq/connect');
      expect(response.status).toBe(401);
      expect(await handlers.connection({ user: user as null })).toBeNull();
    }
  });

  it('asks authorize, for GET as well', async () => {
    const asked: string[] = [];
    const guarded = new PaperBrowser(
      handlersWith({
        authorize: (req, action) => {
          asked.push(`${req.user} ${action}`);
          return false;
        },
      }),
    );
    expect((await guarded.post('/highq/connect')).status).toBe(403);
    expect((await guarded.get('/highq/connect')).status).toBe(403);
    expect((await guarded.post('/highq/disconnect')).status).toBe(403);
    expect(asked).toEqual(['ann connect', 'ann connect', 'ann disconnect']);
  });

  it('F92 takes nothing for the redirect from the request', async () => {
    const request = new Request('https://evil.example/highq/connect', {
      method: 'POST',
      headers: {
        host: 'evil.example',
        'x-forwarded-host': 'evil.example',
        'sec-fetch-site': 'same-origin',
      },
    });
    const response = await handlers.handle(request, { user: 'ann' });
    expect(response?.headers.get('location')).not.toContain('evil');
  });
});
