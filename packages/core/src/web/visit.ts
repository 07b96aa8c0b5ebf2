import { internals, type ManagerInternals, type TokenManager } from '../contracts.ts';
import { ConfigurationError, NotConnectedError } from '../errors.ts';
import { type Transactions, transactionsOf } from './login-transaction.ts';
import {
  DEFAULT_BASE_PATH,
  ROUTE_NAMES,
  redirectProblems,
  type WebAction,
  type WebOptions,
  type WebSettings,
} from './options.ts';
import { RouteRefusedError } from './refused.ts';
import { cookieOf } from './request.ts';
import { returnPath } from './return-to.ts';

/** One request to one of the routes, with what the application says about its visitor. */
export interface Visit {
  readonly request: Request;
  readonly url: URL;
  readonly settings: WebSettings;
  readonly manager: TokenManager;
  readonly inside: ManagerInternals;
  /** `null`: an anonymous visitor. */
  readonly connectionId: string | null;
  readonly transactions: Transactions;
  readonly cookies: Cookies;
  /** Where this visitor goes next: a checked path. Set from the transaction once it is proved to be theirs. */
  returnTo: string;
  /** @throws NotConnectedError for an anonymous visitor, RouteRefusedError for one who may not */
  visitor(action: WebAction): Promise<string>;
  may(action: WebAction): Promise<boolean>;
  expectedUser(): Promise<string | null>;
}

export async function managerOf<Req>(options: WebOptions<Req>, req: Req): Promise<TokenManager> {
  return typeof options.manager === 'function' ? options.manager(req) : options.manager;
}

/** `null`, `undefined` and `''` are an anonymous visitor, never the default connection (F109). */
export async function connectionIdOf<Req>(options: WebOptions<Req>, req: Req): Promise<string | null> {
  const { connectionId } = options;
  const id: unknown = typeof connectionId === 'function' ? await connectionId(req) : connectionId;
  if (id === undefined || id === null || id === '') return null;
  if (typeof id === 'string') return id;
  throw new ConfigurationError([
    { option: 'connectionId', problem: `yields a ${typeof id}, it must yield text or nothing` },
  ]);
}

export async function visitOf<Req>(
  options: WebOptions<Req>,
  settings: WebSettings,
  request: Request,
  req: Req,
): Promise<Visit> {
  const manager = await managerOf(options, req);
  const inside = manager[internals];
  const problems = typeof options.manager === 'function' ? redirectProblems(inside, settings) : [];
  if (problems.length > 0) throw new ConfigurationError(problems);
  const url = new URL(request.url);
  const connectionId = await connectionIdOf(options, req);
  const may = (action: WebAction): Promise<boolean> => allowed(options, req, action);
  return {
    request,
    url,
    settings,
    manager,
    inside,
    connectionId,
    transactions: transactionsOf(inside, settings.signInTtlMs),
    cookies: cookiesFor(request, inside, settings),
    returnTo: settings.returnTo,
    async visitor(action) {
      if (connectionId === null) throw anonymous();
      if (!(await may(action))) throw notAuthorized(action, connectionId);
      return connectionId;
    },
    may,
    expectedUser: async () => (await options.expectedUser?.(req)) || null,
  };
}

export function anonymous(): NotConnectedError {
  return new NotConnectedError('Nobody is signed in to this application in this browser.');
}

export function notAuthorized(action: WebAction, connectionId?: string): RouteRefusedError {
  return new RouteRefusedError(REFUSALS[action], { reason: 'not_authorized', connectionId });
}

const REFUSALS: Readonly<Record<WebAction, string>> = {
  connect: 'You may not connect HighQ here.',
  disconnect: 'You may not disconnect HighQ here.',
  status: 'You may not see the status of this connection.',
  // The same words, whether there is such a connection or not.
  'status-all': 'You may not see the status of this connection.',
};

/** What the application says to this visitor's wish. */
export async function allowed<Req>(
  { authorize }: WebOptions<Req>,
  req: Req,
  action: WebAction,
): Promise<boolean> {
  switch (action) {
    case 'connect':
    case 'disconnect':
      if (authorize === undefined) return true;
      break;
    case 'status':
      break;
    case 'status-all':
      // Everybody's connections are shown to those only whom the application names.
      if (authorize === 'unsafe-public') return false;
      break;
    default:
      return action satisfies never;
  }
  if (authorize === 'unsafe-public') return true;
  return authorize !== undefined && (await authorize(req, action)) === true;
}

/**
 * The path that a visitor asked to come back to, or the configured one. Never a route of ours that acts on a visit; the
 * status page only shows.
 */
export function wantedPath(value: unknown, settings: WebSettings): string {
  const path = returnPath(value);
  if (path === null) return settings.returnTo;
  const { pathname } = new URL(path, 'http://return.invalid');
  const acting = ROUTE_NAMES.filter((name) => name !== 'status').map((name) => settings.paths[name]);
  return acting.includes(pathname) ? settings.returnTo : path;
}

type CookieName = 'signIn' | 'confirm' | 'notice';

/** The cookies of one request that are ours: never the application's own session (F90). */
export interface Cookies {
  read(name: CookieName): string | null;
  /** `Set-Cookie` for a transaction that has begun. */
  write(name: CookieName, secret: string): string;
  clear(name: CookieName): string;
}

const COOKIE_NAMES: Readonly<Record<CookieName, string>> = {
  signIn: 'highq-login',
  confirm: 'highq-confirm',
  notice: 'highq-notice',
};

/**
 * Two managers of one host have cookies of their own, so that a sign-in at one does not end a sign-in at the other.
 * `__Host-` needs `Secure`, which a browser refuses on plain http: so there is none on a loopback
 * address.
 */
function cookiesFor(request: Request, inside: ManagerInternals, settings: WebSettings): Cookies {
  const plain = inside.allowLoopback && inside.redirectUri?.startsWith('http:') === true;
  const own = settings.basePath === DEFAULT_BASE_PATH ? '' : suffixOf(settings.basePath);
  const nameOf = (name: CookieName): string => (plain ? '' : '__Host-') + COOKIE_NAMES[name] + own;
  const attributes = `Path=/; HttpOnly; SameSite=Lax${plain ? '' : '; Secure'}`;
  const maxAgeSeconds = Math.ceil(settings.signInTtlMs / 1000);
  return {
    read: (name) => cookieOf(request, nameOf(name)),
    write: (name, secret) => `${nameOf(name)}=${secret}; Max-Age=${maxAgeSeconds}; ${attributes}`,
    clear: (name) => `${nameOf(name)}=; Max-Age=0; ${attributes}`,
  };
}

/** A path as the end of a cookie's name: no two are the same. */
function suffixOf(path: string): string {
  const plain = path.slice(1).replace(/[^a-z0-9/]/gi, (other) => `_${other.charCodeAt(0).toString(16)}`);
  return `-${plain.replaceAll('/', '-')}`;
}

/** 303 to a clean address: what came in stays out of the next request's `Referer` and of every cache (F98). */
export function seeOther(location: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({
    Location: location,
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
  });
  for (const cookie of cookies) headers.append('Set-Cookie', cookie);
  return new Response(null, { status: 303, headers });
}
