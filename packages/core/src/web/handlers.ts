import { type Connection, internals, type TokenManager } from '../contracts.ts';
import { isHighQError } from '../errors.ts';
import { confirm, confirmPage } from './confirm.ts';
import { ROUTE_NAMES, type RouteName, readWebOptions, type WebOptions, type WebSettings } from './options.ts';
import { formTargetsOf, hostOf, publicOriginOf } from './places.ts';
import { offersSignIn, type ProblemOptions, problemResponse } from './problem.ts';
import { formOf, refuseCrossSite, wantsPage } from './request.ts';
import { callback, connect, connectPage } from './sign-in.ts';
import { actOnStatus, showStatus } from './status-route.ts';
import { allowed, connectionIdOf, managerOf, seeOther, type Visit, visitOf, wantedPath } from './visit.ts';

/** What an adapter calls. `req` is the framework's own request, handed to the application's functions. */
export interface WebHandlers<Req> {
  readonly basePath: string;
  /** Each route that is not off: for frameworks that are told their paths beforehand. */
  readonly paths: readonly string[];
  /** Whether this path is one of the routes. */
  owns(pathname: string): boolean;
  /** Answers a request to one of the routes; `null`: it is none of them. Rejects with what hq-oauth did not throw. */
  handle(request: Request, req: Req): Promise<Response | null>;
  /** The visitor's connection; `null` for an anonymous one. */
  connection(req: Req): Promise<Connection | null>;
  /** The answer to an error of hq-oauth; `null` for any other. */
  problem(error: unknown, request: Request, req: Req): Promise<Response | null>;
}

/**
 * The routes of a sign-in, and the status page, on the standard `Request` and `Response`.
 * @throws ConfigurationError with every problem of the options
 */
export function createWebHandlers<Req>(options: WebOptions<Req>): WebHandlers<Req> {
  const settings = readWebOptions(options);
  const routeOf = (pathname: string): RouteName | undefined =>
    ROUTE_NAMES.find((name) => settings.paths[name] === pathname);

  async function problem(
    error: unknown,
    request: Request,
    req: Req,
    about: Pick<ProblemOptions, 'returnTo' | 'toCallback'>,
  ) {
    if (!isHighQError(error)) return null;
    const instanceUrl = await instanceUrlOf(options, req);
    const mayConnect = offersSignIn(error, about) && (await mayBegin(options, req));
    return problemResponse(error, request, {
      ...about,
      statuses: settings.statuses,
      connectPath: mayConnect ? (settings.paths.connect ?? undefined) : undefined,
      ...(instanceUrl && { formTargets: formTargetsOf(instanceUrl), host: hostOf(instanceUrl) }),
    });
  }

  return {
    basePath: settings.basePath,
    paths: Object.values(settings.paths).filter((path) => path !== null),
    owns: (pathname) => routeOf(pathname) !== undefined,
    async handle(request, req) {
      const name = routeOf(new URL(request.url).pathname);
      if (name === undefined) return null;
      let visit: Visit | undefined;
      try {
        visit = await visitOf(options, settings, request, req);
        return await serve(name, visit);
      } catch (error) {
        const response = await problem(error, request, req, {
          returnTo: visit?.returnTo ?? settings.returnTo,
          toCallback: name === 'callback',
        });
        if (response === null) throw error;
        // A store that did not answer may have left the transaction unused: the person can load the page again.
        const unused = isHighQError(error) && error.code === 'store_unavailable';
        if (visit && name === 'callback' && !unused)
          response.headers.append('Set-Cookie', visit.cookies.clear('signIn'));
        return response;
      }
    },
    async connection(req) {
      const id = await connectionIdOf(options, req);
      return id === null ? null : (await managerOf(options, req)).connection(id);
    },
    problem: (error, request, req) => problem(error, request, req, { returnTo: hereOf(request, settings) }),
  };
}

function serve(name: RouteName, visit: Visit): Promise<Response> | Response {
  const { method } = visit.request;
  const reads = method === 'GET' || method === 'HEAD';
  switch (name) {
    case 'connect':
      return reads ? connectPage(visit) : method === 'POST' ? connect(visit) : notAllowed('GET, HEAD, POST');
    case 'callback':
      // A provider that posts its answer cannot work: Lax cookies do not travel on a cross-site POST (F91).
      return reads ? callback(visit) : notAllowed('GET, HEAD');
    case 'confirm':
      return reads ? confirmPage(visit) : method === 'POST' ? confirm(visit) : notAllowed('GET, HEAD, POST');
    case 'disconnect':
      return method === 'POST' ? disconnect(visit) : notAllowed('POST');
    case 'status':
      if (reads) return showStatus(visit);
      if (!visit.settings.statusActions) return notAllowed('GET, HEAD');
      return method === 'POST' ? actOnStatus(visit) : notAllowed('GET, HEAD, POST');
    default:
      return name satisfies never;
  }
}

/** `POST disconnect`: forgets the visitor's tokens. */
async function disconnect(visit: Visit): Promise<Response> {
  refuseCrossSite(visit.request, publicOriginOf(visit));
  const connectionId = await visit.visitor('disconnect');
  const form = await formOf(visit.request);
  await visit.manager.connection(connectionId).disconnect();
  if (wantsPage(visit.request)) return seeOther(wantedPath(form.get('returnTo'), visit.settings));
  return new Response(null, { status: 204, headers: { 'Cache-Control': 'no-store' } });
}

function notAllowed(allow: string): Response {
  return new Response(null, { status: 405, headers: { Allow: allow, 'Cache-Control': 'no-store' } });
}

/** Back to the page that failed, where a browser can simply ask for it again. */
function hereOf(request: Request, settings: WebSettings): string {
  const { pathname, search } = new URL(request.url);
  return request.method === 'GET' ? wantedPath(pathname + search, settings) : settings.returnTo;
}

/** For the looks of an error page only: where no manager can be had, the page does without. */
async function instanceUrlOf<Req>(options: WebOptions<Req>, req: Req): Promise<string | null> {
  try {
    return (await managerOf(options, req))[internals].instanceUrl;
  } catch {
    return null;
  }
}

/** Whether to offer a sign-in. A function of the application that fails must not hide the error that is answered. */
async function mayBegin<Req>(options: WebOptions<Req>, req: Req): Promise<boolean> {
  try {
    return await allowed(options, req, 'connect');
  } catch {
    return false;
  }
}

/** 200 while the manager can serve tokens, 503 when it cannot. */
export async function healthResponse(manager: TokenManager): Promise<Response> {
  const health = await manager.health();
  return Response.json(health, {
    status: health.status === 'down' ? 503 : 200,
    headers: { 'Cache-Control': 'no-store' },
  });
}
