import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { internals } from '../contracts.ts';
import { ConfigurationError, StoreUnavailableError, TokenEndpointError } from '../errors.ts';
import { createWebHandlers, type WebHandlers } from './handlers.ts';
import type { WebOptions } from './options.ts';
import { PaperBrowser, type PaperManager, paperManager, type Visitor } from './web.fixture.ts';

const COOKIE = '__Host-highq-login';
const MINUTE = 60_000;
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

const callback = '/highq/callback?code=code-for-ann@firm.example';

async function begun(): Promise<void> {
  expect((await browser.post('/highq/connect', { returnTo: '/sites' })).status).toBe(303);
}

async function refusal(response: Response, reason: string): Promise<void> {
  expect(response.status).toBe(400);
  expect(await reasonIn(response)).toBe(reason);
}

/** Pages say it in sentences, so the reason is asked for as a program would. */
async function reasonIn(response: Response): Promise<unknown> {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const body: unknown = await response.json();
  return (body as { reason?: string }).reason;
}

const asProgram = { accept: 'application/json', 'sec-fetch-mode': 'cors' };

describe('GET callback', () => {
  it('exchanges the code once, with the verifier of the challenge, and goes to a clean address', async () => {
    const toInstance = (await browser.post('/highq/connect')).headers.get('location') ?? '';
    const challenge = new URL(toInstance).searchParams.get('code_challenge');
    const response = await browser.get(callback);
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toBe('/highq/confirm');
    expect(manager.exchanges).toHaveLength(1);
    const [exchange] = manager.exchanges;
    expect(exchange).toMatchObject({ connectionId: 'ann', code: 'code-for-ann@firm.example', confirm: true });
    expect(
      createHash('sha256')
        .update(exchange?.codeVerifier ?? '')
        .digest('base64url'),
    ).toBe(challenge);
    expect(browser.cookies.has(COOKIE)).toBe(false);
  });

  it('F98 tells nobody the address that the code came in', async () => {
    await begun();
    const done = await browser.get(callback);
    const lost = await browser.get(callback);
    for (const response of [done, lost]) {
      expect(response.headers.get('referrer-policy')).toBe('no-referrer');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('location') ?? '').not.toContain('code');
      expect(await response.text()).not.toContain('code-for');
    }
  });

  it('goes without PKCE where it is switched off', async () => {
    browser = new PaperBrowser(handlersWith({ pkce: false }));
    const response = await browser.post('/highq/connect');
    expect(response.headers.get('location')).not.toContain('code_challenge');
    await browser.get(callback);
    expect(manager.exchanges[0]?.codeVerifier).toBeUndefined();
  });

  it('F80 refuses a callback in a browser that began nothing, and sends the code nowhere', async () => {
    const page = await browser.get(callback);
    expect(page.status).toBe(400);
    expect(await page.text()).toContain('href="/highq/connect?returnTo=%2F"');
    await refusal(await browser.get(callback, asProgram), 'transaction_missing');
    browser.cookies.set(COOKIE, 'made-up');
    await refusal(await browser.get(callback, asProgram), 'transaction_unknown');
    expect(manager.exchanges).toEqual([]);
  });

  it('F80 takes two cookies of one name for none', async () => {
    await begun();
    const cookie = `${COOKIE}=planted; ${COOKIE}=${browser.cookies.get(COOKIE)}`;
    await refusal(await browser.get(callback, { ...asProgram, cookie }), 'transaction_missing');
    expect(manager.exchanges).toEqual([]);
  });

  it.each([['bob'], [null]])('F81 refuses when the visitor is now %s', async (user) => {
    await begun();
    browser.visitor.user = user;
    await refusal(await browser.get(callback, asProgram), 'visitor_changed');
    expect(manager.exchanges).toEqual([]);
  });

  it('F81 tells who is not signed in any more what to do, and not that somebody else is', async () => {
    await begun();
    browser.visitor.user = null;
    const page = await (await browser.get(callback)).text();
    expect(page).toContain('You are not signed in to this application any more');
    expect(page).not.toContain('Somebody else');
    expect(manager.exchanges).toEqual([]);
  });

  it('F81 refuses in another browser of the same visitor', async () => {
    await begun();
    await refusal(await new PaperBrowser(handlers).get(callback, asProgram), 'transaction_missing');
    expect(manager.exchanges).toEqual([]);
  });

  it('F83 answers a second callback as handled, without a second exchange', async () => {
    await begun();
    const twin = browser.copy();
    await browser.get(callback);
    const second = await twin.get(callback);
    expect(second.status).toBe(200);
    expect(await second.text()).toContain('already handled');
    expect(manager.exchanges).toHaveLength(1);
  });

  it('F83 lets one of fifty callbacks at once through, while the first is still under way', async () => {
    await begun();
    const twins = Array.from({ length: 50 }, () => browser.copy());
    const statuses = await Promise.all(twins.map(async (twin) => (await twin.get(callback)).status));
    expect(statuses.filter((status) => status === 303)).toHaveLength(1);
    expect(statuses.filter((status) => status === 200)).toHaveLength(49);
    expect(manager.exchanges).toHaveLength(1);
  });

  it('F83 uses the transaction up before it looks at anything else', async () => {
    await begun();
    const twin = browser.copy();
    await refusal(await browser.get('/highq/callback', asProgram), 'callback_malformed');
    expect((await twin.get(callback)).status).toBe(200);
    expect(manager.exchanges).toEqual([]);
  });

  it.each([
    { 'sec-purpose': 'prefetch' },
    { 'sec-purpose': 'prefetch;prerender' },
    { purpose: 'prefetch' },
    { 'x-moz': 'prefetch' },
  ])('F83 does nothing for a prefetch: %j', async (headers) => {
    await begun();
    const response = await browser.get(callback, headers as Record<string, string>);
    expect(response.status).toBe(503);
    expect(manager.exchanges).toEqual([]);
    expect((await browser.get(callback)).status).toBe(303);
  });

  it('F83 does nothing for HEAD', async () => {
    await begun();
    const head = await handlers.handle(browser.request(callback, { method: 'HEAD' }), browser.visitor);
    expect(head?.status).toBe(204);
    expect((await browser.get(callback)).status).toBe(303);
    expect(manager.exchanges).toHaveLength(1);
  });

  it('F84 accepts a transaction in its last millisecond, and none after it', async () => {
    await begun();
    const late = browser.copy();
    await manager.clock.advance(10 * MINUTE - 1);
    expect((await browser.get(callback)).status).toBe(303);
    await late.post('/highq/connect');
    await manager.clock.advance(10 * MINUTE);
    await refusal(await late.get(callback, asProgram), 'transaction_expired');
    expect(manager.exchanges).toHaveLength(1);
  });

  it('F85 honours the newest of two tabs, and offers the older to begin again', async () => {
    await begun();
    const older = browser.copy();
    await browser.post('/highq/connect', { returnTo: '/newer' });
    await refusal(await older.copy().get(callback, asProgram), 'transaction_superseded');
    const page = await (await older.get(callback)).text();
    expect(page).toContain('href="/highq/connect?returnTo=%2Fsites"');
    expect(manager.exchanges).toEqual([]);
    expect((await browser.get(callback)).status).toBe(303);
  });

  it('F88 F110 refuses the callback of another instance with the same cookie', async () => {
    await begun();
    const other = paperManager({
      instanceUrl: 'https://other.highq.com/other',
      store: manager[internals].store,
    });
    const there = new PaperBrowser(createWebHandlers<Visitor>({ manager: other, connectionId: () => 'ann' }));
    for (const [name, value] of browser.cookies) there.cookies.set(name, value);
    await refusal(await there.get(callback, asProgram), 'transaction_unknown');
    const moved = paperManager({
      ...manager[internals],
      redirectUri: 'https://elsewhere.example/highq/callback',
    });
    const here = new PaperBrowser(createWebHandlers<Visitor>({ manager: moved, connectionId: () => 'ann' }));
    for (const [name, value] of browser.cookies) here.cookies.set(name, value);
    await refusal(await here.get(callback, asProgram), 'instance_changed');
    expect([...other.exchanges, ...moved.exchanges]).toEqual([]);
  });

  it('F110 keeps the sign-ins at two instances in one browser apart', async () => {
    const other = paperManager({
      instanceUrl: 'https://other.highq.com/other',
      redirectUri: 'https://app.example/client/callback',
      store: manager[internals].store,
    });
    const there = createWebHandlers<Visitor>({
      manager: other,
      connectionId: (req) => req.user,
      basePath: '/client',
    });
    await begun();
    const second = new PaperBrowser(there);
    await second.post('/client/connect');
    for (const [name, value] of second.cookies) browser.cookies.set(name, value);
    expect([...browser.cookies.keys()]).toEqual([COOKIE, `${COOKIE}-client`]);
    expect((await browser.get(callback)).status).toBe(303);
    expect([manager.exchanges.length, other.exchanges.length]).toEqual([1, 0]);
    expect((await second.get('/client/callback?code=x')).headers.get('location')).toBe('/client/confirm');
    expect([manager.exchanges.length, other.exchanges.length]).toEqual([1, 1]);
  });

  it('F110 keeps apart paths that differ in one character', async () => {
    const names = new Set<string>();
    const paths = ['/highq', '/', '/a/b', '/a-b', '/a_b', '/a.b', '/a_2db', '/A/b'];
    for (const basePath of paths) {
      const redirectUri = `https://app.example${basePath === '/' ? '' : basePath}/callback`;
      const its = paperManager({ redirectUri });
      const there = createWebHandlers<Visitor>({ manager: its, connectionId: () => 'ann', basePath });
      const response = await new PaperBrowser(there).post(`${there.basePath}/connect`);
      const [name = ''] = response.headers.getSetCookie()[0]?.split('=') ?? [];
      expect(name).toMatch(/^__Host-highq-login[\w-]*$/);
      names.add(name);
    }
    expect(names.size).toBe(paths.length);
  });

  it.each([
    ['?error=access_denied', 'access_denied'],
    ['?error=access_denied&error_description=<script>', 'access_denied'],
    ['?error=<script>alert(1)</script>', 'provider_error'],
    ['?error=', 'provider_error'],
    ['?code=x&error=access_denied', 'callback_malformed'],
    ['?error=a&error=b', 'callback_malformed'],
    ['?code=x&code=y', 'callback_malformed'],
    ['?code[]=x', 'callback_malformed'],
    ['?code[0]=x&code=y', 'callback_malformed'],
    ['?code=', 'callback_malformed'],
    ['?code=a%0d%0ab', 'callback_malformed'],
    ['?code=%c3%a4', 'callback_malformed'],
    [`?code=${'x'.repeat(4097)}`, 'callback_malformed'],
    ['', 'callback_malformed'],
    ['?Code=x', 'callback_malformed'],
  ])('F89 F101 refuses the query %s as %s, and reflects nothing', async (query, reason) => {
    await begun();
    const path = `/highq/callback${query}`;
    const page = browser.copy();
    await refusal(await browser.get(path, asProgram), reason);
    await page.post('/highq/connect');
    const text = await (await page.get(path)).text();
    expect(text).not.toContain('script');
    expect(manager.exchanges).toEqual([]);
  });

  it('F89 a denial leads back to where the person was', async () => {
    await begun();
    const page = await (await browser.get('/highq/callback?error=access_denied')).text();
    expect(page).toContain('Access was not allowed at HighQ');
    expect(page).toContain('href="/sites"');
    expect(browser.cookies.size).toBe(0);
  });

  it('F98 keeps the code out of every referrer, and leads on, whatever the exchange ended with', async () => {
    const failures = [
      new TokenEndpointError('HighQ did not answer.', { connectionId: 'ann', reason: 'not_sent' }),
      new StoreUnavailableError('No store.', { connectionId: 'ann', retryAfterMs: 5_000 }),
      new ConfigurationError([{ option: 'x', problem: 'is wrong' }]),
    ];
    for (const failure of failures) {
      await begun();
      manager.duringExchange = async () => {
        throw failure;
      };
      const response = await browser.get(callback);
      expect([failure.code, response.status]).toEqual([failure.code, failure.status]);
      expect(response.headers.get('referrer-policy')).toBe('no-referrer');
      const page = await response.text();
      expect(page).not.toContain('<form');
      expect(page.includes('href="/highq/connect?returnTo=%2Fsites"')).toBe(failure.status === 503);
      manager.duringExchange = null;
    }
    // Who is signed out of the application by then has nothing to begin.
    handlers = handlersWith({ authorize: () => false });
    const refused = await new PaperBrowser(handlers).get(callback);
    expect(refused.headers.get('referrer-policy')).toBe('no-referrer');
  });

  it('F91 does not take a posted answer', async () => {
    await begun();
    const response = await browser.post('/highq/callback', { code: 'x' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('answers a failing store with 503 and a time to come back', async () => {
    await begun();
    const failing = {
      ...manager[internals].store,
      read: () => Promise.reject(new Error('connect ECONNREFUSED with-password@db')),
    };
    const down = paperManager({ ...manager[internals], store: failing });
    const there = new PaperBrowser(createWebHandlers<Visitor>({ manager: down, connectionId: () => 'ann' }));
    for (const [name, value] of browser.cookies) there.cookies.set(name, value);
    const response = await there.get(callback, asProgram);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await response.text()).not.toContain('with-password');
    expect(down.exchanges).toEqual([]);
  });
});

describe('expectedUser', () => {
  it('F82 connects at once the account that was expected', async () => {
    browser = new PaperBrowser(handlersWith({ expectedUser: () => ' Ann@Firm.Example ' }));
    await browser.post('/highq/connect', { returnTo: '/sites' });
    const response = await browser.get(callback);
    expect(response.headers.get('location')).toBe('/sites');
    expect(manager.accounts.get('ann')).toEqual({ active: 'ann@firm.example' });
  });

  it.each(['code-for-mallory@firm.example', 'code-for-nobody'])(
    'F82 refuses %s without asking, and keeps what was connected',
    async (code) => {
      manager.accounts.set('ann', { active: 'ann@firm.example' });
      browser = new PaperBrowser(handlersWith({ expectedUser: () => 'ann@firm.example' }));
      await browser.post('/highq/connect');
      await refusal(await browser.get(`/highq/callback?code=${code}`, asProgram), 'unexpected_user');
      expect(manager.accounts.get('ann')).toEqual({ active: 'ann@firm.example' });
    },
  );

  it.each([null, undefined, ''])('asks the person when it yields %j', async (nothing) => {
    browser = new PaperBrowser(handlersWith({ expectedUser: () => nothing }));
    await browser.post('/highq/connect');
    expect((await browser.get(callback)).headers.get('location')).toBe('/highq/confirm');
    expect(manager.accounts.get('ann')?.active).toBeUndefined();
  });
});
