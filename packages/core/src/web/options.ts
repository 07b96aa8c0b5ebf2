import { internals, type ManagerInternals, type TokenManager } from '../contracts.ts';
import { ConfigurationError, type ConfigurationProblem } from '../errors.ts';
import type { StatusOverrides } from './problem.ts';
import { returnPath } from './return-to.ts';

/** What a visitor is about to do, for `authorize`. */
export type WebAction = 'connect' | 'disconnect' | 'status' | 'status-all';

type Awaitable<T> = T | PromiseLike<T>;

/** `Req` is the framework's own request, as the application's functions know it. */
export interface WebOptions<Req> {
  /** One manager, or a function of the request: a tenant per host. */
  readonly manager: TokenManager | ((req: Req) => Awaitable<TokenManager>);
  /**
   * Whose grant this visitor uses: a function that yields nothing for an anonymous one, or a string for one shared
   * connection (then `authorize` is required: else every visitor could replace or end it).
   * @example (req) => req.session?.userId
   */
  readonly connectionId: string | ((req: Req) => Awaitable<string | null | undefined>);
  /**
   * Whether this visitor may do this. `status`: see the page about their connection; `status-all`: see every connection
   * of the registration as well. The status page is there only where this is given: a function, or `'unsafe-public'`
   * written out, which lets every visitor do everything but `status-all`.
   * It is also asked before the answer to an error offers a sign-in: where it fails then, none is offered.
   * @default every visitor with a connection of their own may connect and disconnect, and there is no status page
   * @example (req, action) => req.session?.userId !== undefined && (action !== 'status-all' || req.session.isAdmin)
   */
  readonly authorize?: Authorize<Req>;
  /**
   * The HighQ account that this visitor must come back with, by e-mail address. Another one is refused. Where it is
   * not given, or yields nothing, the person is shown the account and asked.
   */
  readonly expectedUser?: (req: Req) => Awaitable<string | null | undefined>;
  /** @default '/highq' */
  readonly basePath?: string;
  /** Each route as a path below `basePath`, as a path of its own (`'/oauth/return'`), or `false` for off. */
  readonly routes?: Partial<Record<RouteName, string | false>>;
  /** Where to go after a sign-in that did not say. @default '/' */
  readonly returnTo?: string;
  readonly statuses?: StatusOverrides;
  /**
   * Whether the status page may renew and disconnect the visitor's own connection. To disconnect, `authorize` is asked for
   * `disconnect` as well.
   * @default false
   */
  readonly statusActions?: boolean;
  /** Where the status page leads back to: a path of the application. @default nowhere @example '/matters' */
  readonly statusBackTo?: string;
  /** How long a sign-in may take, at most 10 minutes. @default 600_000 */
  readonly signInTtlMs?: number;
  /**
   * Whether to send a PKCE challenge. A provider without PKCE ignores it.
   * @default true
   * @see {@link https://www.rfc-editor.org/rfc/rfc7636 RFC 7636}
   */
  readonly pkce?: boolean;
}

export type Authorize<Req> = ((req: Req, action: WebAction) => Awaitable<boolean>) | 'unsafe-public';

export type RouteName = 'connect' | 'callback' | 'confirm' | 'disconnect' | 'status';
export const ROUTE_NAMES: readonly RouteName[] = ['connect', 'callback', 'confirm', 'disconnect', 'status'];

export const DEFAULT_BASE_PATH = '/highq';
const LONGEST_SIGN_IN_MS = 10 * 60_000;

/** Options after the checks. */
export interface WebSettings {
  readonly basePath: string;
  readonly paths: Readonly<Record<RouteName, string | null>>;
  readonly returnTo: string;
  readonly statuses: StatusOverrides;
  readonly signInTtlMs: number;
  readonly pkce: boolean;
  readonly statusActions: boolean;
  readonly statusBackTo: string | null;
}

