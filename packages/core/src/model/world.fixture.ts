import type { Flight, FlightContext, FlightEvent, JournalledPair, Snapshot, Step } from '../flight.ts';
import type { GrantRecord, IntentKind } from '../record.ts';
import { type Timings, timings } from '../timings.ts';

/**
 * One state of the model: a store with one record, processes, a provider, requests on their way. Everything in it is
 * immutable. There is no running clock: `NOW` never changes, and a tick moves every instant of the state one step into
 * the past. So two states that differ in their date only are one.
 *
 * What is left out: the breaker (it lets everything pass), connecting (at once), parsing and sealing, quarantine, the state of
 * access tokens (always due), callers and their waiting, revalidation in the background, `close()`, jitter, clocks of
 * machines (they run as the store's does; what a process takes for the store's time may be old). A process that polls
 * a record which has not changed is left out as well. An answer reaches a process in the same step in which the store
 * gave it, unless a fault stops the process in between: what others do meanwhile, they can do before or after.
 */

/** Longer than the drift of clocks that a process tolerates, so that a stop of one tick is one that it notices. */
export const TICK = 10_000;
/** The store's clock, and every process's monotonic one. */
export const NOW = 1_000_000;

export type Journaling = 'none' | 'shared' | 'private';
/** What the provider does with a refresh token that it has replaced. */
export type Reuse = 'refused' | 'family' | 'same' | 'fork' | 'replace';

/** What may go wrong, or be done by a person: each costs one of the run's faults. */
export type Fault =
  | 'store_error'
  | 'outage'
  | 'partition'
  | 'crash'
  | 'pause'
  | 'fallback'
  | 'request_lost'
  | 'answer_lost'
  | 'slow'
  | 'refusal'
  | 'rate_limit'
  | 'connect'
  | 'revoke'
  | 'reauthorize'
  | 'disconnect';

/** Durations in ticks. */
export interface Ticks {
  readonly lease: number;
  readonly response: number;
  readonly linger: number;
  readonly settle: number;
  readonly announceSlack: number;
  readonly persistRetry: number;
}

export const TICKS: Ticks = {
  lease: 3,
  response: 1,
  linger: 1,
  settle: 2,
  announceSlack: 1,
  persistRetry: 1,
};

/** The machine under test, and the parts of the shell that a mutant replaces. */
export interface System {
  readonly step: (context: FlightContext, flight: Flight, event: FlightEvent) => Step;
  readonly takeOff: () => Step;
  /** The check just before the first byte. */
  readonly maySend: (passedMs: number, leaseLeftMs: number, timings: Timings) => boolean;
  /** The revision that a write of this flight is held against. */
  readonly expects: (flight: Flight, expectedRev: number | null, actual: number | null) => number | null;
  /** What a re-authorization writes, from what the builder of the real one made of the record. */
  readonly authorized: (before: GrantRecord, after: GrantRecord) => GrantRecord;
  readonly disconnected: (before: GrantRecord, after: GrantRecord) => GrantRecord | null;
}

export interface Config {
  readonly processes: number;
  readonly generations: number;
  readonly faults: number;
  readonly kinds: readonly Fault[];
  readonly journal: Journaling;
  readonly reuse: Reuse;
  readonly ticks: Ticks;
  /** What the processes believe the ticks to be; the provider keeps to `ticks`. */
  readonly believed: Timings;
  readonly system: System;
  /** Each process has a name of its own, which it writes into intents. Twice as many states, as they are not alike then. */
  readonly owners: boolean;
  /** A store whose revisions are counted gives the same ones again after it fell back. */
  readonly revisions: 'counted' | 'unique';
  /** Also a loss that shows one generation after the request that caused it must bear its name. */
  readonly strictLabels: boolean;
}

export function timingsOf(ticks: Ticks): Timings {
  return {
    ...timings(),
    connectMs: 0,
    responseMs: ticks.response * TICK,
    lingerMs: ticks.linger * TICK,
    leaseMs: ticks.lease * TICK,
    settleMs: ticks.settle * TICK,
    announceSlackMs: ticks.announceSlack * TICK,
    pollMs: TICK,
    persistRetryMs: ticks.persistRetry * TICK,
    probeMs: TICK,
    probeMaxMs: TICK,
    unrecognizedMs: TICK,
  };
}

/** An intent as a process first saw it; its key is made of the first three members. */
export interface Sight {
  readonly attemptId: string;
  readonly kind: IntentKind;
  readonly leaseUntil: number;
  /** The store's clock was seen to jump since. */
  readonly jumped: boolean;
  readonly monoEndsAt: number;
  readonly distrusted: boolean;
}

