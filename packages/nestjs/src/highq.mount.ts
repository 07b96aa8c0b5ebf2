import { ConfigurationError, type Connection } from '@hq-oauth/core';
import type { WebHandlers } from '@hq-oauth/core/web';
import type { ExecutionContext } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import {
  type FastifyLikeReply,
  type HighQReply,
  type HighQRequest,
  incomingOf,
  pathOf,
} from './highq.http.ts';

export type Web = WebHandlers<HighQRequest>;
/** Paths that a module answers itself, outside of controllers. */
export interface MountedRoutes {
  /** For frameworks that are told their paths beforehand; a `*` at the end stands for anything. */
  readonly paths: readonly string[];
  /** Whether this path, as it was asked for, is one of them. */
  owns(path: string): boolean;
  serve(req: HighQRequest, res: HighQReply): Promise<unknown>;
}

/** What is mounted on the way of one request, by name, and which of it the route asked for last. */
interface Visit {
  readonly webs: ReadonlyMap<string, Web>;
  current: Web;
}

const websOf = new WeakMap<AbstractHttpAdapter, Map<string, Web>>();
const visits = new WeakMap<object, Visit>();

/**
 * Puts the routes of one module into the application, outside of its global prefix and versions: `basePath` is the path
 * that browsers see.
 * @throws ConfigurationError for two modules of one name or path: the later one could never be reached
 */
export function mount(
  adapter: AbstractHttpAdapter,
  name: string,
  web: Web,
  routes: readonly MountedRoutes[],
): void {
  const webs = websOf.get(adapter) ?? new Map<string, Web>();
  const problems = [...webs].flatMap(([other, { basePath }]) => [
    ...(other === name ? [{ option: 'name', problem: `two of HighQModule have the name ${name}` }] : []),
    ...(basePath === web.basePath
      ? [{ option: 'basePath', problem: `two of HighQModule have the path ${basePath}` }]
      : []),
  ]);
  if (problems.length > 0) throw new ConfigurationError(problems);
  webs.set(name, web);
  websOf.set(adapter, webs);
  const note = (req: HighQRequest): void => {
    if (!visits.has(incomingOf(req)))
      visits.set(incomingOf(req), { webs, current: webs.get('default') ?? web });
  };
  if (adapter.getType() === 'fastify') mountOnFastify(adapter.getInstance(), note, routes);
  else mountOnExpress(adapter.getInstance(), note, routes);
}

interface ExpressLike {
  use(handler: (req: HighQRequest, res: HighQReply, next: () => void) => unknown): unknown;
}

type Note = (req: HighQRequest) => void;

function mountOnExpress(app: ExpressLike, note: Note, routes: readonly MountedRoutes[]): void {
  app.use((req, res, next) => {
    note(req);
    const asked = routes.find(({ owns }) => owns(pathOf(req)));
    return asked ? asked.serve(req, res) : next();
  });
}

interface FastifyLike {
  addHook(name: 'onRequest', hook: (req: HighQRequest, reply: unknown, done: () => void) => void): unknown;
  register(plugin: (scope: FastifyLike) => Promise<void>): unknown;
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string,
    parser: (req: unknown, body: unknown, done: (error: null, body: unknown) => void) => void,
  ): unknown;
  all(path: string, handler: (req: HighQRequest, reply: FastifyLikeReply) => Promise<unknown>): unknown;
}

function mountOnFastify(app: FastifyLike, note: Note, routes: readonly MountedRoutes[]): void {
  app.addHook('onRequest', (req, _reply, done) => {
    note(req);
    done();
  });
  // A scope of its own, so that bodies come as they were sent, whatever the application does with its own.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_req, body, done) => done(null, body));
    for (const { paths, owns, serve } of routes) {
      for (const path of paths) {
        scope.all(path, async (req, reply) => {
          // Fastify finds paths by what they decode to, hq-oauth by how they were sent.
          if (owns(pathOf(req))) await serve(req, reply);
          else reply.callNotFound();
          return reply;
        });
      }
    }
  });
}

/** The routes of the module of this name. @throws ConfigurationError where there is none, or no HTTP request */
export function webFor(context: ExecutionContext, name: string): { web: Web; req: HighQRequest } {
  if (context.getType() !== 'http') {
    throw new ConfigurationError([
      {
        option: 'HighQModule',
        problem: `has connections for HTTP requests only, not for ${context.getType()}`,
      },
    ]);
  }
  const req = context.switchToHttp().getRequest<HighQRequest>();
  const visit = visits.get(incomingOf(req));
  const web = visit?.webs.get(name);
  if (!visit || !web) {
    const problem = `none of the name ${name} is imported: HighQModule.forRoot({ name: '${name}', … })`;
    throw new ConfigurationError([{ option: 'HighQModule', problem }]);
  }
  visit.current = web;
  return { web, req };
}

/** The visitor's connection; `null` for an anonymous one. */
export async function connectionFor(context: ExecutionContext, name: string): Promise<Connection | null> {
  const { web, req } = webFor(context, name);
  return web.connection(req);
}

/** The routes that a request asked for last, else those of the module without a name. */
export function currentWeb(req: HighQRequest): Web | undefined {
  return visits.get(incomingOf(req))?.current;
}
