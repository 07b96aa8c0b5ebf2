import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TokenManager } from '../contracts.ts';
import { FlakyStore } from '../flaky-store.fixture.ts';
import { Bench, DAY, HOUR, USER } from '../manager.fixture.ts';
import type { TokenManagerOptions } from '../options.ts';
import { createWebHandlers } from './handlers.ts';
import type { WebAction, WebOptions } from './options.ts';
import { PaperBrowser, type Visitor } from './web.fixture.ts';

const STATUS = '/highq/status';
const MOST_BYTES = 50_000;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
const asProgram = { accept: 'application/json', 'sec-fetch-mode': 'cors' };
let bench: Bench;
let manager: TokenManager;

beforeEach(async () => {
  bench = await Bench.open();
  manager = managerWith();
});
afterEach(() => bench.close());

function managerWith(options: Partial<TokenManagerOptions> = {}): TokenManager {
  return bench.manager({ redirectUri: 'https://app.example/highq/callback', ...options });
}

function handlersWith(options: Partial<WebOptions<Visitor>>) {
  return createWebHandlers<Visitor>({ manager, connectionId: (req) => req.user, ...options });
}

const own = (_req: Visitor, action: WebAction): boolean => action !== 'status-all';

function browserWith(options: Partial<WebOptions<Visitor>> = {}, user: string | null = 'ann'): PaperBrowser {
  return new PaperBrowser(handlersWith({ authorize: own, ...options }), user);
}
const administrator = (options: Partial<WebOptions<Visitor>> = {}, user: string | null = 'ann') =>
  browserWith({ authorize: () => true, ...options }, user);

const signIn = (id = 'ann', user = USER) => bench.signIn(manager.connection(id), user);

async function json(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toContain('json');
  return (await response.json()) as Record<string, unknown>;
}

async function page(response: Response): Promise<string> {
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  return response.text();
}

describe('GET status', () => {
  it('answers a program with the status and all that the page shows, and no token', async () => {
    const connection = manager.connection('ann');
    await signIn();
    const token = await connection.getAccessToken();
    const response = await browserWith().get(STATUS, asProgram);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('vary')).toBe('Accept');
    expect(await response.clone().text()).not.toContain(token);
    expect(await json(response)).toEqual({
      ...(await connection.status()),
      now: bench.clock.now(),
      explain: await connection.explain(),
      history: await connection.history(),
      horizon: expect.objectContaining({ due: null }),
    });
  });

  it.each([
    ['text/html,application/xhtml+xml,*/*;q=0.8', 'text/html'],
    ['application/json, text/html;q=0.5', 'application/json'],
    ['application/json;q=0.5, text/html', 'text/html'],
    ['text/html;q=0', 'application/json'],
    ['*/*', 'application/json'],
    ['', 'application/json'],
  ])('answers Accept: %s with %s, also to a script', async (accept, type) => {
    const response = await browserWith().get(STATUS, { accept, 'sec-fetch-mode': 'cors' });
    expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
  });

  it('answers HEAD as GET, without a body', async () => {
    const handlers = handlersWith({ authorize: own });
    const paper = new PaperBrowser(handlers);
    const head = await handlers.handle(paper.request(STATUS, { method: 'HEAD' }), { user: 'ann' });
    const get = await paper.get(STATUS);
    expect(head?.status).toBe(200);
    expect(head?.body).toBeNull();
    expect([...(head?.headers ?? [])]).toEqual([...get.headers]);
  });

  it('shows the time by the store and counts from it', async () => {
    await signIn();
    await bench.clock.advance(HOUR + 30_000);
    const html = await page(await browserWith().get(STATUS));
    expect(html).toContain('<time datetime="2026-01-01T01:00:30.000Z">1 Jan 2026, 01:00:30 UTC</time>');
    expect(html).toContain('3 hours 59 minutes left');
    expect(html).toMatch(
      /<dt>Signed in<\/dt><dd><time [^>]+>1 Jan 2026, 00:00 UTC<\/time> <span class="away">1 hour ago/,
    );
  });

  it('lets nothing run or load but its own style and its own script', async () => {
    await signIn();
    const response = await administrator({ statusActions: true }).get(STATUS);
    const policy = response.headers.get('content-security-policy') ?? '';
    const html = await page(response);
    const digest = (tag: string): string => {
      const blocks = [...html.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))];
      expect(blocks).toHaveLength(1);
      return createHash('sha256')
        .update(blocks[0]?.[1] ?? '')
        .digest('base64');
    };
    expect(policy.split('; ')).toEqual([
      "default-src 'none'",
      `style-src 'sha256-${digest('style')}'`,
      `script-src 'sha256-${digest('script')}'`,
      "connect-src 'self'",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ]);
    expect(html).not.toMatch(/\s(?:style|on[a-z]+|src)=/);
  });

  it('leads back to the application where that has said where', async () => {
    expect(await page(await browserWith().get(STATUS))).not.toContain('Back to the application');
    const html = await page(await browserWith({ statusBackTo: '/matters?a=1&b="2"' }).get(STATUS));
    expect(html).toContain('<a href="/matters?a=1&#38;b=&#34;2&#34;">Back to the application</a>');
  });

  it('escapes whatever others wrote', async () => {
    const evil = `<img src=x onerror="a('b')">`;
    await manager.connection(evil).importTokens({
      access_token: 'secret-access',
      refresh_token: 'secret-refresh',
      expires_in: 18_000,
      useremail: evil,
    });
    const browser = administrator({}, evil);
    const html = await page(await browser.get(`${STATUS}?after=${encodeURIComponent('"><script>')}`));
    expect(html).not.toContain('<img');
    expect(html).not.toContain('secret-');
    expect(await (await browser.get(STATUS, asProgram)).text()).not.toContain('secret-');
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html.split('&#60;img src=x onerror=&#34;a(&#39;b&#39;)&#34;&#62;').length).toBeGreaterThan(2);
  });
});

