export { type Clock, type Random, systemClock, systemRandom } from './clock.ts';
export { type Connection, internals, type ManagerInternals, type TokenManager } from './contracts.ts';
export * from './errors.ts';
export type { HighQEvents } from './events.ts';
export type * from './status.ts';
export type { TokenResponse, TokenResponseProblem } from './token-outcome.ts';
export type * from './token-store.ts';
