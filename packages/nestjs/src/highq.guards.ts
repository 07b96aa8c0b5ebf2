import { type CanActivate, Scope, UseGuards } from '@nestjs/common';
import {
  APP_GUARD,
  ContextIdFactory,
  ExternalContextCreator,
  type ModuleRef,
  ModulesContainer,
} from '@nestjs/core';
import { AllowDisconnected } from './highq.decorators.ts';
import type { HighQReply, HighQRequest } from './highq.http.ts';

export type Route = (req: HighQRequest, res: HighQReply) => Promise<unknown>;

const NOTHING_ELSE = [undefined, undefined, undefined, undefined] as const;
const GUARDS_ONLY = { guards: true, interceptors: false, filters: false };
const SCOPES: ReadonlySet<Scope | undefined> = new Set([Scope.REQUEST, Scope.TRANSIENT]);

/**
 * Runs the global guards before a route of this module, as before a controller's: one of them may be what says who the
 * visitor is, or who is turned away. `HighQGuard` lets everybody pass.
 */
export function behindGlobalGuards(refs: ModuleRef, module: object, name: string, route: Route): Route {
  const contexts = refs.get(ExternalContextCreator, { strict: false });
  const scoped = scopedGuards(refs.get(ModulesContainer, { strict: false }));
  const guarded = (guards: readonly CanActivate[]): Route => {
    const handler = (...args: unknown[]): unknown => route(...(args as Parameters<Route>));
    // A guard may tell routes apart by it, as one that counts calls does.
    Object.defineProperty(handler, 'name', { value: name });
    const place = [module, name, { value: handler }] as const;
    UseGuards(...guards)(...place);
    AllowDisconnected()(...place);
    return contexts.create(
      module as Record<string, typeof handler>,
      handler,
      name,
      ...NOTHING_ELSE,
      GUARDS_ONLY,
    ) as Route;
  };
  if (scoped.length === 0) return guarded([]);
  return async (req, res) => {
    const contextId = ContextIdFactory.getByRequest(req);
    refs.registerRequestByContextId(req, contextId);
    const made = scoped.map((token) => refs.resolve<CanActivate>(token, contextId, { strict: false }));
    return guarded(await Promise.all(made))(req, res);
  };
}

/**
 * Global guards that Nest makes for each request, which only its own controllers get. It has no list of them to ask for, so
 * they are looked up where it keeps them.
 */
function scopedGuards(modules: ModulesContainer): readonly string[] {
  return [...modules.values()].flatMap(({ injectables }) =>
    [...injectables]
      .filter(([token, guard]) => String(token).startsWith(APP_GUARD) && SCOPES.has(guard.scope))
      .map(([token]) => String(token)),
  );
}