/** What came back and has not been looked at: `now` is the store's time when it answered. */
export type Answer =
  | {
      readonly type: 'read' | 'written' | 'refused';
      readonly snapshot: Snapshot | null;
      readonly now: number;
    }
  | { readonly type: 'failed' }
  | { readonly type: 'outcome'; readonly outcome: Outcome };

export type Outcome =
  | { readonly kind: 'ok'; readonly token: string }
  | { readonly kind: 'invalid_grant' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unrecognized' }
  | { readonly kind: 'rate_limited' };

/** What a flight has asked for. */
export type Op =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly expectedRev: number | null; readonly record: GrantRecord }
  | { readonly kind: 'timer'; readonly ticks: number }
  | {
      readonly kind: 'replay';
      readonly above: { readonly epoch: number; readonly generation: number };
      readonly beside: string | null;
    }
  | { readonly kind: 'journal'; readonly record: GrantRecord }
  | { readonly kind: 'send' }
  | { readonly kind: 'answered'; readonly answer: Answer };

export interface Running {
  readonly attemptId: string;
  /** What the process knew when the flight began. */
  readonly known: Snapshot | null;
  readonly flight: Flight;
  readonly op: Op;
  /** When the intent's write was begun. */
  readonly writtenAt: number;
  /** An `invalid_grant` was read in this flight; `checked`: and the record after it. */
  readonly refusal: 'none' | 'unchecked' | 'checked';
  /** What the journals held when this flight last read them; `null`: not since its announcement, or its last refusal. */
  readonly replayed: readonly string[] | null;
}

export interface Process {
  readonly owner: string;
  readonly up: boolean;
  readonly paused: boolean;
  /** Cut off from the store, not from the provider. */
  readonly cut: boolean;
  /** Stopped or cut off at some time of this flight: the third window of I10. */
  readonly excused: boolean;
  readonly loaded: boolean;
  readonly known: Snapshot | null;
  readonly unpersisted: boolean;
  /** How far this process's idea of the store's clock is behind it, ms, 0 or less. */
  readonly lag: number;
  /** When the store's time was last seen to jump, on the monotonic clock. */
  readonly jump: { readonly jumpedAt: number; readonly byMs: number } | null;
  readonly sight: Sight | null;
  readonly running: Running | null;
  /** Its own journal, which outlives it. */
  readonly journal: readonly JournalledPair[];
}

export interface Row {
  readonly rev: number;
  readonly record: GrantRecord;
}

export interface Store {
  readonly row: Row | null;
  /** Whose grant the row is about, in truth. */
  readonly family: string;
  /** States that the store may fall back to, oldest first. */
  readonly past: readonly { readonly row: Row | null; readonly family: string }[];
  readonly journal: readonly JournalledPair[];
  /** Down, for so many more ticks at least. */
  readonly down: { readonly ticks: number } | null;
}

/** A request that the provider may still process, or whose answer lies in the buffer of a stopped process. */
export interface Request {
  readonly attemptId: string;
  readonly token: string;
  readonly epoch: number;
  readonly generation: number;
  readonly age: number;
  /** Nobody listens any more. */
  readonly orphan: boolean;
}

export interface ProviderToken {
  readonly name: string;
  readonly state: 'live' | 'replaced' | 'dead';
  readonly successor: string | null;
}

/** What really happened, which no process sees. */
export interface Truth {
  readonly tokens: readonly ProviderToken[];
  readonly requests: readonly Request[];
  /** Presented, and not answered by a refusal that leaves the token as it was. */
  readonly presented: readonly {
    readonly token: string;
    readonly attemptId: string;
    /** The lease, in ticks. */
    readonly lasts: number;
  }[];
  /** Refresh tokens that a process has read and that must not get lost. */
  readonly received: readonly string[];
  /** `lasts`: the settle time, in ticks. */
  readonly announced: { readonly attemptId: string; readonly lasts: number } | null;
  readonly fell: boolean;
  /** The store forgot an intent that it had acknowledged, without a trace in `(epoch, generation)`. */
  readonly forgotIntent: boolean;
  readonly revoked: boolean;
  /** The generation of a replaced token whose second presentation ended the grant. */
  readonly endedByReuse: number | null;
  /** Authorizations and disconnects so far. */
  readonly acts: number;
  readonly faults: number;
}

export interface World {
  readonly store: Store;
  readonly truth: Truth;
  readonly processes: readonly Process[];
}

/** Takes one thing that may happen next. */
export type Free = (label: string, to: () => World) => void;
/** The same for what costs a fault. */
export type Faulty = (kind: Fault, label: string, to: (faulted: World) => World) => void;

/** A rule of the protocol was broken. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.invariant = invariant;
  }
}