/** @throws ConfigurationError with every problem */
export function readWebOptions<Req>(options: WebOptions<Req>): WebSettings {
  const problems: ConfigurationProblem[] = [];
  const {
    basePath = DEFAULT_BASE_PATH,
    returnTo = '/',
    signInTtlMs = LONGEST_SIGN_IN_MS,
    statuses = {},
  } = options;
  const base = basePath.replace(/\/$/, '');
  if (!isPlainPath(base === '' ? '/' : base)) {
    problems.push({ option: 'basePath', problem: 'must be a path such as /highq, without query or dots' });
  }
  const paths = Object.fromEntries(
    ROUTE_NAMES.map((name) => [name, routePath(base, options.routes?.[name] ?? defaultRoute(name, options))]),
  ) as Record<RouteName, string | null>;
  for (const name of ROUTE_NAMES) {
    const path = paths[name];
    if (path === null) continue;
    if (!isPlainPath(path)) problems.push({ option: `routes.${name}`, problem: 'must be a path or false' });
    const twin = ROUTE_NAMES.find((other) => other < name && paths[other] === path);
    if (twin) problems.push({ option: `routes.${name}`, problem: `has the same path as routes.${twin}` });
  }
  if (returnPath(returnTo) === null) {
    problems.push({ option: 'returnTo', problem: 'must be a path of this application, such as /sites' });
  }
  if (options.statusBackTo !== undefined && returnPath(options.statusBackTo) === null) {
    problems.push({
      option: 'statusBackTo',
      problem: 'must be a path of this application, such as /matters',
    });
  }
  if (paths.callback !== null && paths.confirm === null && options.expectedUser === undefined) {
    const problem = 'is off, so expectedUser must name the account of every visitor';
    problems.push({ option: 'routes.confirm', problem });
  }
  if (!(signInTtlMs > 0 && signInTtlMs <= LONGEST_SIGN_IN_MS)) {
    problems.push({ option: 'signInTtlMs', problem: 'must lie in 1 ms … 10 min' });
  }
  for (const [name, status] of Object.entries(statuses)) {
    if (status !== undefined && !(Number.isInteger(status) && status >= 400 && status <= 599)) {
      problems.push({ option: `statuses.${name}`, problem: 'must be an HTTP status in 400 … 599' });
    }
  }
  problems.push(...connectionProblems(options), ...statusProblems(options));
  const settings = {
    basePath: base,
    paths,
    returnTo,
    statuses,
    signInTtlMs,
    pkce: options.pkce ?? true,
    statusActions: options.statusActions ?? false,
    statusBackTo: options.statusBackTo ?? null,
  };
  if (options.manager === undefined || options.manager === null) {
    problems.push({ option: 'manager', problem: 'is missing: pass what createTokenManager gave' });
  } else if (typeof options.manager !== 'function') {
    problems.push(...redirectProblems(options.manager[internals], settings));
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return settings;
}

/** What is wrong with a manager's redirect URI for these routes. It is the only source of `redirect_uri` (F92). */
export function redirectProblems(
  { redirectUri }: Pick<ManagerInternals, 'redirectUri'>,
  { paths }: Pick<WebSettings, 'paths'>,
): readonly ConfigurationProblem[] {
  const where = { option: 'redirectUri', env: 'HIGHQ_REDIRECT_URI' };
  if (paths.connect === null && paths.callback === null) return [];
  if (redirectUri === undefined) {
    return [{ ...where, problem: `is missing: sign-ins come back to it, at the path ${paths.callback}` }];
  }
  const path = URL.canParse(redirectUri) ? new URL(redirectUri).pathname : null;
  if (paths.callback === null || path === paths.callback) return [];
  return [
    {
      ...where,
      problem: `has the path ${path}, but the callback route is at ${paths.callback}: change one of the two (basePath, routes.callback)`,
    },
  ];
}

function connectionProblems<Req>({
  connectionId,
  authorize,
}: WebOptions<Req>): readonly ConfigurationProblem[] {
  if (typeof connectionId === 'function') return [];
  if (typeof connectionId !== 'string' || connectionId === '') {
    const problem =
      'is missing: a function of the request that yields the id of the signed-in user, or a string for one shared connection';
    return [{ option: 'connectionId', problem }];
  }
  if (authorize) return [];
  const problem =
    'is required with a shared connectionId: without it every visitor could connect another account, or disconnect';
  return [{ option: 'authorize', problem }];
}

/** Nobody is shown a status page that nobody was asked about: where it was not asked for either, there is none. */
function defaultRoute<Req>(name: RouteName, { authorize }: WebOptions<Req>): string | false {
  return name === 'status' && authorize === undefined ? false : name;
}

function statusProblems<Req>({
  authorize,
  routes,
  statusActions,
}: WebOptions<Req>): readonly ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = [];
  if (authorize !== undefined && authorize !== 'unsafe-public' && typeof authorize !== 'function') {
    const problem = "must be a function of request and action, or 'unsafe-public'";
    problems.push({ option: 'authorize', problem });
  }
  const wanted = statusActions === true ? 'statusActions' : 'routes.status';
  if (authorize === undefined && (statusActions === true || typeof routes?.status === 'string')) {
    const problem =
      "needs authorize, which says who may see the status page: (req, action) => boolean. Write authorize: 'unsafe-public' to let everybody see it";
    problems.push({ option: wanted, problem });
  }
  if (statusActions === true && routes?.status === false) {
    problems.push({ option: 'statusActions', problem: 'has no effect while routes.status is off' });
  }
  return problems;
}

function routePath(base: string, route: string | false): string | null {
  if (route === false) return null;
  return route.startsWith('/') ? route : `${base}/${route}`;
}

function isPlainPath(path: string): boolean {
  return returnPath(path) === path && !path.includes('?') && !path.includes('#');
}
