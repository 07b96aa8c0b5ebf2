import { ConfigurationError, NotConnectedError, type TokenManager } from '@hq-oauth/core';
import {
  createWebHandlers,
  healthResponse,
  problemResponse,
  type WebHandlers,
  type WebOptions,
} from '@hq-oauth/core/web';
import type { Context, Middleware } from 'koa';
import { pathOf, send, toRequest } from './http.ts';

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
