import type { RecordUnreadableError } from './errors.ts';
import type { RefreshYear } from './expiry.ts';
import type { GrantRecord, Intent, TokenPair } from './record.ts';
import type { Timings } from './timings.ts';
import type { TokenOutcome } from './token-outcome.ts';
import type { NewPair } from './transitions.ts';

/** A record as one read found it. `pair` is what its sealed tokens opened to. */
export interface Snapshot {
  readonly rev: number;
  readonly record: GrantRecord;
  readonly pair: TokenPair | null;
}

/** What a flight knows from its start and never changes. Times in ms. */
export interface FlightContext {
  /** Names this flight's one request. */
  readonly attemptId: string;
  /** Names the manager. */
  readonly owner: string;
  readonly timings: Timings;
  /** The newest grant that this process has in memory. */
  readonly known: Snapshot | null;
  /** -1 … 1, for everything that is spread. */
  readonly jitter: number;
  readonly configuredLifeMs: number | undefined;
  readonly refreshYear: RefreshYear;
}

/** When an event happened: by the store's clock (as last known) and on this process's monotonic clock, ms. */
export interface EventTime {
  readonly store: number;
  readonly mono: number;
}

/**
 * A refresh under way.
 *
 * - `reading`: the record is being read, to decide afresh.
 * - `waiting`: somebody's intent is live.
 * - `repairing`: the store fell back; what this process knows is being written.
 * - `announcing`: an announcement of a probe is being written (`settling: null`) or settles.
 * - `connecting`: the connection to the token endpoint comes up; nothing is written yet for a refresh.
 * - `intending`: the intent is being written. `checking` after a write whose answer was lost.
 * - `sending`: the request may have left.
 * - `clearing`: nothing was sent, or a definite answer came: the intent is being taken back.
 * - `persisting`: a received pair, or an answer to keep, is on its way to the store; tried without end.
 * - `rechecking`: refused; the record is read again before anything is concluded.
 * - `burying`: the end of the grant is being written.
 */
export type Flight =
  | { readonly at: 'reading' }
  | { readonly at: 'waiting'; readonly polls: number }
  | { readonly at: 'repairing' }
  | {
      readonly at: 'announcing';
      readonly snapshot: Snapshot;
      readonly intent: Intent;
      readonly settling: { readonly sinceMono: number } | null;
    }
  | { readonly at: 'connecting'; readonly snapshot: Snapshot; readonly kind: 'refresh' | 'probe' }
  | {
      readonly at: 'intending';
      readonly snapshot: Snapshot;
      readonly record: GrantRecord;
      readonly intent: Intent;
      readonly checking: boolean;
    }
  | { readonly at: 'sending'; readonly snapshot: Snapshot; readonly intent: Intent }
  | {
      readonly at: 'clearing';
      readonly intent: Intent;
      readonly then: FlightResult | 'read';
      readonly change: (record: GrantRecord) => GrantRecord;
      readonly tries: number;
    }
  | {
      readonly at: 'persisting';
      /** The record that the request was sent on. */
      readonly base: GrantRecord;
      readonly intent: Intent;
      readonly keep: Keepsake;
      /** How many reads and writes have failed. */
      readonly tries: number;
    }
  | { readonly at: 'rechecking'; readonly intent: Intent }
  | { readonly at: 'burying' }
  | { readonly at: 'done'; readonly result: FlightResult };

/** What must not be thrown away (I5). */
export type Keepsake =
  | {
      readonly kind: 'pair';
      readonly next: NewPair;
      readonly epoch: number;
      readonly quarantine: Unreadable | null;
    }
  | { readonly kind: 'quarantine'; readonly epoch: number; readonly quarantine: Unreadable };

export interface Unreadable {
  readonly text: string;
  readonly problem: string;
}

/**
 * How a flight ends. `settled`: the record says the rest (a newer pair, dead, disconnected). The others leave the
 * grant as it was.
 */
export type FlightResult =
  | { readonly kind: 'settled'; readonly snapshot: Snapshot | null; readonly refreshed: boolean }
  | { readonly kind: 'uncertain'; readonly retryAfterMs: number; readonly reason: string }
  | {
      readonly kind: 'not_sent';
      readonly reason: string;
      readonly retryAfterMs: number | null;
      readonly detail: string;
    }
  | { readonly kind: 'registration_refused'; readonly error: 'invalid_client' | 'unauthorized_client' }
  | { readonly kind: 'refused_unrecognized'; readonly status: number; readonly retryAfterMs: number }
  | { readonly kind: 'store_down'; readonly error: unknown }
  | { readonly kind: 'unreadable'; readonly error: RecordUnreadableError }
  | { readonly kind: 'closing' };

/** What happened. `leaseLeftMs`: of the intent in the snapshot, as this process counts it; 0 or less: it is over. */
export type FlightEvent =
  | { readonly type: 'started'; readonly time: EventTime }
  | {
      readonly type: 'read';
      readonly snapshot: Snapshot | null;
      readonly leaseLeftMs: number;
      readonly time: EventTime;
    }
  | { readonly type: 'read_failed'; readonly error: unknown; readonly time: EventTime }
  | { readonly type: 'unreadable'; readonly error: RecordUnreadableError; readonly time: EventTime }
  | {
      readonly type: 'written';
      readonly snapshot: Snapshot;
      readonly leaseLeftMs: number;
      readonly time: EventTime;
    }
  | {
      readonly type: 'refused';
      readonly snapshot: Snapshot | null;
      readonly leaseLeftMs: number;
      readonly time: EventTime;
    }
  | { readonly type: 'write_failed'; readonly error: unknown; readonly time: EventTime }
  | { readonly type: 'connected'; readonly time: EventTime }
  | { readonly type: 'connect_failed'; readonly detail: string; readonly time: EventTime }
  | { readonly type: 'outcome'; readonly outcome: TokenOutcome; readonly time: EventTime }
  | { readonly type: 'timer'; readonly time: EventTime }
  | { readonly type: 'closing'; readonly time: EventTime };

/**
 * What the shell must do. `read`, `write`, `connect`, `send` and `timer` are answered with an event, and a step asks
 * for exactly one of them unless the flight is done. The others are told in passing.
 */
export type FlightEffect =
  | { readonly type: 'read' }
  | { readonly type: 'write'; readonly expectedRev: number | null; readonly record: GrantRecord }
  | { readonly type: 'connect' }
  | { readonly type: 'send'; readonly refreshToken: string; readonly intent: Intent }
  | { readonly type: 'timer'; readonly ms: number }
  | { readonly type: 'hang_up' }
  /** The pair is in memory only: serve it, and keep the process alive for it. */
  | { readonly type: 'hold'; readonly snapshot: Snapshot; readonly tries: number }
  /** Callers may be told now: somebody else's intent of this age is live. */
  | { readonly type: 'blocked'; readonly ageMs: number; readonly leaseLeftMs: number }
  | {
      readonly type: 'anomaly';
      readonly anomaly: string;
      readonly detail: string;
      readonly generation: number;
    };

export type Step = readonly [Flight, readonly FlightEffect[]];
