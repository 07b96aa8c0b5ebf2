import type { Connection, TokenManager } from '@hq-oauth/core';
import type { ProxyOptions, WebAction, WebOptions } from '@hq-oauth/core/web';

/** A request, as far as the functions of the suite look at it: each host tells how to read its framework's own. */
export interface Visitor {
  /** The value of a header, by its name in small letters. */
  header(name: string): string | undefined;
}

export interface HostProxy extends ProxyOptions {
  /** As browsers see it. */
  readonly path: string;
}

/** One `highq()`, or one `HighQModule`. */
export interface HostMount extends WebOptions<Visitor> {
  /** Of the connection on the request, or of the module. Unless given, the adapter's own default. */
  readonly name?: string;
  /** Behind `requireHighQ()` where the adapter has one. */
  readonly proxy?: HostProxy;
}

/** A `GET` route of the application. */
export interface HostRoute {
  /** Below `prefix`. */
  readonly path: string;
  /** Which of the mounts it asks, as in {@link HostMount.name}. */
  readonly name?: string;
  /** Behind `requireHighQ()` or a guard. */
  readonly guarded: boolean;
  /** What is sent as JSON. `null`: the visitor is anonymous. What it throws goes the framework's usual way. */
  answer(connection: Connection | null): unknown;
}

/** What an application under test consists of. */
export interface HostSetup {
  /** To listen on, at 127.0.0.1. */
  readonly port: number;
  readonly mounts: readonly HostMount[];
  readonly routes: readonly HostRoute[];
  /** Its health at `/health` below `prefix`, the way the adapter tells it; `null`: there is none. */
  readonly health: TokenManager | null;
  /** Where the application is mounted, such as `/portal`; empty: at the root. */
  readonly prefix: string;
  /**
   * What comes before hq-oauth. `parsed`: the framework's usual parsers of JSON and of urlencoded forms. `consumed`:
   * something of the application that reads every body to its end.
   */
  readonly bodies: 'untouched' | 'parsed' | 'consumed';
  /** To be told of each error that comes to the framework's own way to handle errors. */
  onError(error: unknown): void;
  /** A `Set-Cookie` that the application puts on each answer before hq-oauth comes. */
  readonly cookie: string | null;
}

export interface RunningHost {
  /** Origin, without a slash at the end. */
  readonly url: string;
  /** Ends it with all its connections. */
  stop(): Promise<void>;
}

/** One framework with its adapter. */
export interface AdapterHost {
  /** For the titles of the tests, such as `koa`. */
  readonly name: string;
  /**
   * Starts an application on real HTTP. What neither hq-oauth nor the application answers is 404; an error that is not
   * of hq-oauth is answered by the framework's own way to handle errors: 418, with its message as text.
   */
  start(setup: HostSetup): Promise<RunningHost>;
}

/** The options of a mount, with functions of the framework's request in place of the suite's. */
export function optionsFor<Req>(mount: HostMount, visitorOf: (req: Req) => Visitor): WebOptions<Req> {
  const { name: _name, proxy: _proxy, manager, connectionId, authorize, expectedUser, ...rest } = mount;
  return {
    ...rest,
    manager: typeof manager === 'function' ? (req: Req) => manager(visitorOf(req)) : manager,
    connectionId:
      typeof connectionId === 'function' ? (req: Req) => connectionId(visitorOf(req)) : connectionId,
    ...(authorize && {
      authorize:
        typeof authorize === 'function'
          ? (req: Req, action: WebAction) => authorize(visitorOf(req), action)
          : authorize,
    }),
    ...(expectedUser && { expectedUser: (req: Req) => expectedUser(visitorOf(req)) }),
  };
}

/** Of Node's own request, which most frameworks keep somewhere. */
export function visitorOfHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Visitor {
  return {
    header(name) {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
  };
}
