import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TokenManager } from '../contracts.ts';
import { Bench, DAY } from '../manager.fixture.ts';
import { createWebHandlers } from './handlers.ts';
import type { WebOptions } from './options.ts';
import { PaperBrowser, type Visitor } from './web.fixture.ts';

const STATUS = '/highq/status';
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
const asProgram = { accept: 'application/json', 'sec-fetch-mode': 'cors' };
let bench: Bench;
let manager: TokenManager;
let browser: PaperBrowser;

beforeEach(async () => {
  bench = await Bench.open();
  manager = bench.manager({ redirectUri: 'https://app.example/highq/callback' });
  browser = browserWith();
  await bench.signIn(manager.connection('ann'));
});
afterEach(() => bench.close());

function browserWith(options: Partial<WebOptions<Visitor>> = {}): PaperBrowser {
  return new PaperBrowser(
    createWebHandlers<Visitor>({
      manager,
      connectionId: (req) => req.user,
      authorize: (_req, action) => action !== 'status-all',
      statusActions: true,
      ...options,
    }),
  );
}

/** The fields of the form that has this button. */
async function formOn(action: string): Promise<Record<string, string>> {
  const html = await (await browser.get(STATUS)).text();
  const form = html.match(/<form[\s\S]*?<\/form>/g)?.find((one) => one.includes(`value="${action}"`)) ?? '';
  expect(form).toContain(`action="${STATUS}"`);
  return { seen: /name="seen" value="([^"]*)"/.exec(form)?.[1] ?? '', action };
}

const generation = async (): Promise<number> => (await manager.connection('ann').status()).generation;

