import { expect } from 'vitest';
import type { App } from './bench.ts';
import { USER } from './bench.ts';
import { type Answer, type HttpBrowser, hiddenFields } from './http-browser.ts';

interface Way {
  /** The page of the application to begin at. */
  readonly path?: string;
  readonly basePath?: string;
  readonly account?: string;
}

/** Goes to a page of the application, and on to HighQ, up to the question whether to allow it. */
export async function toAllowPage(
  app: App,
  browser: HttpBrowser,
  { path = '/sites', basePath = '/highq', account = USER }: Way = {},
): Promise<Answer> {
  const connect = await browser.open(app.url + path);
  expect(connect.text).toContain('Connect to HighQ');
  const fields = hiddenFields(connect.text, `${basePath}/connect`);
  const signIn = await browser.submit(`${basePath}/connect`, fields);
  expect(signIn.url.origin).not.toBe(app.url);
  const instance = signIn.url.pathname.split('/')[1] ?? '';
  const email = { email: account, password: 'password' };
  return browser.submit(`/${instance}/login.action`, { ...hiddenFields(signIn.text), ...email });
}

export async function decide(
  browser: HttpBrowser,
  page: Answer,
  decision: 'allow' | 'deny',
): Promise<Answer> {
  const action = `/${page.url.pathname.split('/')[1] ?? ''}/authorize.action`;
  return browser.submit(action, { ...hiddenFields(page.text, action), decision });
}

/** The whole way: the page of the application, HighQ, the question whose account it is, and back to the page. */
export async function signIn(app: App, browser: HttpBrowser, way: Way = {}): Promise<Answer> {
  const { basePath = '/highq', account = USER } = way;
  const question = await decide(browser, await toAllowPage(app, browser, way), 'allow');
  expect(question.url.pathname).toBe(`${basePath}/confirm`);
  expect(question.text).toContain(account);
  return browser.submit(`${basePath}/confirm`, { decision: 'confirm' });
}

/** Begins a sign-in and leaves it open: the browser has the transaction's cookie, and HighQ waits for the person. */
export async function begin(app: App, browser: HttpBrowser, returnTo = '/sites'): Promise<URL> {
  const own = { 'sec-fetch-site': 'same-origin' };
  const form = new URLSearchParams({ returnTo }).toString();
  const answer = await browser.send(`${app.url}/highq/connect`, 'POST', form, own);
  expect(answer.status).toBe(303);
  return new URL(answer.headers.get('location') ?? '');
}

/** How often a code was presented to the provider, whatever became of it. */
export function codesSent({ emulator }: Pick<App, 'emulator'>): number {
  return emulator.ledger.count({ kind: 'presented', tokenType: 'code' });
}

export async function stateOf(app: App, id = 'ann'): Promise<string> {
  return (await app.manager.connection(id).status()).state;
}

/** A callback as HighQ would send a browser there. */
export async function callbackWith(app: App, account = USER): Promise<string> {
  const { code } = await app.emulator.authorize({ user: account });
  return `${app.url}/highq/callback?code=${code}`;
}
