import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { NotConnectedError } from '@hq-oauth/core';
import type { ErrorRequestHandler } from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import { highq, highqErrors, highqHealth, requireHighQ, scrubUrl } from './index.ts';
import { type Served, serve, userOf } from './served.fixture.ts';

// What Express alone can show. What every adapter must show is in the adapter suite.

let served: Served;
afterEach(() => served.close());

const ownErrors: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) return next(error);
  res.status(418).send(error.message);
};

describe('the middleware', () => {
  it('refuses two on one path or of one name, and takes one that is mounted twice', async () => {
    served = await serve((app, manager) => {
      const one = highq({ manager, connectionId: userOf });
      const routes = { callback: '/highq/callback' };
      app.use('/same', one, one, (req, res) => void res.send(req.highq.id));
      app.use('/path', one, highq({ manager, connectionId: userOf, as: 'other' }));
      app.use('/name', one, highq({ manager, connectionId: userOf, basePath: '/b', routes }));
      app.use(ownErrors);
    });
    expect(await (await served.get('/same')).text()).toBe('ann');
    expect(await (await served.get('/path')).text()).toMatch(/basePath: two of highq\(\).*\/highq/);
    expect(await (await served.get('/name')).text()).toMatch(/as: two of highq\(\).*highq/);
  });

  it('says so when requireHighQ comes before highq, by the name that it asks for', async () => {
    served = await serve((app, manager) => {
      app.get('/', requireHighQ());
      app.use(highq({ manager, connectionId: userOf }));
      app.get('/client', requireHighQ({ as: 'client' }));
      app.use(ownErrors);
    });
    expect(await (await served.get('/')).text()).toContain('requireHighQ(): comes before highq()');
    expect(await (await served.get('/client')).text()).toContain("comes before highq({ as: 'client' })");
  });

  it('answers errors of hq-oauth where no highq() is mounted, too', async () => {
    served = await serve((app) => {
      app.get('/', () => {
        throw new NotConnectedError('Nobody is there.');
      });
      app.use(highqErrors());
    });
    const answer = await served.get('/');
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'not_connected' }]);
  });

  it('takes back what a handler had said about the body that does not come', async () => {
    served = await serve((app) => {
      app.get('/', (_req, res) => {
        res.attachment('binder.zip').set({ 'Content-Length': '5', ETag: '"1"', 'Content-Encoding': 'br' });
        res.set('Last-Modified', new Date(0).toUTCString());
        throw new NotConnectedError('Nobody is there.');
      });
      app.use(highqErrors());
    });
    const { status, headers, ...answer } = await served.get('/').then(async (response) => ({
      status: response.status,
      headers: response.headers,
      problem: await response.json(),
    }));
    expect([status, answer.problem]).toMatchObject([401, { code: 'not_connected' }]);
    for (const name of ['content-disposition', 'etag', 'content-encoding', 'last-modified']) {
      expect([name, headers.get(name)]).toEqual([name, null]);
    }
  });

  it('leaves an answer that has begun to Express, which breaks it off', async () => {
    served = await serve((app) => {
      app.get('/', (_req, res) => {
        res.write('a part');
        throw new NotConnectedError('Too late.');
      });
      app.use(highqErrors(), ownErrors);
    });
    await expect(served.get('/').then((answer) => answer.text())).rejects.toThrow();
  });

  it('tells the health of the manager that a request is for', async () => {
    served = await serve((app, manager) => {
      app.get(
        '/health',
        highqHealth(async () => manager),
      );
    });
    expect(await (await served.get('/health')).json()).toEqual({
      status: 'up',
      store: 'up',
      unpersisted: 0,
    });
  });

  it('takes the word of a proxy for https only where Express trusts it', async () => {
    const statuses: number[] = [];
    for (const trusted of [true, false]) {
      served = await serve((app, manager) => {
        app.set('trust proxy', trusted);
        app.use(highq({ manager, connectionId: userOf }));
        app.use(highqErrors());
      });
      const headers = { origin: served.url.replace('http:', 'https:'), 'x-forwarded-proto': 'https' };
      const post = { method: 'POST', headers: { cookie: 'user=ann', ...headers } };
      // By `fetch` the browser's own words would go along.
      const outgoing = request(`${served.url}/highq/connect`, { ...post, agent: false }).end();
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      statuses.push(response.statusCode ?? 0);
      if (trusted) await served.close();
    }
    expect(statuses).toEqual([303, 403]);
  });

  it('refuses a name that the request has already, such as that of its socket', async () => {
    served = await serve((app, manager) => {
      app.use(highq({ manager, connectionId: userOf, as: 'client' }));
      app.use(ownErrors);
    });
    expect(await (await served.get('/')).text()).toContain("as: client is a member of Express's request");
  });

  it('has a function that takes codes out of addresses for logs', async () => {
    served = await serve(() => undefined);
    expect(scrubUrl('/highq/callback?code=secret')).not.toContain('secret');
  });
});
