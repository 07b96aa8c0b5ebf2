import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiFetch } from './api-client.ts';
import { systemClock } from './clock.ts';
import type { HighQClient } from './connection-client.ts';
import type { Connection, TokenManager } from './contracts.ts';
import { ForeignOriginError } from './errors.ts';
import type { ForbiddenInquiry } from './forbidden-inquiry.ts';
import type { HeldGrant } from './held-grant.ts';
import { memoryStore } from './memory-store.ts';
import { EMPTY_RECORD } from './record.ts';
import { createTestManager } from './testing/test-manager.ts';

interface Seen {
  readonly server: 'here' | 'elsewhere';
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}
interface Reply {
  readonly status: number;
  readonly location?: string;
}

const TOKENS = { access_token: 'a-token', refresh_token: 'r-token', expires_in: 18_000 };
const servers: Server[] = [];
const seen: Seen[] = [];
let answer: (url: string) => Reply;
let here: string;
let elsewhere: string;
let manager: TokenManager;
let connection: Connection;

function listen(name: Seen['server'], reply: (url: string) => Reply): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer(async (request, response) => {
      const url = request.url ?? '';
      let body = '';
      for await (const chunk of request) body += chunk;
      seen.push({
        server: name,
        method: request.method ?? '',
        url,
        authorization: request.headers.authorization,
        body,
      });
      const { status, location } = reply(url);
      response.writeHead(status, location ? { location } : {}).end(request.method === 'HEAD' ? '' : 'body');
    });
    servers.push(server);
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}

beforeEach(async () => {
  seen.length = 0;
  answer = () => ({ status: 200 });
  elsewhere = await listen('elsewhere', () => ({ status: 200 }));
  here = await listen('here', (url) => answer(url));
  manager = createTestManager(
    { HIGHQ_INSTANCE_URL: `${here}/acme`, HIGHQ_CLIENT_ID: '1012', HIGHQ_CLIENT_SECRET: 'secret' },
    { store: memoryStore(), encryption: false },
  );
  connection = manager.connection('ann');
  await connection.importTokens(TOKENS);
});
afterEach(async () => {
  await manager.close();
  for (const server of servers.splice(0)) server.close();
});

const urls = (): string[] => seen.map(({ method, url }) => `${method} ${url}`);

