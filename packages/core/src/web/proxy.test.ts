import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection, TokenManager } from '../contracts.ts';
import { memoryStore } from '../memory-store.ts';
import { createTestManager } from '../testing/test-manager.ts';
import { createProxy, type ProxyOptions } from './proxy.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
interface Reply {
  readonly status?: number;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

const ORIGIN = 'https://app.example';
const SAME = { 'sec-fetch-site': 'same-origin' };
let server: Server;
let manager: TokenManager;
let connection: Connection;
let seen: Seen[];
let reply: Reply;

beforeEach(async () => {
  seen = [];
  reply = {};
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
    response.writeHead(reply.status ?? 200, reply.headers ?? { 'content-type': 'application/json' });
    response.end(request.method === 'HEAD' ? undefined : (reply.body ?? '{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  manager = createTestManager(
    {
      HIGHQ_INSTANCE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/acme`,
      HIGHQ_CLIENT_ID: '1012',
      HIGHQ_CLIENT_SECRET: 'secret',
    },
    { store: memoryStore(), encryption: false },
  );
  connection = manager.connection('ann');
  await connection.importTokens({ access_token: 'a-token', refresh_token: 'r-token', expires_in: 18_000 });
});
afterEach(async () => {
  await manager.close();
  server.closeAllConnections();
  server.close();
});

function call(path: string, init: RequestInit & { duplex?: 'half' } = {}, options: ProxyOptions = {}) {
  const request = new Request(`${ORIGIN}${path}`, init);
  return createProxy(options)(request, { connection, mountPath: '/highq-api' });
}

const ALL: ProxyOptions = { allow: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] };

describe('what goes to the API', () => {
  it('is a path below its root, with the query, and with the token', async () => {
    expect((await call('/highq-api/6/sites?name=a%20b&x=1')).status).toBe(200);
    await call('/highq-api/6/documents/caf%C3%A9.pdf');
    expect(seen.map(({ url }) => url)).toEqual([
      '/acme/api/6/sites?name=a%20b&x=1',
      '/acme/api/6/documents/caf%C3%A9.pdf',
    ]);
    expect(seen[0]?.headers.authorization).toBe('Bearer a-token');
  });

  it('F113 carries nothing that names the visitor, the application or the way here', async () => {
    const own = {
      cookie: 'session=1',
      authorization: 'Basic x',
      referer: `${ORIGIN}/matters`,
      origin: ORIGIN,
      'x-forwarded-for': '10.0.0.1',
      'x-api-key': 'k',
      forwarded: 'for=10.0.0.1',
    };
    await call('/highq-api/6/sites', {
      headers: { ...own, accept: 'application/json', 'if-none-match': '"1"' },
    });
    const { headers } = seen[0] ?? {};
    expect(headers).toMatchObject({ accept: 'application/json', 'if-none-match': '"1"' });
    for (const name of Object.keys(own).filter((one) => one !== 'authorization')) {
      expect(headers).not.toHaveProperty(name);
    }
    expect(headers?.authorization).toBe('Bearer a-token');
  });

  it('is a packed body as it came, and told of', async () => {
    const body = gzipSync('{}');
    const headers = { ...SAME, 'content-type': 'application/json', 'content-encoding': 'gzip' };
    await call('/highq-api/6/sites', { method: 'POST', headers, body }, ALL);
    expect(seen[0]?.headers['content-encoding']).toBe('gzip');
    expect(seen[0]?.body).toBe(String(body));
  });

  it('F67 has a body only where one came, so that what came without may be repeated', async () => {
    const given: (RequestInit['body'] | undefined)[] = [];
    const asked: Pick<Connection, 'fetch'> = {
      async fetch(_path, init) {
        given.push(init?.body);
        return new Response('{}');
      },
    };
    const visit = { connection: asked as Connection, mountPath: '/highq-api' };
    for (const chunks of [[], ['one', ' two']]) {
      const init = { method: 'DELETE', headers: SAME, body: new Blob(chunks).stream(), duplex: 'half' };
      await createProxy(ALL)(new Request(`${ORIGIN}/highq-api/6/x`, init as RequestInit), visit);
    }
    expect([given[0], await new Response(given[1]).text()]).toEqual([undefined, 'one two']);
  });

  it.each([
    '/highq-api//evil.example/x',
    '/highq-api/https://evil.example/x',
    '/highq-api/\\evil.example/x',
    '/highq-api/%2f%2fevil.example/x',
    '/highq-api/@evil.example/',
    '/highq-api/6/../../../x',
    '/highq-api/%2e%2e/%2e%2e/x',
    '/highq-api/..%2f..%2fauthorize.action',
    '/highq-api/6/..%5c..%5cx',
    '/highq-apix/6/sites',
    '/highq-api',
    '/other',
  ])('F93 F113 stays inside it: %s', async (path) => {
    const response = await call(path);
    for (const { url } of seen) expect(url.startsWith('/acme/api/')).toBe(true);
    if (seen.length === 0) expect(response.status).toBe(400);
  });

  it.each([
    '/highq-api/..;/login.action',
    '/highq-api/..;a=b/..;/other/api/6/x',
    '/highq-api/%252e%252e%252flogin.action',
    '/highq-api/6/sites/..;/users',
    '/highq-api/6/sites/%u002e%u002e/users',
    '/highq-api/6/sites/%c0%ae%c0%ae/users',
  ])('F93 F113 sends nothing that a server may take for a way out: %s', async (path) => {
    expect((await call(path)).status).toBe(400);
    expect((await call(path, {}, { allow: () => true })).status).toBe(400);
    expect(seen).toEqual([]);
  });

  it('asks for the whole file as it is when a part of it is wanted', async () => {
    reply = {
      status: 206,
      headers: { 'content-range': 'bytes 0-1/9', 'content-type': 'application/pdf' },
      body: 'ab',
    };
    const response = await call('/highq-api/6/d', { headers: { range: 'bytes=0-1' } });
    expect(seen[0]?.headers).toMatchObject({ range: 'bytes=0-1', 'accept-encoding': 'identity' });
    expect([response.status, response.headers.get('content-range')]).toEqual([206, 'bytes 0-1/9']);
  });
});

describe('what comes back', () => {
  it('F113 an uploaded page is a sandboxed attachment, without its cookies', async () => {
    reply = {
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'set-cookie': ['a=1', 'JSESSIONID=2'],
        'content-disposition': 'inline; filename="page.html"',
        'access-control-allow-origin': '*',
        'content-security-policy': 'default-src *',
        'x-powered-by': 'HighQ',
        'cache-control': 'public, max-age=3600',
      },
      body: '<script>alert(1)</script>',
    };
    const response = await call('/highq-api/6/documents/1/content');
    expect(Object.fromEntries(response.headers)).toEqual({
      'cache-control': 'private, no-cache',
      'content-disposition': 'attachment; filename="page.html"',
      'content-security-policy': 'sandbox',
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      vary: 'Accept',
      'x-content-type-options': 'nosniff',
    });
    expect(await response.text()).toBe('<script>alert(1)</script>');
  });

  it.each([
    ['application/json', false],
    ['application/problem+json; charset=utf-8', false],
    ['application/xml', false],
    ['text/xml;charset=UTF-8', false],
    ['image/svg+xml', true],
    ['application/xhtml+xml', true],
    ['application/pdf', true],
    ['text/plain', true],
    ['', true],
    ['application/json;a=b, text/html', true],
    ['application/json, application/json', true],
  ])('F113 %s is an attachment: %s', async (type, attached) => {
    reply = { headers: type === '' ? {} : { 'content-type': type } };
    const { headers } = await call('/highq-api/6/x');
    expect(headers.get('content-disposition')).toBe(attached ? 'attachment' : null);
    expect(headers.get('content-security-policy')).toBe('sandbox');
  });

  it('F113 gzip arrives unpacked, with no length but its own', async () => {
    const text = JSON.stringify({ text: 'x'.repeat(5_000) });
    reply = {
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync(text),
    };
    const packed = await call('/highq-api/6/x');
    expect([packed.headers.get('content-encoding'), packed.headers.get('content-length')]).toEqual([
      null,
      null,
    ]);
    expect(await packed.text()).toBe(text);
    reply = { headers: { 'content-type': 'application/pdf', 'content-length': '3' }, body: 'abc' };
    expect((await call('/highq-api/6/x')).headers.get('content-length')).toBe('3');
    const head = await call('/highq-api/6/x', { method: 'HEAD' });
    expect([head.status, head.body, head.headers.get('content-length')]).toEqual([200, null, '3']);
  });

  it('F113 what is not modified keeps the headers that it is stored with', async () => {
    reply = { status: 304, headers: { etag: '"1"', vary: 'Accept-Language' } };
    const { status, headers } = await call('/highq-api/6/x', { headers: { 'if-none-match': '"1"' } });
    expect([status, headers.get('content-disposition'), headers.get('etag'), headers.get('vary')]).toEqual([
      304,
      null,
      '"1"',
      'Accept, Accept-Language',
    ]);
  });

  it.each(['GET', 'PUT'])('to a %s is a 502 where the API gives a status that is none', async (method) => {
    reply = { status: 999 };
    const body = method === 'PUT' ? { body: new Blob(['x']).stream(), duplex: 'half' as const } : {};
    const response = await call('/highq-api/6/x', { method, headers: SAME, ...body }, ALL);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      502,
      'application/problem+json',
    ]);
  });

  it('is a 502 that says why where the API cannot be reached', async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const body = { body: new Blob(['x']).stream(), duplex: 'half' as const };
    for (const init of [{}, { method: 'PUT', headers: SAME, ...body }]) {
      const response = await call('/highq-api/6/x', init, ALL);
      expect(response.status).toBe(502);
      expect(await response.json()).toMatchObject({ detail: expect.stringContaining('ECONNREFUSED') });
    }
  });

  it('is nothing where the browser has left meanwhile, and no error', async () => {
    const left = new AbortController();
    server.on('request', () => left.abort());
    const response = await call('/highq-api/6/x', { signal: left.signal });
    expect([response.status, response.body]).toEqual([499, null]);
  });

  it('F94 F113 a redirect out of the API ends here', async () => {
    for (const location of ['https://evil.example/', '/acme/login.action', '//evil.example/x']) {
      reply = { status: 302, headers: { location } };
      const response = await call('/highq-api/6/x');
      expect([response.status, response.headers.get('location')]).toEqual([502, null]);
    }
  });

  it('is the API’s own refusal where the user may not make the call', async () => {
    reply = {
      status: 404,
      headers: { 'content-type': 'application/json' },
      body: '{"message":"no such site"}',
    };
    const response = await call('/highq-api/6/sites/9');
    expect([response.status, await response.json()]).toEqual([404, { message: 'no such site' }]);
  });
});

describe('what may pass', () => {
  it('F113 is reading, unless more is allowed', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const response = await call('/highq-api/6/sites', { method, headers: SAME });
      expect([method, response.status, response.headers.get('allow')]).toEqual([method, 405, 'GET, HEAD']);
    }
    expect(seen).toEqual([]);
    const posted = await call(
      '/highq-api/6/sites',
      { method: 'POST', headers: { ...SAME, 'content-type': 'application/json' }, body: '{"n":1}' },
      { allow: ['POST'] },
    );
    expect(posted.status).toBe(200);
    expect(seen[0]).toMatchObject({
      method: 'POST',
      body: '{"n":1}',
      headers: { 'content-type': 'application/json' },
    });
    expect((await call('/highq-api/6/sites', {}, { allow: ['POST'] })).status).toBe(405);
  });

  it('is what a function says of method and path', async () => {
    const asked: unknown[] = [];
    const options: ProxyOptions = {
      allow: async (one) => {
        asked.push(one);
        return one.path.startsWith('6/sites');
      },
    };
    expect((await call('/highq-api/6/sites?x=1', {}, options)).status).toBe(200);
    expect((await call('/highq-api/6/users', {}, options)).status).toBe(405);
    expect(asked).toEqual([
      { method: 'GET', path: '6/sites' },
      { method: 'GET', path: '6/users' },
    ]);
    expect(() => createProxy({ allow: ['TRACE' as 'GET'] })).toThrow('highqProxy.allow');
  });

  it.each([
    ['the application’s own page', { 'sec-fetch-site': 'same-origin' }, true],
    ['an older browser, from its own page', { origin: ORIGIN }, true],
    ['a sibling host', { 'sec-fetch-site': 'same-site', origin: 'https://www.app.example' }, false],
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, false],
    [
      'another site that says it is the same origin',
      { 'sec-fetch-site': 'cross-site', origin: ORIGIN },
      false,
    ],
    ['the address bar', { 'sec-fetch-site': 'none' }, false],
    ['an older browser, from another site', { origin: 'https://evil.example' }, false],
    ['a page without an origin', { origin: 'null' }, false],
    ['who says nothing', {}, false],
  ])('F113 a change asked for by %s', async (_, headers, passes) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const asked = call('/highq-api/6/sites', { method, headers: headers as Record<string, string> }, ALL);
      if (passes) expect((await asked).status).toBe(200);
      else
        await expect(asked).rejects.toMatchObject({
          code: 'route_refused',
          status: 403,
          reason: 'cross_site',
        });
    }
    expect(seen).toHaveLength(passes ? 4 : 0);
  });

  it('F113 a page behind a proxy that ends TLS is its own', async () => {
    const request = new Request('http://app.example/highq-api/6/sites', {
      method: 'POST',
      headers: { origin: ORIGIN },
    });
    expect((await createProxy(ALL)(request, { connection, mountPath: '/highq-api' })).status).toBe(200);
  });

  it('F113 a body that something has read already is a mistake of the set-up, and told as one', async () => {
    const init = { method: 'POST', headers: { ...SAME, 'content-length': '7' } };
    const visit = { connection, mountPath: '/highq-api', bodyConsumed: true };
    await expect(
      createProxy(ALL)(new Request(`${ORIGIN}/highq-api/6/sites`, init), visit),
    ).rejects.toMatchObject({ code: 'configuration' });
    const chunked = { method: 'PUT', headers: { ...SAME, 'transfer-encoding': 'chunked' } };
    await expect(
      createProxy(ALL)(new Request(`${ORIGIN}/highq-api/6/sites`, chunked), visit),
    ).rejects.toMatchObject({ code: 'configuration' });
    expect(seen).toEqual([]);
    // A parser that leaves an empty object behind for a call without a body has taken nothing away.
    for (const bodiless of [
      { method: 'GET', headers: { 'content-length': '7' } },
      { method: 'DELETE', headers: SAME },
      { method: 'DELETE', headers: { ...SAME, 'content-length': '0' } },
    ]) {
      const request = new Request(`${ORIGIN}/highq-api/6/sites/1`, bodiless);
      expect((await createProxy(ALL)(request, visit)).status).toBe(200);
    }
  });

  it.each([
    ['GET', {}],
    ['HEAD', {}],
    ['DELETE', {}],
    ['POST', { 'content-length': '0' }],
  ])('F113 a %s without a body has none that could have been read', async (method, headers) => {
    const request = new Request(`${ORIGIN}/highq-api/6/sites`, { method, headers: { ...SAME, ...headers } });
    const visit = { connection, mountPath: '/highq-api', bodyConsumed: true };
    expect((await createProxy(ALL)(request, visit)).status).toBe(200);
  });
});
