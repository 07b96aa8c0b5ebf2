import { ConfigurationError, type Connection, NotConnectedError, type TokenManager } from '@hq-oauth/core';
import {
  createProxy,
  createWebHandlers,
  healthResponse,
  type ProxyOptions,
  problemResponse,
  type WebHandlers,
  type WebOptions,
} from '@hq-oauth/core/web';
import type { Context, Middleware } from 'koa';
import { leaving, pathOf, send, toRequest } from './http.ts';

export interface HighQOptions extends WebOptions<Context> {
  /** The name of the connection on the context. @default 'highq' */
  readonly as?: string;
}

type Web = WebHandlers<Context>;

/** What is mounted on the way of one request, and which of it the route asked for last. */
interface Mounted {
  readonly webs: Map<string, Web>;
  current: Web;
}

const mountedOn = new WeakMap<Context, Mounted>();

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
    if (connection) Reflect.set(ctx, as, connection);
    await next();
  };
}

/**
 * Answers 401 unless the visitor has a connection (by way of `highqErrors()`). Whether it is signed in at HighQ shows
 * with the first call.
 */
export function requireHighQ({ as = 'highq' }: { readonly as?: string } = {}): Middleware {
  return async (ctx, next) => {
    const mounted = mountedOn.get(ctx);
    const web = mounted?.webs.get(as);
    if (!mounted || !web) {
      const problem = `comes before highq(${as === 'highq' ? '' : `{ as: '${as}' }`}): mount that first`;
      throw new ConfigurationError([{ option: 'requireHighQ()', problem }]);
    }
    mounted.current = web;
    if (Reflect.get(ctx, as) === undefined) {
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
      const web = mountedOn.get(ctx)?.current;
      const response = web ? await web.problem(error, request, ctx) : problemResponse(error, request);
      if (response) return send(ctx, response);
      throw error;
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
 * `requireHighQ()`, and before body parsers.
 * @throws ConfigurationError for options that cannot be used
 * @example
 * app.use(requireHighQ()).use(highqProxy({ path: '/highq-api' }));
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
    const connection: Connection | undefined = Reflect.get(ctx, as);
    if (!connection) {
      const problem = `comes before requireHighQ(${as === 'highq' ? '' : `{ as: '${as}' }`}): mount that first`;
      throw new ConfigurationError([{ option: 'highqProxy()', problem }]);
    }
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

/** @throws ConfigurationError for two of one name or path: the later one could never be reached */
function mount(ctx: Context, as: string, web: Web): void {
  const mounted = mountedOn.get(ctx);
  if (!mounted) {
    mountedOn.set(ctx, { webs: new Map([[as, web]]), current: web });
    return;
  }
  for (const [name, other] of mounted.webs) {
    if (other === web) continue;
    const twins = [
      ...(name === as ? [{ option: 'as', problem: `two of highq() have the name ${as}` }] : []),
      ...(other.basePath === web.basePath
        ? [{ option: 'basePath', problem: `two of highq() have the path ${web.basePath}` }]
        : []),
    ];
    if (twins.length > 0) throw new ConfigurationError(twins);
  }
  mounted.webs.set(as, web);
}
