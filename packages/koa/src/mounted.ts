import { ConfigurationError, type Connection } from '@hq-oauth/core';
import type { WebHandlers } from '@hq-oauth/core/web';
import type { Context } from 'koa';

export type Web = WebHandlers<Context>;

/** What is mounted on the way of one request, by name, and which of it the route asked for last. */
interface Mounted {
  readonly webs: Map<string, Web>;
  /** Of a visitor who is not anonymous. */
  readonly connections: Map<string, Connection>;
  current: Web;
}

const mountedOn = new WeakMap<Context, Mounted>();

/** @throws ConfigurationError for two of one name or path: the later one could never be reached */
export function mount(ctx: Context, as: string, web: Web): void {
  const mounted = mountedOn.get(ctx) ?? { webs: new Map(), connections: new Map(), current: web };
  if (mounted.webs.get(as) === web) return;
  const problems = [...mounted.webs].flatMap(([name, { basePath }]) => [
    ...(name === as ? [{ option: 'as', problem: `two of highq() have the name ${as}` }] : []),
    ...(basePath === web.basePath
      ? [{ option: 'basePath', problem: `two of highq() have the path ${basePath}` }]
      : []),
  ]);
  // An anonymous visitor would seem to have what stands there.
  if (!mounted.webs.has(as) && as in ctx) {
    problems.push({ option: 'as', problem: `${as} is a member of Koa's context already: take another name` });
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  mounted.webs.set(as, web);
  mountedOn.set(ctx, mounted);
}

/** Puts the visitor's connection on the request, for handlers. */
export function provide(ctx: Context, as: string, connection: Connection): void {
  mountedOn.get(ctx)?.connections.set(as, connection);
  Reflect.set(ctx, as, connection);
}

/**
 * The connection of this name, and from here on its routes answer errors; `null` for an anonymous visitor.
 * @throws ConfigurationError where no `highq()` of this name came before
 */
export function connectionOf(ctx: Context, as: string, who: string): Connection | null {
  const mounted = mountedOn.get(ctx);
  const web = mounted?.webs.get(as);
  if (!mounted || !web) {
    const problem = `comes before highq(${as === 'highq' ? '' : `{ as: '${as}' }`}): mount that first`;
    throw new ConfigurationError([{ option: who, problem }]);
  }
  mounted.current = web;
  return mounted.connections.get(as) ?? null;
}

/** Whose routes answer an error. */
export function currentWeb(ctx: Context): Web | undefined {
  return mountedOn.get(ctx)?.current;
}
