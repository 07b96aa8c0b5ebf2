import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Connection } from '@hq-oauth/core';
import { Controller, Get, UseGuards } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PLATFORMS, type Served, serve, userOf } from './app.fixture.ts';
import { HighQ, HighQGuard, HighQModule } from './index.ts';

@Controller('sites')
@UseGuards(HighQGuard)
class SitesController {
  @Get()
  sites(@HighQ() highq: Connection) {
    return highq.client('6/sites').json();
  }
}

interface Page {
  readonly at: URL;
  readonly status: number;
  readonly text: string;
}

/** One tab: cookies by host and port, and the headers that browsers send with a navigation. */
class Tab {
  readonly #jars = new Map<string, Map<string, string>>();
  /** Every address it was sent to, in order. */
  readonly trail: string[] = [];
  #at = '';

  constructor(url: string) {
    this.#jars.set(new URL(url).host, new Map([['user', 'ann']]));
  }

  async go(to: string, form?: Record<string, string>): Promise<Page> {
    const target = new URL(to, this.#at || undefined);
    this.trail.push(target.href);
    const jar = this.#jars.get(target.host) ?? new Map<string, string>();
    this.#jars.set(target.host, jar);
    const response = await exchange(target, form, {
      accept: 'text/html',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': this.#at.startsWith(target.origin) ? 'same-origin' : 'cross-site',
      cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
    });
    for (const line of response.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    const { location } = response.headers;
    if (location !== undefined) return this.go(new URL(location, target).href);
    this.#at = target.href;
    return { at: target, status: response.statusCode ?? 0, text: await text(response) };
  }
}

/** By `node:http`: `fetch` says of itself in `Sec-Fetch-Mode` that it does not navigate. */
async function exchange(
  target: URL,
  form: Record<string, string> | undefined,
  headers: Record<string, string>,
): Promise<IncomingMessage> {
  const type = form && { 'content-type': 'application/x-www-form-urlencoded' };
  const sent = request(target, {
    method: form ? 'POST' : 'GET',
    agent: false,
    headers: { ...headers, ...type },
  });
  sent.end(form && new URLSearchParams(form).toString());
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

function hidden(page: string): Record<string, string> {
  const fields = [...page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
  const plain = (text = ''): string => text.replace(/&amp;/g, '&');
  return Object.fromEntries(fields.map(([, name = '', value]) => [name, plain(value)]));
}

describe.each(PLATFORMS)('a sign-in over HTTP on %s', (platform) => {
  let served: Served;
  let tab: Tab;

  beforeEach(async () => {
    served = await serve(platform, ({ manager }) => ({
      imports: [HighQModule.forRoot({ manager, connectionId: userOf })],
      controllers: [SitesController],
    }));
    tab = new Tab(served.url);
  });
  afterEach(() => served.close());

  async function toAllowPage(): Promise<Page> {
    const connect = await tab.go(`${served.url}/sites`);
    expect([connect.status, hidden(connect.text)]).toEqual([401, { returnTo: '/sites' }]);
    const signIn = await tab.go('/highq/connect', hidden(connect.text));
    expect(signIn.at.origin).toBe(served.emulator.url);
    const account = { email: 'user@clientname.com', password: 'password' };
    return tab.go('/acme/login.action', { ...hidden(signIn.text), ...account });
  }

  const decide = async (page: Page, decision: 'allow' | 'deny') =>
    tab.go('/acme/authorize.action', { ...hidden(page.text), decision });

  it('F82 leads to HighQ, by the question, and back to the page; a disconnect ends it', async () => {
    const question = await decide(await toAllowPage(), 'allow');
    expect(question.at.pathname).toBe('/highq/confirm');
    expect(question.text).toContain('user@clientname.com');
    const sites = await tab.go('/highq/confirm', { decision: 'confirm' });
    expect([sites.at.pathname, sites.status]).toEqual(['/sites', 200]);
    expect(JSON.parse(sites.text).site).toHaveLength(5);
    expect(served.emulator.ledger.count({ kind: 'presented', tokenType: 'code', verdict: 'ok' })).toBe(1);
    const back = await tab.go('/highq/disconnect', { returnTo: '/sites' });
    expect([back.at.pathname, back.status]).toEqual(['/sites', 401]);
  });

  it('F89 tells that access was denied, and leads back', async () => {
    const denied = await decide(await toAllowPage(), 'deny');
    expect([denied.at.pathname, denied.status]).toEqual(['/highq/callback', 400]);
    expect(denied.text).toContain('Access was not allowed');
    expect(denied.text).toContain('href="/sites"');
  });

  it('F83 sends a code once, however often the callback is opened', async () => {
    await decide(await toAllowPage(), 'allow');
    const callback = tab.trail.find((address) => address.includes('/highq/callback')) ?? '';
    expect((await tab.go(callback)).status).toBe(400);
    expect(served.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
  });

  it('F87 F92 begins nothing for another site, and sends people back to the configured address only', async () => {
    const connect = new URL(`${served.url}/highq/connect`);
    const cookie = 'user=ann';
    const foreign = { cookie, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
    const refused = await exchange(connect, {}, foreign);
    expect([refused.statusCode, refused.headers['set-cookie']]).toEqual([403, undefined]);
    const spoofed = { cookie, 'sec-fetch-site': 'same-origin', host: 'evil.example' };
    const begun = await exchange(connect, {}, { ...spoofed, 'x-forwarded-host': 'evil.example' });
    const target = new URL(begun.headers.location ?? '');
    expect(target.searchParams.get('redirect_uri')).toBe(`${served.url}/highq/callback`);
  });

  it('survives a Host header that is none, a method that it does not know and a form that is too long', async () => {
    const sites = await exchange(new URL(`${served.url}/sites`), undefined, { host: 'a b' });
    expect(sites.statusCode).toBe(401);
    const put = await fetch(`${served.url}/highq/callback`, { method: 'PUT' });
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const form = { padding: 'x'.repeat(100_000), decision: 'confirm' };
    const long = await exchange(new URL(`${served.url}/highq/confirm`), form, {
      cookie: 'user=ann',
      'sec-fetch-site': 'same-origin',
    });
    expect(long.statusCode).toBe(400);
    const head = await fetch(`${served.url}/highq/connect`, {
      method: 'HEAD',
      headers: { cookie: 'user=ann' },
    });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });
});
