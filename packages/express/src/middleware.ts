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
import type { ErrorRequestHandler, Request as ExpressRequest, RequestHandler } from 'express';
import { leaving, pathOf, send, toRequest } from './http.ts';

export interface HighQOptions extends WebOptions<ExpressRequest> {
  /** The name of the connection on the request. @default 'highq' */
  readonly as?: string;
}

type Web = WebHandlers<ExpressRequest>;

/** What is mounted on the way of one request, and which of it the route asked for last. */
interface Mounted {
  readonly webs: Map<string, Web>;
  current: Web;
}

const mountedOn = new WeakMap<ExpressRequest, Mounted>();

/**
 * Sign-in routes below `basePath`, and `req.highq` for every visitor with a connection.
 * @throws ConfigurationError with every problem of the options
 * @example
 * app.use(highq({ manager, connectionId: (req) => req.session?.userId }));
 */
export function highq(options: HighQOptions): RequestHandler {
  const web = createWebHandlers<ExpressRequest>(options);
  const as = options.as ?? 'highq';
  return async (req, res, next) => {
    mount(req, as, web);
    const response = web.owns(pathOf(req)) ? await web.handle(toRequest(req), req) : null;
    if (response) return send(res, response);
    const connection = await web.connection(req);
    if (connection) Reflect.set(req, as, connection);
    next();
  };
}

/**
 * Answers 401 unless the visitor has a connection (by way of `highqErrors()`). Whether it is signed in at HighQ shows
 * with the first call.
 */
export function requireHighQ({ as = 'highq' }: { readonly as?: string } = {}): RequestHandler {
  return (req, _res, next) => {
    const mounted = mountedOn.get(req);
    const web = mounted?.webs.get(as);
    if (!mounted || !web) {
      const problem = `comes before highq(${as === 'highq' ? '' : `{ as: '${as}' }`}): mount that first`;
      throw new ConfigurationError([{ option: 'requireHighQ()', problem }]);
    }
    mounted.current = web;
    if (Reflect.get(req, as) === undefined) {
      throw new NotConnectedError('Nobody is signed in to this application.');
    }
    next();
  };
}

/** Answers what hq-oauth threw, as a page or as problem+json; passes every other error on. Mount it last. */
export function highqErrors(): ErrorRequestHandler {
  return async (error, req, res, next) => {
    if (res.headersSent) return next(error);
    const request = toRequest(req, { withBody: false });
    const web = mountedOn.get(req)?.current;
    const response = web ? await web.problem(error, request, req) : problemResponse(error, request);
    if (response) return send(res, response);
    next(error);
  };
}

/**
 * Passes calls on to the API with the visitor's token: `GET` and `HEAD` unless `allow` says more. Mount it behind
 * `requireHighQ()`, and before body parsers.
 * @throws ConfigurationError for options that cannot be used
 * @example
 * app.use('/highq-api', requireHighQ(), highqProxy());
 */
export function highqProxy(options: ProxyOptions & { readonly as?: string } = {}): RequestHandler {
  const { as = 'highq', ...rest } = options;
  const proxy = createProxy(rest);
  return async (req, res) => {
    const connection: Connection | undefined = Reflect.get(req, as);
    if (!connection) {
      const problem = `comes before requireHighQ(${as === 'highq' ? '' : `{ as: '${as}' }`}): mount that first`;
      throw new ConfigurationError([{ option: 'highqProxy()', problem }]);
    }
    const bodyConsumed = req.readableDidRead || req.body !== undefined;
    const request = toRequest(req, { withBody: !bodyConsumed, signal: leaving(res) });
    await send(res, await proxy(request, { connection, mountPath: req.baseUrl, bodyConsumed }));
  };
}

/** Answers 200 while the manager can serve tokens, 503 while it cannot. */
export function highqHealth(
  manager: TokenManager | ((req: ExpressRequest) => TokenManager | PromiseLike<TokenManager>),
): RequestHandler {
  return async (req, res) =>
    send(res, await healthResponse(typeof manager === 'function' ? await manager(req) : manager));
}

/** @throws ConfigurationError for two of one name or path: the later one could never be reached */
function mount(req: ExpressRequest, as: string, web: Web): void {
  const mounted = mountedOn.get(req);
  if (!mounted) {
    mountedOn.set(req, { webs: new Map([[as, web]]), current: web });
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