describe('connection.fetch', () => {
  it('sends the bearer token, whatever else was set', async () => {
    const headers = { authorization: 'Basic x', 'x-own': '1' };
    expect(await (await connection.fetch('6/sites', { headers })).text()).toBe('body');
    await (await connection.fetch(new Request(`${here}/acme/api/6/tasks`, { headers }))).text();
    expect(seen.map(({ url, authorization }) => [url, authorization])).toEqual([
      ['/acme/api/6/sites', 'Bearer a-token'],
      ['/acme/api/6/tasks', 'Bearer a-token'],
    ]);
  });

  it.each([
    'absolute',
    '//127.0.0.1:1/acme/api/6',
    'https://good@evil.example/acme/api/6',
    'http://127.0.0.1.evil.example/acme/api/6',
    '6/%2e%2e%2f%2e%2e%2fauthorize.action',
  ])('F93 refuses %s: nobody sees anything', async (target) => {
    const address = target === 'absolute' ? `${elsewhere}/acme/api/6` : target;
    await expect(connection.fetch(address)).rejects.toThrow(ForeignOriginError);
    expect(seen).toEqual([]);
  });

  it.each([301, 302, 303, 307, 308])('F94 follows a %i inside the API, with the token', async (status) => {
    answer = (url) =>
      url.endsWith('/old') ? { status, location: '/acme/api/6/new?x=1#y' } : { status: 200 };
    expect(await (await connection.fetch('6/old')).text()).toBe('body');
    expect(urls()).toEqual(['GET /acme/api/6/old', 'GET /acme/api/6/new?x=1']);
    expect(seen.every(({ authorization }) => authorization === 'Bearer a-token')).toBe(true);
  });

  it('F94 turns a post into a get where browsers do, and sends it again where they do', async () => {
    const posted = async (status: number) => {
      seen.length = 0;
      answer = (url) => (url.endsWith('/old') ? { status, location: 'new' } : { status: 200 });
      await (await connection.fetch('6/old', { method: 'POST', body: 'b' })).text();
      return seen.map(({ method, body }) => method + body);
    };
    for (const status of [301, 302, 303]) expect(await posted(status)).toEqual(['POSTb', 'GET']);
    for (const status of [307, 308]) expect(await posted(status)).toEqual(['POSTb', 'POSTb']);
  });

  it.each([
    ['another origin', () => `${elsewhere}/x`],
    ['the same path on another origin', () => `${elsewhere}/acme/api/6/sites`],
    ['another scheme', () => `${here.replace('http:', 'https:')}/acme/api/6/sites`],
    ['a user in the address', () => `${here.replace('//', '//u:p@')}/acme/api/6/sites`],
    ['outside the API', () => '/acme/login.action'],
    ['an encoded way out', () => '/acme/api/%2e%2e/login.action'],
    ['nothing that can be parsed', () => 'http://[/'],
  ])('F94 F68 gives a redirect to %s back as it is', async (_, location) => {
    answer = () => ({ status: 302, location: location() });
    const response = await connection.fetch('6/moved', { redirect: 'follow' });
    expect([response.status, await response.text()]).toEqual([302, 'body']);
    expect(seen.map(({ server }) => server)).toEqual(['here']);
  });

  it('F94 follows five and no more, and none when told so', async () => {
    answer = () => ({ status: 302, location: '/acme/api/6/again' });
    expect((await connection.fetch('6/again')).status).toBe(302);
    expect(seen).toHaveLength(6);
    seen.length = 0;
    expect((await connection.fetch('6/again', { redirect: 'manual' })).status).toBe(302);
    expect(seen).toHaveLength(1);
  });

  it.each(['/acme/api/6/new', 'https://evil.example/', undefined])(
    'F94 rejects a redirect to %s where none is wanted, as fetch does',
    async (location) => {
      answer = () => ({ status: 302, ...(location === undefined ? {} : { location }) });
      await expect(connection.fetch('6/old', { redirect: 'error' })).rejects.toThrow(TypeError);
      expect(seen).toHaveLength(1);
    },
  );

  it.each([
    ['a stream', () => new Blob(['x']).stream()],
    ['text', () => 'x'],
  ])('sends no GET with a body of %s', async (_, body) => {
    for (const method of ['GET', 'head']) {
      const init = { method, body: body(), duplex: 'half' } as RequestInit;
      await expect(connection.fetch('6/sites', init)).rejects.toThrow(TypeError);
    }
    expect(seen).toEqual([]);
  });

  it('F94 does not send a stream to a second address', async () => {
    answer = () => ({ status: 307, location: '/acme/api/6/new' });
    const body = new Blob(['streamed']).stream();
    const response = await connection.fetch('6/old', { method: 'PUT', body, duplex: 'half' } as RequestInit);
    expect(response.status).toBe(307);
    expect(seen.map((one) => one.body)).toEqual(['streamed']);
  });

  it('F67 leaves nothing behind that nobody catches when its signal ends it at the last moment', async () => {
    const uncaught: unknown[] = [];
    const note = (reason: unknown): void => void uncaught.push(reason);
    process.on('unhandledRejection', note);
    const leaving = new AbortController();
    const held = { calls: {} } as unknown as HeldGrant;
    const call = apiFetch(
      {
        base: new URL(`${here}/acme/api/`),
        connectionId: 'ann',
        grant: () => held,
        token: async () => ({ token: 'a-token', record: EMPTY_RECORD }),
        fetch: async () => {
          leaving.abort(new Error('gone'));
          return new Response('', { status: 403 });
        },
        awaits: false,
        inquiry: { inquire: () => Promise.reject(new Error('refused')) } as unknown as ForbiddenInquiry,
      },
      '6/sites',
      { signal: leaving.signal },
    );
    await expect(call).rejects.toThrow('gone');
    await new Promise<void>((resolve) => systemClock.afterIo(resolve));
    process.off('unhandledRejection', note);
    expect(uncaught).toEqual([]);
  });

  it('ends with its signal', async () => {
    const aborted = AbortSignal.abort(new Error('gone'));
    await expect(connection.fetch('6/sites', { signal: aborted })).rejects.toThrow('gone');
    expect(seen).toEqual([]);
  });
});

describe('connection.client', () => {
  it('takes paths relative to the API, and sends what it is given', async () => {
    await connection.client.post('6/sites', { json: { a: 1 } });
    await connection.client.get('/6/sites', { searchParams: { name: 'x' } });
    expect(seen.map(({ method, url, body }) => [method, url, body])).toEqual([
      ['POST', '/acme/api/6/sites', '{"a":1}'],
      ['GET', '/acme/api/6/sites?name=x', ''],
    ]);
  });

  it('F93 refuses an absolute address elsewhere', async () => {
    await expect(connection.client.get(new URL(`${elsewhere}/acme/api/6`)).text()).rejects.toMatchObject({
      code: 'foreign_origin',
    });
    expect(seen).toEqual([]);
  });

  it.each([
    ['the client', (client: HighQClient) => client],
    ['one that is made of it', (client: HighQClient) => client.extend({ retry: 2 })],
  ])('F67 sends the stream of a request once, also on a 503, by %s', async (_, of) => {
    answer = () => ({ status: 503 });
    const client = of(connection.client);
    const sent = (): Request =>
      new Request(`${here}/acme/api/6/d`, {
        method: 'PUT',
        body: new Blob(['streamed']).stream(),
        duplex: 'half',
      } as RequestInit);
    const quickly = { retry: { limit: 2, delay: () => 1 } };
    await expect(client(sent(), quickly)).rejects.toMatchObject({ name: 'HTTPError' });
    await expect(client.put(sent())).rejects.toMatchObject({ name: 'HTTPError' });
    expect(seen.map(({ body }) => body)).toEqual(['streamed', 'streamed']);
    seen.length = 0;
    await expect(client.put('6/d', { body: 'text', ...quickly })).rejects.toMatchObject({
      name: 'HTTPError',
    });
    expect(seen.map(({ body }) => body)).toEqual(['text', 'text', 'text']);
  });

  it('tries a 503 again, as ky does', async () => {
    let times = 0;
    answer = () => {
      times += 1;
      return { status: times === 1 ? 503 : 200 };
    };
    expect(await connection.client.get('6/sites', { retry: { limit: 1, delay: () => 1 } }).text()).toBe(
      'body',
    );
    expect(seen).toHaveLength(2);
  });
});
