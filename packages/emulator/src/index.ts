export type { ClockMode, ClockReading, ClockSource, EmulatorClock } from './clock.ts';
export { createEmulator, type Emulator, type EmulatorEnv, type EmulatorOptions } from './create-emulator.ts';
export type { Registrations, Users } from './directory.ts';
export type { EmulatorEvent } from './events.ts';
export {
  type Endpoint,
  FAULT_KINDS,
  type Fault,
  type FaultInput,
  type FaultKind,
  type FaultMatch,
  type Faults,
} from './faults.ts';
export type { GrantType, Ledger, LedgerEntry, LedgerFilter, TokenType, Verdict } from './ledger.ts';
export type { AuthorizeInput, RevokeInput } from './operations.ts';
export { RefusedError } from './refusal.ts';
export type { RequestEntry, RequestFilter, RequestLog } from './request-log.ts';
export type { ColumnType, Isheet, Organisation, Registration, Seed, Site, User } from './seed.ts';
export type { EmulatorState, GrantReport } from './state-report.ts';
export { DEFAULT_SWITCHES, SWITCH_POSITIONS, type Switches } from './switches.ts';
