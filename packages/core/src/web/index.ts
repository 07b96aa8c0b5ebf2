export { createWebHandlers, healthResponse, type WebHandlers } from './handlers.ts';
export { type Incoming, requestOf } from './incoming.ts';
export { createMounts, type Mounts } from './mounts.ts';
export type { Authorize, RouteName, WebAction, WebOptions } from './options.ts';
export { ABOUT_THE_BODY, type ProblemOptions, problemResponse, type StatusOverrides } from './problem.ts';
export {
  createProxy,
  type ProxyCall,
  type ProxyMethod,
  type ProxyOptions,
  type ProxyVisit,
} from './proxy.ts';
export { type RefusalReason, RouteRefusedError } from './refused.ts';
export { scrubUrl } from './scrub-url.ts';
export type { ConnectionPage, Horizon, StatusDocument, StatusView } from './status-view.ts';
