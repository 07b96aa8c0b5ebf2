import { once } from 'node:events';
import {
  connect,
  createServer,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { NotConnectedError } from '@hq-oauth/core';
import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import { afterEach, describe, expect, it } from 'vitest';
import { highq, highqErrors, highqHealth, requireHighQ, scrubUrl } from './index.ts';
import { type Served, serve, userOf } from './served.fixture.ts';

// What Koa alone can show. What every adapter must show is in the adapter suite.

let served: Served;
afterEach(() => served.close());

const ownErrors: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    ctx.status = 418;
    ctx.body = error instanceof Error ? error.message : String(error);
  }
};

function at(path: string, middleware: Middleware): Middleware {
  return (ctx, next) => (ctx.path === path ? middleware(ctx, next) : next());
}

describe('the middleware', () => {
  it('refuses two on one path or of one name, and takes one that is mounted twice', async () => {
    served = await serve((app, manager) => {
      const one = highq({ manager, connectionId: userOf });
      const routes = { callback: '/highq/callback' };
      app.use(ownErrors).use(one);
      app.use(at('/same', one));
      app.use(at('/path', highq({ manager, connectionId: userOf, as: 'other' })));
      app.use(at('/name', highq({ manager, connectionId: userOf, basePath: '/b', routes })));
      app.use((ctx) => {
        ctx.body = ctx.highq.id;
      });
    });
    expect(await (await served.get('/same')).text()).toBe('ann');
    expect(await (await served.get('/path')).text()).toMatch(/basePath: two of highq\(\).*\/highq/);
    expect(await (await served.get('/name')).text()).toMatch(/as: two of highq\(\).*highq/);
  });

  it('refuses a name that the context has already, such as that of its state', async () => {
    served = await serve((app, manager) => {
      app.use(ownErrors).use(highq({ manager, connectionId: userOf, as: 'state' }));
    });
    expect(await (await served.get('/')).text()).toContain("as: state is a member of Koa's context");
  });

  it('says so when requireHighQ comes before highq, by the name that it asks for', async () => {
    served = await serve((app, manager) => {
      app.use(ownErrors).use(at('/', requireHighQ()));
      app.use(highq({ manager, connectionId: userOf })).use(requireHighQ({ as: 'other' }));
    });
    expect(await (await served.get('/')).text()).toContain('requireHighQ(): comes before highq()');
    expect(await (await served.get('/x')).text()).toContain("comes before highq({ as: 'other' })");
  });

  it('answers errors of hq-oauth where no highq() is mounted, too', async () => {
    served = await serve((app) => {
      app.use(highqErrors()).use(() => {
        throw new NotConnectedError('Nobody is there.');
      });
    });
    const answer = await served.get('/');
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'not_connected' }]);
  });

  it('takes what those behind it had set for their own answer back', async () => {
    served = await serve((app) => {
      app.use(highqErrors()).use((ctx) => {
        ctx.attachment('binder.png');
        ctx.set({ ETag: '"1"', 'Content-Encoding': 'br', 'Last-Modified': new Date(0).toUTCString() });
        ctx.length = 5;
        ctx.status = 201;
        throw new NotConnectedError('Nobody is there.');
      });
    });
    const answer = await served.get('/');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([401, 'application/problem+json']);
    expect(await answer.json()).toMatchObject({ code: 'not_connected' });
    for (const name of ['content-disposition', 'etag', 'content-encoding', 'last-modified']) {
      expect([name, answer.headers.get(name)]).toEqual([name, null]);
    }
  });

  it('lets those around it see the status and put headers on the answer, as on every other of Koa', async () => {
    const statuses: number[] = [];
    served = await serve((app, manager) => {
      app.use(async (ctx, next) => {
        await next();
        statuses.push(ctx.status);
        ctx.set('x-response-time', '1ms');
      });
      app
        .use(highqErrors())
        .use(highq({ manager, connectionId: userOf }))
        .use(requireHighQ());
    });
    const page = await served.get('/highq/connect');
    const refused = await served.get('/', { cookie: '' });
    expect(statuses).toEqual([200, 401]);
    for (const { headers } of [page, refused]) expect(headers.get('x-response-time')).toBe('1ms');
  });

  it('goes by the address as it was asked for, also where something has rewritten it', async () => {
    served = await serve((app, manager) => {
      app.use(async (ctx, next) => {
        ctx.path = '/elsewhere';
        await next();
      });
      app.use(highqErrors()).use(highq({ manager, connectionId: userOf }));
    });
    expect((await served.get('/highq/connect')).status).toBe(200);
  });

  it('tells the health of the manager that a request is for', async () => {
    served = await serve((app, manager) => {
      const ofRequest = async (_ctx: Context) => manager;
      app.use(at('/health', highqHealth(ofRequest)));
    });
    expect(await (await served.get('/health')).json()).toEqual({
      status: 'up',
      store: 'up',
      unpersisted: 0,
    });
  });

  it('has a function that takes codes out of addresses for logs', async () => {
    served = await serve(() => undefined);
    expect(scrubUrl('/highq/callback?code=secret')).not.toContain('secret');
  });
});

describe('on HTTP/2', () => {
  it('serves its routes, and answers errors, to a browser whose cookies come one by one', async () => {
    const listeners: ReturnType<Koa['callback']>[] = [];
    served = await serve((app, manager) => {
      app.use(highqErrors()).use(highq({ manager, connectionId: userOf, authorize: 'unsafe-public' }));
      app.use(requireHighQ());
      listeners.push(app.callback());
    });
    const server = createServer(...listeners).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const session = connect(url);
    const ask = async (headers: OutgoingHttpHeaders, body = '') => {
      const stream = session.request(headers, { endStream: body === '' });
      if (body !== '') stream.end(body);
      const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & IncomingHttpStatusHeader];
      return { ...answer, text: await text(stream) };
    };
    const cookie = ['other=1', 'user=ann'];
    const status = await ask({ ':path': '/highq/status', accept: 'application/json', cookie });
    expect([status[':status'], JSON.parse(status.text)]).toMatchObject([200, { connectionId: 'ann' }]);
    // An older browser, which says by its Origin where it is.
    const form = { 'content-type': 'application/x-www-form-urlencoded', origin: url, cookie };
    const post = { ':path': '/highq/disconnect', ':method': 'POST', accept: 'text/html', ...form };
    const gone = await ask(post, 'returnTo=%2Fbye');
    expect([gone[':status'], gone.location]).toEqual([303, '/bye']);
    const refused = await ask({ ':path': '/', accept: 'application/json' });
    expect([refused[':status'], JSON.parse(refused.text)]).toMatchObject([401, { code: 'not_connected' }]);
    session.close();
    server.close();
  });
});
