import { NotConnectedError, type TokenManager } from '@hq-oauth/core';
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
import type { ErrorRequestHandler, Request as ExpressRequest, RequestHandler } from 'express';
import { leaving, pathOf, send, toRequest } from './http.ts';

/** One for all of the process: the same request comes by each of them. */
const { mount, provide, connectionOf, currentWeb } = createMounts<ExpressRequest>("Express's request");

export interface HighQOptions extends WebOptions<ExpressRequest> {
  /** The name of the connection on the request. @default 'highq' */
  readonly as?: string;
}

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
    if (connection) provide(req, as, connection);
    next();
  };
}

/**
 * Answers 401 unless the visitor has a connection (by way of `highqErrors()`). Whether it is signed in at HighQ shows
 * with the first call.
 */
export function requireHighQ({ as = 'highq' }: { readonly as?: string } = {}): RequestHandler {
  return (req, _res, next) => {
    if (connectionOf(req, as, 'requireHighQ()') === null) {
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
    const web = currentWeb(req);
    const response = web ? await web.problem(error, request, req) : problemResponse(error, request);
    if (!response) return next(error);
    for (const name of ABOUT_THE_BODY) res.removeHeader(name);
    await send(res, response);
  };
}

/**
 * Passes calls on to the API with the visitor's token: `GET` and `HEAD` unless `allow` says more. Mount it behind
 * `highq()`, and before body parsers.
 * @throws ConfigurationError for options that cannot be used
 * @example
 * app.use('/highq-api', requireHighQ(), highqProxy());
 */
export function highqProxy(options: ProxyOptions & { readonly as?: string } = {}): RequestHandler {
  const { as = 'highq', ...rest } = options;
  const proxy = createProxy(rest);
  return async (req, res) => {
    const connection = connectionOf(req, as, 'highqProxy()');
    if (connection === null) throw new NotConnectedError('Nobody is signed in to this application.');
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
