import { ConfigurationError, NotConnectedError, type TokenManager } from '@hq-oauth/core';
import {
  ABOUT_THE_BODY,
  createMounts,
  createProxy,
  createWebHandlers,
  healthResponse,
  type ProxyOptions,
  problemResponse,
  type WebOptions,
} from '@hq-oauth/core/web';
import type { Context, Middleware } from 'koa';
import { leaving, pathOf, send, toRequest } from './http.ts';

/** One for all of the process: the same request comes by each of them. */
const { mount, provide, connectionOf, currentWeb } = createMounts<Context>("Koa's context");

export interface HighQOptions extends WebOptions<Context> {
  /** The name of the connection on the context. @default 'highq' */
  readonly as?: string;
}

/**
 * Sign-in routes below `basePath`, and `ctx.highq` for every visitor with a connection.
 * @throws ConfigurationError with every problem of the options
 * @example
 * app.use(highq({ manager, connectionId: (ctx) => ctx.state.userId }));
 */
export function highq(options: HighQOptions): Middleware {
  const web = createWebHandlers<Context>(options);
  const as = options.as ?? 'highq';
  return async (ctx, next) => {
    mount(ctx, as, web);
    const response = web.owns(pathOf(ctx)) ? await web.handle(toRequest(ctx), ctx) : null;
    if (response) return send(ctx, response);
    const connection = await web.connection(ctx);
    if (connection) provide(ctx, as, connection);
    await next();
  };
}

/**
 * Answers 401 unless the visitor has a connection (by way of `highqErrors()`). Whether it is signed in at HighQ shows
 * with the first call.
 */
export function requireHighQ({ as = 'highq' }: { readonly as?: string } = {}): Middleware {
  return async (ctx, next) => {
    if (connectionOf(ctx, as, 'requireHighQ()') === null) {
      throw new NotConnectedError('Nobody is signed in to this application.');
    }
    await next();
  };
}

/** Answers what hq-oauth threw, as a page or as problem+json; passes every other error on. Mount it first. */
export function highqErrors(): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (ctx.headerSent) throw error;
      const request = toRequest(ctx, { withBody: false });
      const web = currentWeb(ctx);
      const response = web ? await web.problem(error, request, ctx) : problemResponse(error, request);
      if (!response) throw error;
      for (const name of ABOUT_THE_BODY) ctx.remove(name);
      await send(ctx, response);
    }
  };
}

export interface HighQProxyOptions extends ProxyOptions {
  /** Where it is, as the visitor sees it: what follows goes to the API. Calls elsewhere go on. @example '/highq-api' */
  readonly path: string;
  readonly as?: string;
}

/**
 * Passes calls on to the API with the visitor's token: `GET` and `HEAD` unless `allow` says more. Mount it behind
 * `highq()`, and before body parsers.
 * @throws ConfigurationError for options that cannot be used
 * @example
 * app.use(highqProxy({ path: '/highq-api' }));
 */
export function highqProxy({ path, as = 'highq', ...options }: HighQProxyOptions): Middleware {
  if (!/^\/[^?#]*[^/?#]$/.test(path)) {
    const problem = 'must be a path below the root, such as /highq-api';
    throw new ConfigurationError([{ option: 'highqProxy.path', problem }]);
  }
  const proxy = createProxy(options);
  return async (ctx, next) => {
    const asked = pathOf(ctx);
    if (asked !== path && !asked.startsWith(`${path}/`)) return next();
    const connection = connectionOf(ctx, as, 'highqProxy()');
    if (connection === null) throw new NotConnectedError('Nobody is signed in to this application.');
    const bodyConsumed = ctx.req.readableDidRead || Reflect.get(ctx.request, 'body') !== undefined;
    const request = toRequest(ctx, { withBody: !bodyConsumed, signal: leaving(ctx) });
    await send(ctx, await proxy(request, { connection, mountPath: path, bodyConsumed }));
  };
}

/** Answers 200 while the manager can serve tokens, 503 while it cannot. */
export function highqHealth(
  manager: TokenManager | ((ctx: Context) => TokenManager | PromiseLike<TokenManager>),
): Middleware {
  return async (ctx) =>
    send(ctx, await healthResponse(typeof manager === 'function' ? await manager(ctx) : manager));
}