describe('POST status', () => {
  it('is refused, and no button is shown, unless switched on', async () => {
    const quiet = browserWith({ statusActions: false });
    expect(await (await quiet.get(STATUS)).text()).not.toContain('<form');
    const response = await quiet.post(STATUS, { action: 'disconnect' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect((await manager.connection('ann').status()).state).toBe('active');
  });

  it('renews, goes back to the page, and says so once', async () => {
    const response = await browser.post(STATUS, await formOn('renew'));
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toBe(STATUS);
    expect(await generation()).toBe(2);
    // What the page asks for by itself does not use up what its reader has not seen.
    const script = await browser.get(STATUS, { 'sec-fetch-mode': 'cors' });
    expect(await script.text()).not.toContain('was renewed');
    expect(await (await browser.get(STATUS)).text()).toContain(
      '<p class="done" role="status">The access was renewed.',
    );
    expect(await (await browser.get(STATUS)).text()).not.toContain('was renewed');
  });

  it('renews once when the button is pressed twice', async () => {
    const form = await formOn('renew');
    await browser.post(STATUS, form);
    await browser.post(STATUS, form);
    expect(await generation()).toBe(2);
    expect(await (await browser.get(STATUS)).text()).toContain('had changed since the page was loaded');
  });

  it('shows the advice of a renewal that failed, without its details', async () => {
    bench.emulator.faults.add({ match: REFRESH, kind: 'rate-limit', retryAfter: 120, times: 1 });
    const response = await browser.post(STATUS, await formOn('renew'));
    expect(response.status).toBe(303);
    const html = await (await browser.get(STATUS)).text();
    expect(html).toMatch(
      /role="alert"><strong>The access was not renewed\.<\/strong> HighQ asks to wait.*errors\.md#token_endpoint/,
    );
    expect(await generation()).toBe(1);
  });

  it('F105 does not call an answer that could not be read a renewal', async () => {
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await browser.post(STATUS, await formOn('renew'));
    const html = await (await browser.get(STATUS)).text();
    expect(html).toMatch(
      /role="alert"><strong>The access was not renewed\.<\/strong> The answer is kept, sealed/,
    );
  });

  it('takes a planted cookie for nothing but one of its own sentences', async () => {
    browser.cookies.set('__Host-highq-notice', 'failed.<b>.x');
    browser.cookies.set('highq-notice', 'failed.<b>.x');
    expect(await (await browser.get(STATUS)).text()).not.toContain('role="alert"');
    browser.cookies.set('__Host-highq-notice', 'failed.made_up.thing');
    browser.cookies.set('highq-notice', 'failed.made_up.thing');
    const html = await (await browser.get(STATUS)).text();
    expect(html).toContain('The access was not renewed.');
    expect(html).not.toContain('made_up');
  });

  it('disconnects the grant that the page showed, and offers to connect again', async () => {
    const form = await formOn('disconnect');
    await bench.clock.advance(DAY);
    await manager.connection('ann').refresh({ force: true });
    const response = await browser.post(STATUS, form);
    expect(response.status).toBe(303);
    const html = await (await browser.get(STATUS)).text();
    expect(html).toContain('The connection was disconnected');
    expect(html).toContain('>Connect to HighQ</a>');
    expect(html).not.toContain('<form');
  });

  it('leaves a later sign-in alone', async () => {
    const form = await formOn('disconnect');
    await bench.clock.advance(1000);
    await bench.signIn(manager.connection('ann'));
    await browser.post(STATUS, form);
    expect((await manager.connection('ann').status()).state).toBe('active');
  });

  it('shows nobody what they may not press', async () => {
    browser = browserWith({ authorize: (_req, action) => action === 'status' });
    const html = await (await browser.get(STATUS)).text();
    expect(html).toContain('value="renew"');
    expect(html).not.toContain('value="disconnect"');
    await manager.connection('ann').disconnect();
    expect(await (await browser.get(STATUS)).text()).not.toContain('href="/highq/connect');
    browser = browserWith({ authorize: (_req, action) => action === 'status' || action === 'connect' });
    expect(await (await browser.get(STATUS)).text()).toContain('href="/highq/connect');
  });

  it('wants the right to disconnect as well', async () => {
    browser = browserWith({ authorize: (_req, action) => action === 'status' });
    expect((await browser.post(STATUS, { action: 'disconnect' })).status).toBe(403);
    expect((await manager.connection('ann').status()).state).toBe('active');
    expect((await browser.post(STATUS, { action: 'renew' })).status).toBe(303);
    browser = browserWith({ authorize: (_req, action) => action === 'disconnect' });
    expect((await browser.post(STATUS, { action: 'renew' })).status).toBe(403);
    expect(await generation()).toBe(2);
  });

  it.each([['cross-site'], ['same-site']])('F87 refuses a form of a %s page', async (site) => {
    const response = await browser.post(STATUS, await formOn('renew'), { 'sec-fetch-site': site });
    expect(response.status).toBe(403);
    expect(await generation()).toBe(1);
  });

  it('acts on the visitor’s own connection, whatever the address says', async () => {
    await bench.signIn(manager.connection('bob'));
    browser = browserWith({ authorize: () => true });
    await browser.post(`${STATUS}?connection=bob`, { action: 'disconnect' });
    expect((await manager.connection('bob').status()).state).toBe('active');
    expect((await manager.connection('ann').status()).state).toBe('disconnected');
  });

  it('answers a program with the new status, or with the error', async () => {
    const renewed = await browser.post(STATUS, { action: 'renew' }, asProgram);
    expect(await renewed.json()).toMatchObject({ state: 'active', generation: 2 });
    const unknown = await browser.post(STATUS, { action: 'dance' }, asProgram);
    expect(unknown.status).toBe(400);
    const gone = await browser.post(STATUS, { action: 'disconnect' }, asProgram);
    expect(await gone.json()).toMatchObject({ state: 'disconnected' });
    const failed = await browser.post(STATUS, { action: 'renew' }, asProgram);
    expect(failed.status).toBe(401);
    expect(await failed.json()).toMatchObject({ code: 'not_connected' });
  });

  it('answers other methods with what there is', async () => {
    const handlers = createWebHandlers<Visitor>({
      manager,
      connectionId: 'ann',
      authorize: 'unsafe-public',
      statusActions: true,
    });
    const request = new PaperBrowser(handlers).request(STATUS, { method: 'DELETE' });
    const response = await handlers.handle(request, {});
    expect(response?.status).toBe(405);
    expect(response?.headers.get('allow')).toBe('GET, HEAD, POST');
  });
});
