import { gzipSync } from 'node:zlib';
import type { ProxyMethod } from '@hq-oauth/core/web';
import { expect } from 'vitest';
import { type Behaviour, HOUR_MS } from './bench.ts';
import { textOf } from './exchange.ts';
import { call, openBefore, openProxy, PROXY, SAME } from './proxy-steps.ts';

const EVERY: readonly ProxyMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const JSON_TYPE = { 'content-type': 'application/json' };
const SITE = '{"sitename":"Closing binder"}';

/** Calls of browsers that go on to the API: which, with what, and what comes back. */
export const PROXY_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'proxy: gives a browser what the API gives the application, below its path',
    async run(bench) {
      const app = await openProxy(bench);
      const headers = { accept: 'application/json' };
      const response = await call(app, '6/sites?name=', { headers });
      expect(response.statusCode).toBe(200);
      const direct = await app.manager.connection('ann').fetch('6/sites?name=', { headers });
      expect(await textOf(response)).toBe(await direct.text());
      expect((await app.ask('/sites')).status).toBe(200);
      expect((await app.ask(`${PROXY}x/6/sites`)).status).toBe(404);
    },
  },
  {
    title: 'proxy: answers who is anonymous, and who is not connected, as every other route does',
    async run(bench) {
      const app = await openProxy(bench);
      const anonymous = await call(app, '6/sites', { headers: { cookie: '' } });
      const problem = JSON.parse(await textOf(anonymous));
      expect([anonymous.statusCode, problem.code, problem.connectUrl]).toEqual([
        401,
        'not_connected',
        undefined,
      ]);
      const stranger = await call(app, '6/sites', { headers: { cookie: 'user=bob' } });
      expect([stranger.statusCode, JSON.parse(await textOf(stranger))]).toMatchObject([
        401,
        { code: 'not_connected', connectUrl: '/highq/connect' },
      ]);
    },
  },
  {
    title: 'proxy: renews a token that has ended, and the call goes through',
    async run(bench) {
      const app = await openProxy(bench);
      await bench.advance(6 * HOUR_MS);
      expect((await call(app, '6/sites')).statusCode).toBe(200);
      expect(app.emulator.ledger.refreshes()).toBe(1);
    },
  },
  {
    title: 'F113 proxy: reads only, unless more is allowed',
    async run(bench) {
      const app = await openProxy(bench);
      const before = app.emulator.requests.count();
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const response = await call(app, '6/sites', { method, headers: { ...SAME, ...JSON_TYPE } });
        expect([method, response.statusCode, response.headers.allow]).toEqual([method, 405, 'GET, HEAD']);
        response.resume();
      }
      expect(app.emulator.requests.count()).toBe(before);
      const head = await call(app, '6/documents/1/content?size=1234', { method: 'HEAD' });
      expect([head.statusCode, head.headers['content-length'], await textOf(head)]).toEqual([
        200,
        '1234',
        '',
      ]);
    },
  },
  {
    title: 'proxy: allow may be a list of methods, or a function of method and path',
    async run(bench) {
      const listed = await openProxy(bench, { allow: ['POST'] });
      const sent = { method: 'POST', headers: { ...SAME, ...JSON_TYPE }, body: SITE };
      expect((await call(listed, '6/sites', sent)).statusCode).toBe(201);
      expect((await call(listed, '6/sites')).statusCode).toBe(405);
      const asked: unknown[] = [];
      const chosen = await openProxy(bench, {
        allow: async (one) => {
          asked.push(one);
          return one.path.startsWith('6/sites');
        },
      });
      expect((await call(chosen, '6/sites?name=')).statusCode).toBe(200);
      expect((await call(chosen, '6/organisations')).statusCode).toBe(405);
      expect(asked).toEqual([
        { method: 'GET', path: '6/sites' },
        { method: 'GET', path: '6/organisations' },
      ]);
    },
  },
  {
    title: 'F113 proxy: a call that changes something comes from a page of the application, or nowhere',
    async run(bench) {
      const app = await openProxy(bench, { allow: EVERY });
      const before = app.emulator.requests.count();
      const refused: readonly Record<string, string>[] = [
        { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
        { 'sec-fetch-site': 'cross-site', origin: app.url },
        { 'sec-fetch-site': 'same-site' },
        { 'sec-fetch-site': 'none' },
        { origin: 'https://evil.example' },
        { origin: 'null' },
        {},
      ];
      for (const headers of refused) {
        const sent = { method: 'POST', headers: { ...headers, ...JSON_TYPE }, body: SITE };
        const response = await call(app, '6/sites', sent);
        expect([headers, response.statusCode]).toEqual([headers, 403]);
        expect(JSON.parse(await textOf(response))).toMatchObject({
          code: 'route_refused',
          reason: 'cross_site',
        });
      }
      expect(app.emulator.requests.count()).toBe(before);
      for (const headers of [SAME, { origin: app.url }]) {
        const sent = { method: 'POST', headers: { ...headers, ...JSON_TYPE }, body: SITE };
        expect((await call(app, '6/sites', sent)).statusCode).toBe(201);
      }
    },
  },
  {
    title: 'F113 proxy: nothing of the visitor goes to the API but what the call is about',
    async run(bench) {
      const { app, upstream } = await openBefore(bench, (_request, response) => {
        response.writeHead(200, JSON_TYPE).end('{}');
      });
      const own = {
        authorization: 'Basic x',
        referer: `${app.url}/matters`,
        origin: app.url,
        'x-forwarded-for': '10.0.0.1',
        'x-api-key': 'k',
        forwarded: 'for=10.0.0.1',
      };
      const about = { accept: 'application/json', 'if-none-match': '"1"', 'accept-language': 'en' };
      (await call(app, '6/sites', { headers: { ...own, ...about } })).resume();
      const { headers = {} } = upstream.requests[0] ?? {};
      expect(headers).toMatchObject({ ...about, authorization: 'Bearer a-token' });
      expect(headers).not.toHaveProperty('cookie');
      for (const name of Object.keys(own).filter((one) => one !== 'authorization')) {
        expect(headers).not.toHaveProperty(name);
      }
      expect(headers.host).toBe(new URL(upstream.instanceUrl).host);
    },
  },
  {
    title: 'F113 proxy: an uploaded page comes as a sandboxed attachment, without cookies of the API',
    async run(bench) {
      const { app } = await openBefore(bench, (_request, response) => {
        response.writeHead(200, {
          'content-type': 'text/html; charset=utf-8',
          'set-cookie': ['a=1', 'JSESSIONID=2'],
          'content-disposition': 'inline; filename="page.html"',
          'access-control-allow-origin': '*',
          'x-powered-by': 'HighQ',
          'cache-control': 'public, max-age=3600',
        });
        response.end('<script>alert(1)</script>');
      });
      const response = await call(app, '6/documents/1/content');
      expect(response.headers).toMatchObject({
        'cache-control': 'private, no-cache',
        'content-disposition': 'attachment; filename="page.html"',
        'content-security-policy': 'sandbox',
        'content-type': 'text/html; charset=utf-8',
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      for (const name of ['set-cookie', 'access-control-allow-origin']) {
        expect(response.headers).not.toHaveProperty(name);
      }
      expect(response.headers['x-powered-by'] ?? '').not.toContain('HighQ');
      expect(await textOf(response)).toBe('<script>alert(1)</script>');
    },
  },
  {
    title: 'F113 proxy: data is shown as data, everything else is an attachment, all of it sandboxed',
    async run(bench) {
      let type = '';
      const { app } = await openBefore(bench, (_request, response) => {
        response.writeHead(200, { 'content-type': type }).end('x');
      });
      const attached: Record<string, boolean> = {
        'application/json': false,
        'text/xml;charset=UTF-8': false,
        'image/svg+xml': true,
        'application/pdf': true,
        'text/plain': true,
      };
      for (const [one, expected] of Object.entries(attached)) {
        type = one;
        const { headers } = await call(app, '6/x');
        expect([one, headers['content-type']]).toEqual([one, one]);
        expect(headers['content-disposition']).toBe(expected ? 'attachment' : undefined);
        expect(headers['content-security-policy']).toBe('sandbox');
      }
    },
  },
  {
    title: 'F113 proxy: what came packed arrives unpacked, and whole',
    async run(bench) {
      const text = JSON.stringify({ text: 'x'.repeat(50_000) });
      const { app } = await openBefore(bench, (_request, response) => {
        const packed = gzipSync(text);
        response.writeHead(200, {
          ...JSON_TYPE,
          'content-encoding': 'gzip',
          'content-length': packed.byteLength,
        });
        response.end(packed);
      });
      const response = await call(app, '6/x', { headers: { 'accept-encoding': 'gzip' } });
      expect(response.headers).not.toHaveProperty('content-encoding');
      expect(response.headers).not.toHaveProperty('content-length');
      expect(await textOf(response)).toBe(text);
    },
  },
  {
    title: 'proxy: a part of a file, an unchanged one and an empty answer keep their status and headers',
    async run(bench) {
      const { app, upstream } = await openBefore(
        bench,
        ({ headers, method }, response) => {
          if (method === 'DELETE') response.writeHead(204).end();
          else if (headers['if-none-match'] !== undefined) response.writeHead(304, { etag: '"1"' }).end();
          else response.writeHead(206, { 'content-range': 'bytes 0-1/9', 'content-length': '2' }).end('ab');
        },
        { allow: EVERY },
      );
      const part = await call(app, '6/d', { headers: { range: 'bytes=0-1' } });
      expect([part.statusCode, part.headers['content-range'], await textOf(part)]).toEqual([
        206,
        'bytes 0-1/9',
        'ab',
      ]);
      expect(upstream.requests[0]?.headers.range).toBe('bytes=0-1');
      const same = await call(app, '6/d', { headers: { 'if-none-match': '"1"' } });
      expect([same.statusCode, same.headers.etag, await textOf(same)]).toEqual([304, '"1"', '']);
      const gone = await call(app, '6/d', { method: 'DELETE', headers: SAME });
      expect([gone.statusCode, await textOf(gone)]).toEqual([204, '']);
    },
  },
  {
    title: "proxy: the API's own refusals come as they are, and a redirect that leads out of it ends here",
    async run(bench) {
      let location: string | null = null;
      const { app } = await openBefore(bench, (_request, response) => {
        if (location === null) response.writeHead(404, JSON_TYPE).end('{"message":"no such site"}');
        else response.writeHead(302, { location }).end();
      });
      const refused = await call(app, '6/sites/9');
      expect([refused.statusCode, await textOf(refused)]).toEqual([404, '{"message":"no such site"}']);
      for (location of ['https://evil.example/', '/acme/login.action', '//evil.example/x']) {
        const response = await call(app, '6/x');
        expect([response.statusCode, response.headers.location]).toEqual([502, undefined]);
      }
    },
  },
  {
    title: 'proxy: an API that cannot be reached is 502, and nothing of its address is told',
    async run(bench) {
      const { app, upstream } = await openBefore(bench, () => undefined);
      await upstream.close();
      const response = await call(app, '6/sites');
      expect([response.statusCode, response.headers['content-type']]).toEqual([
        502,
        'application/problem+json',
      ]);
      expect(await textOf(response)).not.toContain(new URL(upstream.instanceUrl).port);
    },
  },
  {
    title: 'F93 F113 proxy: no path leads to another origin or out of the API',
    async run(bench) {
      const { app, upstream } = await openBefore(bench, (_request, response) => {
        response.writeHead(200, JSON_TYPE).end('{}');
      });
      for (const path of [
        '/evil.example/x',
        'https://evil.example/x',
        '\\evil.example/x',
        '%2f%2fevil.example/x',
        '@evil.example/',
        '6/../../../x',
        '%2e%2e/%2e%2e/x',
        '..%2f..%2fauthorize.action',
        '6/..%5c..%5cx',
        '..;/x',
      ]) {
        const seen = upstream.requests.length;
        const response = await call(app, path);
        response.resume();
        const outside = upstream.requests.slice(seen).filter(({ url }) => !url?.startsWith('/acme/api/'));
        expect([path, outside.map(({ url }) => url)]).toEqual([path, []]);
        if (upstream.requests.length === seen) {
          expect([path, [400, 404].includes(response.statusCode ?? 0)]).toEqual([path, true]);
        }
      }
    },
  },
  {
    title: 'proxy: percent-encoded paths and queries arrive as they were sent',
    async run(bench) {
      const { app, upstream } = await openBefore(bench, (_request, response) => {
        response.writeHead(200, JSON_TYPE).end('{}');
      });
      const paths = [
        '6/documents/caf%C3%A9%20menu.pdf',
        '6/users/ann%40firm.example?type=email',
        '6/sites?name=a%20b&x=%2F%26&y=%E2%82%AC',
        '6/folders/a%3Fb%23c/',
      ];
      for (const path of paths) expect((await call(app, path)).statusCode).toBe(200);
      expect(upstream.requests.map(({ url }) => url)).toEqual(paths.map((path) => `/acme/api/${path}`));
    },
  },
];