describe('each state in words', () => {
  const shown = async (): Promise<string> => page(await browserWith().get(STATUS));

  it('disconnected, pending, active, expiring, expired', async () => {
    const connection = manager.connection('ann');
    expect(await shown()).toMatch(
      /Not connected<\/h2>.*Nobody has signed in[\s\S]*href="\/highq\/connect\?returnTo=%2Fhighq%2Fstatus">Connect to HighQ/,
    );
    const { code } = await bench.emulator.authorize({ user: USER });
    await connection.exchangeCode(code, { confirm: true });
    expect(await shown()).toMatch(
      /Waiting for confirmation<\/h2>.*as user@clientname\.com[\s\S]*href="\/highq\/confirm"/,
    );
    await connection.confirm();
    expect(await shown()).toMatch(/Connected<\/h2><p>Calls to HighQ work\./);
    await bench.clock.advance(4 * HOUR + 30 * 60_000);
    expect(await shown()).toMatch(/renewal is due<\/h2>[\s\S]*<dt>Next renewal<\/dt><dd>with the next call/);
    await bench.clock.advance(HOUR);
    expect(await shown()).toMatch(/token has run out<\/h2>[\s\S]*ran out 30 minutes ago/);
    await connection.disconnect();
    expect(await shown()).toMatch(/Not connected<\/h2>.*was disconnected/);
  });

  it('uncertain, with the way to settle it', async () => {
    await signIn();
    bench.emulator.faults.add({ match: REFRESH, kind: 'reset-after-commit', times: 1 });
    await expect(manager.connection('ann').refresh({ force: true })).rejects.toThrow();
    await bench.clock.advance(3 * 60_000);
    expect(await shown()).toMatch(/In doubt<\/h2>.*answer did not arrive[\s\S]*Sign in at HighQ again/);
  });

  it('reauth_required, without a bar for a refresh token that counts no more', async () => {
    await signIn();
    bench.emulator.revoke({});
    await expect(manager.connection('ann').refresh({ force: true })).rejects.toThrow();
    const html = await shown();
    expect(html).toMatch(/Sign-in needed<\/h2>.*revoked, or it has expired[\s\S]*Sign in at HighQ again/);
    expect(html).toContain('No longer accepted');
    expect(html).toContain('Connection ended');
    expect(html).toContain('Calls work until the access token ends');
    expect(html).not.toContain('The refresh token is good for');
    expect(await manager.connection('ann').getAccessToken()).toBeTruthy();
    await bench.clock.advance(5 * HOUR);
    expect(await shown()).toContain('Calls to HighQ do not work until somebody signs in');
  });

  it('the last problem with advice, and the warnings of the year', async () => {
    await signIn();
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await manager.connection('ann').refresh({ force: true });
    expect(await shown()).toMatch(
      /Last problem<\/h2>\s*<p>The token endpoint&#39;s answer could not be read.*Upgrade hq-oauth.*errors\.md#rotation_uncertain/,
    );
    await signIn();
    await bench.clock.advance(340 * DAY);
    const html = await shown();
    expect(html).not.toContain('Last problem');
    expect(html).toContain('ends within 30 days');
    expect(html).toMatch(/<div class="due"><dt>[^/]*<\/i>Warning, 30 days before/);
    expect(html).not.toMatch(/<div class="due"><dt>[^/]*<\/i>Warning, 7 days before/);
  });

  it('a record that cannot be opened, without hiding the page', async () => {
    await signIn();
    manager = managerWith({
      encryption: { keys: [{ id: 'k2', key: Buffer.alloc(32, 7).toString('base64') }] },
    });
    expect(await shown()).toMatch(/In doubt<\/h2>.*cannot be opened here[\s\S]*errors\.md#record_unreadable/);
  });

  it('what it knew before while the store is down, and says so', async () => {
    const store = new FlakyStore();
    manager = managerWith({ store });
    await signIn();
    store.down = true;
    expect(await shown()).toMatch(
      /The store does not answer\.<\/strong>[\s\S]*Connected<\/h2>[\s\S]*history cannot be read/,
    );
    expect(await json(await browserWith().get(STATUS, asProgram))).toMatchObject({
      state: 'active',
      history: null,
    });
    const other = await browserWith({}, 'bob').get(STATUS);
    expect(other.status).toBe(503);
    expect(await page(await administrator().get(STATUS))).not.toContain('All connections');
    const list = await administrator({}, null).get(STATUS, asProgram);
    expect(list.status).toBe(503);
    expect(await json(list)).toMatchObject({ code: 'store_unavailable' });
    store.down = false;
  });
});

describe('the guard of the status page', () => {
  it('is off without one, like any path that is not ours', async () => {
    const handlers = handlersWith({});
    expect(handlers.owns(STATUS)).toBe(false);
    expect(handlers.paths).not.toContain(STATUS);
    const request = new PaperBrowser(handlers).request(STATUS);
    expect(await handlers.handle(request, { user: 'ann' })).toBeNull();
  });

  it('can be moved and switched off', async () => {
    expect(handlersWith({ authorize: own }).paths).toContain(STATUS);
    expect(handlersWith({ authorize: own, routes: { status: '/health/highq' } }).paths).toContain(
      '/health/highq',
    );
    expect(handlersWith({ authorize: own, routes: { status: false } }).owns(STATUS)).toBe(false);
  });

  it('asks for status, and refuses like the other routes', async () => {
    const asked: WebAction[] = [];
    const browser = browserWith({
      authorize: (_req, action) => {
        asked.push(action);
        return false;
      },
    });
    expect((await browser.get(STATUS)).status).toBe(403);
    expect(await json(await browser.get(STATUS, asProgram))).toMatchObject({
      code: 'route_refused',
      reason: 'not_authorized',
    });
    expect(new Set(asked)).toEqual(new Set(['status', 'status-all']));
    expect((await browserWith({}, null).get(STATUS)).status).toBe(401);
  });

  it("lets everybody see their own with 'unsafe-public' written out, and nobody the others", async () => {
    await signIn('bob');
    const browser = browserWith({ authorize: 'unsafe-public' });
    expect(await json(await browser.get(STATUS, asProgram))).not.toHaveProperty('connections');
    expect((await browser.get(`${STATUS}?connection=bob`)).status).toBe(403);
    expect((await browser.post('/highq/connect')).status).toBe(303);
  });

  it('refuses a foreign connection in the same words whether it exists or not', async () => {
    await signIn('bob');
    const answer = async (id: string) => {
      const response = await browserWith().get(`${STATUS}?connection=${id}`, asProgram);
      return [response.status, [...response.headers], await response.text()];
    };
    expect(await answer('bob')).toEqual(await answer('nobody'));
    expect((await answer('bob'))[0]).toBe(403);
    expect((await browserWith().get(`${STATUS}?connection=ann`)).status).toBe(200);
  });
});

describe('status-all', () => {
  it('lists all connections by pages, with a link to each', async () => {
    for (let one = 0; one < 26; one += 1) await signIn(`user ${100 + one}`);
    const browser = administrator({}, null);
    const first = await json(await browser.get(STATUS, asProgram));
    expect(first.connections).toHaveLength(25);
    expect(first).toMatchObject({ now: bench.clock.now(), next: 'user 124' });
    expect(first).not.toHaveProperty('state');
    const html = await page(await browser.get(STATUS));
    expect(html).toContain('<a href="/highq/status?connection=user+100">user 100</a>');
    const next = /href="([^"]*after[^"]*)#list-title">Next page/.exec(html)?.[1] ?? '';
    const last = await json(await browser.get(next, asProgram));
    expect(last).toMatchObject({ connections: [{ connectionId: 'user 125', userEmail: USER }], next: null });
    const one = await json(await browser.get(`${STATUS}?connection=user+100`, asProgram));
    expect(one).toMatchObject({ connectionId: 'user 100', state: 'active' });
  });

  it('F79 F110 shows any id, and only those of this registration', async () => {
    const ids = ["'; --", 'a\nb', '{}*', '\ud800', 'x'.repeat(10_240)];
    for (const id of ids) await signIn(id);
    const html = await page(await administrator().get(STATUS));
    expect(html.match(/<li><(?:a|span)/g)).toHaveLength(ids.length);
    expect(html).toContain('<a href="/highq/status?connection=a%0Ab">');
    expect(html).toContain(`<span>${'x'.repeat(79)}…</span>`);
    manager = managerWith({ clientId: 'another' });
    expect(await json(await administrator().get(STATUS, asProgram))).toMatchObject({
      connections: [],
      next: null,
    });
  });

  it('offers nothing to press on a connection that is not the visitor’s own', async () => {
    await signIn('bob');
    const html = await page(await administrator({ statusActions: true }).get(`${STATUS}?connection=bob`));
    expect(html).toContain('<p class="account">bob</p>');
    expect(html).not.toContain('<form');
    expect(html).not.toContain('/highq/connect');
  });
});

describe('weight', () => {
  it('stays below 50 kB at its fullest', async () => {
    const long = 'long'.repeat(20);
    for (let one = 0; one < 27; one += 1) await signIn(`${long} ${'ä'.repeat(20)} ${100 + one}`);
    await signIn();
    const connection = manager.connection('ann');
    for (let one = 0; one < 25; one += 1) {
      await bench.clock.advance(15 * DAY);
      await connection.refresh({ force: true });
    }
    const browser = administrator({ statusActions: true });
    browser.cookies.set('highq-notice', 'failed.token_endpoint.invalid_client');
    const html = await page(await browser.get(`${STATUS}?after=a`));
    expect(html).toContain('Next page');
    expect(html.match(/<strong>Renewed</g)).toHaveLength(20);
    expect(Buffer.byteLength(html)).toBeLessThan(MOST_BYTES);
  });
});
