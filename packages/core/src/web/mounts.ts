import type { Connection } from '../contracts.ts';
import { ConfigurationError } from '../errors.ts';
import type { WebHandlers } from './handlers.ts';

/** What several `highq()` on the way of one request know of each other: for adapters whose frameworks pass a request on. */
export interface Mounts<Req extends object> {
  /** @throws ConfigurationError for two of one name or path: the later one could never be reached */
  mount(req: Req, as: string, web: WebHandlers<Req>): void;
  /** Puts the visitor's connection on the request, for handlers. */
  provide(req: Req, as: string, connection: Connection): void;
  /**
   * The connection of this name, and from here on its routes answer errors; `null` for an anonymous visitor.
   * @throws ConfigurationError where no `highq()` of this name came before
   */
  connectionOf(req: Req, as: string, who: string): Connection | null;
  /** Whose routes answer an error. */
  currentWeb(req: Req): WebHandlers<Req> | undefined;
}

/** What is mounted on the way of one request, by name, and which of it the route asked for last. */
interface Mounted<Req> {
  readonly webs: Map<string, WebHandlers<Req>>;
  /** Of a visitor who is not anonymous. */
  readonly connections: Map<string, Connection>;
  current: WebHandlers<Req>;
}

/** `holder`: what the connection is put on, for the message of an error. @example createMounts("Koa's context") */
export function createMounts<Req extends object>(holder: string): Mounts<Req> {
  const mountedOn = new WeakMap<Req, Mounted<Req>>();
  return {
    mount(req, as, web) {
      const mounted = mountedOn.get(req) ?? { webs: new Map(), connections: new Map(), current: web };
      if (mounted.webs.get(as) === web) return;
      const problems = [...mounted.webs].flatMap(([name, { basePath }]) => [
        ...(name === as ? [{ option: 'as', problem: `two of highq() have the name ${as}` }] : []),
        ...(basePath === web.basePath
          ? [{ option: 'basePath', problem: `two of highq() have the path ${basePath}` }]
          : []),
      ]);
      // An anonymous visitor would seem to have what stands there.
      if (!mounted.webs.has(as) && as in req) {
        problems.push({ option: 'as', problem: `${as} is a member of ${holder} already: take another name` });
      }
      if (problems.length > 0) throw new ConfigurationError(problems);
      mounted.webs.set(as, web);
      mountedOn.set(req, mounted);
    },
    provide(req, as, connection) {
      mountedOn.get(req)?.connections.set(as, connection);
      Reflect.set(req, as, connection);
    },
    connectionOf(req, as, who) {
      const mounted = mountedOn.get(req);
      const web = mounted?.webs.get(as);
      if (!mounted || !web) {
        const problem = `comes before highq(${as === 'highq' ? '' : `{ as: '${as}' }`}): mount that first`;
        throw new ConfigurationError([{ option: who, problem }]);
      }
      mounted.current = web;
      return mounted.connections.get(as) ?? null;
    },
    currentWeb: (req) => mountedOn.get(req)?.current,
  };
}
