import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  type AdapterHost,
  type HostSetup,
  optionsFor,
  type Visitor,
  visitorOfHeaders,
} from '@hq-oauth/testkit/adapters';
import Koa, { type Context, type Middleware } from 'koa';
import { highq, highqErrors, highqHealth, highqProxy, requireHighQ } from './index.ts';

const visitorOf = (ctx: Context): Visitor => visitorOfHeaders(ctx.headers);

/** What stands before hq-oauth in the application. */
function before({ bodies, cookie }: HostSetup): Middleware {
  return async (ctx, next) => {
    if (cookie !== null) ctx.append('set-cookie', cookie);
    if (bodies === 'consumed') for await (const _chunk of ctx.req);
    // What the usual body parsers leave behind.
    if (bodies === 'parsed') {
      if (ctx.is('urlencoded')) parsed(ctx, Object.fromEntries(new URLSearchParams(await text(ctx.req))));
      else if (ctx.is('json')) parsed(ctx, JSON.parse(await text(ctx.req)));
      else parsed(ctx, {});
    }
    await next();
  };
}

function parsed(ctx: Context, body: unknown): void {
  Reflect.set(ctx.request, 'body', body);
}

function nameOf({ name }: { readonly name?: string | undefined }): { as?: string } {
  return name === undefined ? {} : { as: name };
}

/** As much of a router as this needs. */
function below(path: string, middleware: Middleware): Middleware {
  return (ctx, next) =>
    ctx.path === path || ctx.path.startsWith(`${path}/`) ? middleware(ctx, next) : next();
}

function application({ mounts, routes, health, prefix }: HostSetup): Middleware[] {
  const chain: Middleware[] = mounts.map((mount) =>
    highq({ ...optionsFor(mount, visitorOf), ...nameOf(mount) }),
  );
  for (const { proxy, name } of mounts) {
    if (!proxy) continue;
    chain.push(
      below(proxy.path, requireHighQ(nameOf({ name }))),
      highqProxy({ ...proxy, ...nameOf({ name }) }),
    );
  }
  for (const { path, name, guarded, answer } of routes) {
    const route = async (ctx: Context): Promise<void> => {
      const value = await answer(Reflect.get(ctx, name ?? 'highq') ?? null);
      ctx.type = 'json';
      ctx.body = JSON.stringify(value);
    };
    const guard = requireHighQ(nameOf({ name }));
    chain.push((ctx, next) => {
      if (ctx.path !== prefix + path || !/^(?:GET|HEAD)$/.test(ctx.method)) return next();
      return guarded ? guard(ctx, () => route(ctx)) : route(ctx);
    });
  }
  if (health) chain.push(below(`${prefix}/health`, highqHealth(health)));
  return chain;
}

const ownErrors =
  (setup: HostSetup): Middleware =>
  async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      setup.onError(error);
      ctx.status = 418;
      ctx.body = error instanceof Error ? error.message : String(error);
    }
  };

export const koaHost: AdapterHost = {
  name: 'koa',
  async start(setup) {
    const app = new Koa();
    // Who leaves in the middle of a stream is an error to Koa, which it would print.
    app.on('error', () => undefined);
    app.use(ownErrors(setup)).use(highqErrors()).use(before(setup));
    for (const middleware of application(setup)) app.use(middleware);
    const server = createServer(app.callback()).listen(setup.port, '127.0.0.1');
    await once(server, 'listening');
    return {
      url: `http://127.0.0.1:${setup.port}`,
      async stop() {
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
      },
    };
  },
};
