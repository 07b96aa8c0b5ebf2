import { isHighQError } from '@hq-oauth/core';
import type { Middleware } from 'koa';
import { afterEach, describe, expect, it } from 'vitest';
import { highq, highqErrors, highqProxy } from './index.ts';
import { type Served, serve, userOf } from './served.fixture.ts';

let served: Served | null = null;
afterEach(async () => {
  await served?.close();
  served = null;
});

/** As koa-mount does it: what follows sees the rest of the path. */
function mounted(path: string, middleware: Middleware): Middleware {
  return async (ctx, next) => {
    if (!ctx.path.startsWith(`${path}/`)) return next();
    const whole = ctx.path;
    ctx.path = whole.slice(path.length);
    await middleware(ctx, async () => {
      ctx.path = whole;
      await next();
    });
  };
}

describe('highqProxy()', () => {
  it('answers below its path, and lets everything else go on', async () => {
    served = await serve((app, manager) => {
      app.use(highqErrors()).use(highq({ manager, connectionId: userOf }));
      app.use(highqProxy({ path: '/highq-api' })).use((ctx) => {
        ctx.body = 'behind it';
      });
    });
    expect((await served.get('/highq-api/6/sites')).status).toBe(200);
    expect((await served.get('/highq-api')).status).toBe(400);
    for (const path of ['/', '/highq-apix/6/sites', '/x/highq-api/6/sites']) {
      expect([path, await (await served.get(path)).text()]).toEqual([path, 'behind it']);
    }
  });

  it('goes by the path that visitors see, also where something has mounted it', async () => {
    served = await serve((app, manager) => {
      app.use(highqErrors()).use(highq({ manager, connectionId: userOf }));
      app.use(mounted('/highq-api', highqProxy({ path: '/highq-api' })));
    });
    expect((await served.get('/highq-api/6/sites')).status).toBe(200);
    expect((await served.get('/6/sites')).status).toBe(404);
  });

  it('lets nobody in who is anonymous, also where requireHighQ() was forgotten', async () => {
    served = await serve((app, manager) => {
      app.use(highqErrors()).use(highq({ manager, connectionId: userOf }));
      app.use(highqProxy({ path: '/highq-api' }));
    });
    expect((await served.get('/highq-api/6/sites', { cookie: '' })).status).toBe(401);
  });

  it('says what is wrong when it comes without highq()', async () => {
    served = await serve((app) => {
      app.use(highqErrors()).use(highqProxy({ path: '/highq-api' }));
    });
    const response = await served.get('/highq-api/6/sites');
    expect([response.status, await response.json()]).toMatchObject([500, { code: 'configuration' }]);
  });

  it.each(['', '/', 'highq-api', '/highq-api/', '/highq-api?x'])('refuses to be at %j', (path) => {
    let thrown: unknown;
    try {
      highqProxy({ path });
    } catch (error) {
      thrown = error;
    }
    expect(isHighQError(thrown) && thrown.message).toContain('highqProxy.path');
  });
});
