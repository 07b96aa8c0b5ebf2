import type { EmulatorClock } from './clock.ts';
import type { Registrations, Users } from './directory.ts';
import type { EventFeed } from './events.ts';
import type { Faults } from './faults.ts';
import type { Ledger } from './ledger.ts';
import type { RequestLog } from './request-log.ts';
import type { EmulatorData } from './state.ts';
import type { Switches } from './switches.ts';
import type { Tokens, TokenWorld } from './tokens.ts';

/** One emulator: all that its routes share. Nothing of it is shared between two emulators of one process. */
export interface World extends TokenWorld {
  readonly instance: string;
  /** Path of the instance, `/acme`. */
  readonly base: string;
  /** Origin under which it is reached, without a slash at the end. */
  readonly url: string;
  /** Carries the port: a browser sends the cookies of 127.0.0.1 to every port of it. */
  readonly cookieName: string;
  data: EmulatorData;
  switches: Switches;
  readonly clock: EmulatorClock;
  readonly ledger: Ledger;
  readonly requests: RequestLog;
  readonly faults: Faults;
  readonly events: EventFeed;
  readonly registrations: Registrations;
  readonly users: Users;
  readonly tokens: Tokens;
  snapshot(name: string): void;
  restore(name: string): void;
  reset(): void;
}
