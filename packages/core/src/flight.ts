import type { RecordUnreadableError } from './errors.ts';
import type { RefreshYear } from './expiry.ts';
import type { Above } from './journal-standing.ts';
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

/** What a flight knows; nothing but `newest` and `deadToken` changes while it goes on. Times in ms. */
export interface FlightContext {
  /** Names this flight's one request. */
  readonly attemptId: string;
  /** Names the manager. */
  readonly owner: string;
  readonly timings: Timings;
  /** The newest grant that this process had in memory when the flight began. */
  readonly known: Snapshot | null;
  /** The newest that it has now: other reads and writes of the process go on beside a flight. */
  readonly newest: Snapshot | null;
  /** -1 … 1, for everything that is spread. */
  readonly jitter: number;
  readonly configuredLifeMs: number | undefined;
  readonly refreshYear: RefreshYear;
  /** Fingerprint of an access token that the API was found to refuse before its time: waiting for its end gains nothing. */
  readonly deadToken: string | null;
  /** There are journals, to be replayed before anything is sent and written before the store. */
  readonly journaled: boolean;
  /** `look`: only what journals hold is wanted; nothing is renewed. */
  readonly purpose: 'refresh' | 'look';
  /** The grant whose kept answer this process has tried to read; a version that could not will not the second time. */
  readonly reparsed: { readonly epoch: number; readonly generation: number } | null;
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
 * - `replaying`: journals are being read, before a decision, before a probe, or before a refusal is believed.
 * - `restoring`: what a journal holds is being written: a pair, an answer that could not be read, an account to be
 *   confirmed, that a person left, or when one who has come back left last.
 * - `reparsing`: a kept answer is being read once more.
 * - `gating`: the registration's breaker is asked.
 * - `repairing`: the store fell back; what this process knows is being written.
 * - `announcing`: an announcement of a probe is being written (`settling: null`) or settles.
 * - `connecting`: the connection to the token endpoint comes up; nothing is written yet for a refresh.
 * - `intending`: the intent is being written. `checking` after a write whose answer was lost.
 * - `sending`: the request may have left.
 * - `clearing`: nothing was sent, or a definite answer came: the intent is being taken back.
 * - `persisting`: a received pair, or an answer to keep, is on its way to the store; tried without end.
 * - `rechecking`: refused; the record is read again before anything is concluded.
 * - `burying`: the end of the grant is being written, or the second pair of its row in the place of the refused one.
 */
export type Flight =
  | { readonly at: 'reading' }
  | { readonly at: 'waiting'; readonly polls: number }
  | { readonly at: 'repairing' }
  | { readonly at: 'replaying'; readonly found: DecisionBase; readonly then: AfterReplay }
  | {
      readonly at: 'restoring';
      readonly what: 'pair' | 'answer' | 'tombstone' | 'pending' | 'crossed' | 'left';
    }
  | { readonly at: 'reparsing'; readonly found: DecisionBase & { readonly snapshot: Snapshot } }
  | { readonly at: 'gating'; readonly snapshot: Snapshot; readonly kind: 'refresh' | 'probe' }
  | {
      readonly at: 'announcing';
      readonly snapshot: Snapshot;
      readonly intent: Intent;
      readonly settling: { readonly sinceMono: number } | null;
      readonly lastOkAt: number | null;
    }
  | {
      readonly at: 'connecting';
      readonly snapshot: Snapshot;
      readonly kind: 'refresh' | 'probe';
      readonly lastOkAt: number | null;
    }
  | {
      readonly at: 'intending';
      readonly snapshot: Snapshot;
      readonly record: GrantRecord;
      readonly intent: Intent;
      readonly checking: boolean;
      readonly lastOkAt: number | null;
    }
  | {
      readonly at: 'sending';
      readonly snapshot: Snapshot;
      readonly intent: Intent;
      /** When the registration last gave a usable answer, store's clock. */
      readonly lastOkAt: number | null;
    }
  | {
      readonly at: 'clearing';
      readonly intent: Intent;
      readonly then: FlightResult | 'read';
      readonly change: (record: GrantRecord) => GrantRecord;
      readonly tries: number;
    }
  | {
      readonly at: 'persisting';
      /** The record that the request was sent on, and its `rev`. */
      readonly base: GrantRecord;
      readonly rev: number;
      readonly intent: Intent;
      readonly keep: Keepsake;
      /** Written to the journals, or there are none. */
      readonly journaled: boolean;
      /** How many reads and writes have failed. */
      readonly tries: number;
    }
  | { readonly at: 'rechecking'; readonly intent: Intent }
  | { readonly at: 'burying'; readonly intent: Intent | null }
  | { readonly at: 'done'; readonly result: FlightResult };

/** What one read found, kept for the decision that follows. */
export interface DecisionBase {
  readonly snapshot: Snapshot | null;
  readonly leaseLeftMs: number;
}

/** What a replay was for: deciding afresh, knowing what there is, sending an announced probe, believing a refusal. */
export type AfterReplay =
  | { readonly kind: 'decide'; readonly polls: number }
  | { readonly kind: 'look' }
  | { readonly kind: 'probe'; readonly lastOkAt: number | null }
  | { readonly kind: 'bury'; readonly intent: Intent };

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
  /**
   * The newest pair above the record's that a journal holds, and an answer to this very generation that could not be
   * read; `null`: none.
   */
  | {
      readonly type: 'replayed';
      readonly entry: JournalledPair | null;
      readonly answer: JournalledAnswer | null;
      /** The newest account that waited to be confirmed. */
      readonly pending: NonNullable<GrantRecord['pending']> | null;
      /** A sign-in that may have crossed the one that stands, and was written nowhere else. */
      readonly crossed?: JournalledPair | null;
      /** There is such a one, also if it does not open here. */
      readonly below?: boolean;
      /** When somebody left last, as far as the journals tell. */
      readonly leftAt?: number | null;
      readonly time: EventTime;
    }
  | { readonly type: 'replay_failed'; readonly error: unknown; readonly time: EventTime }
  | { readonly type: 'journaled'; readonly time: EventTime }
  | { readonly type: 'reparsed'; readonly outcome: TokenOutcome | null; readonly time: EventTime }
  | { readonly type: 'gate_open'; readonly lastOkAt: number | null; readonly time: EventTime }
  | {
      readonly type: 'gate_closed';
      readonly retryAfterMs: number;
      readonly reason: string;
      readonly time: EventTime;
    }
  | { readonly type: 'closing'; readonly time: EventTime };

/** A grant as a journal entry holds it, opened. `at`: when it was written down. */
export interface JournalledPair {
  readonly record: GrantRecord;
  /** `null`: the person has left. */
  readonly pair: TokenPair | null;
  readonly at: number;
}

/** An answer that could not be read, as a journal entry holds it, sealed. `at`: when it was written down. */
export interface JournalledAnswer {
  readonly quarantine: NonNullable<GrantRecord['quarantine']>;
  readonly at: number;
}

/**
 * What the shell must do. `read`, `write`, `replay`, `journal`, `reparse`, `gate`, `connect`, `send` and `timer` are answered with
 * an event, and a step asks for exactly one of them unless the flight is done. The others are told in passing.
 */
export type FlightEffect =
  | { readonly type: 'read' }
  | { readonly type: 'write'; readonly expectedRev: number | null; readonly record: GrantRecord }
  /**
   * `authorizationId`: also a higher generation of this sign-in from before it took another one's place. `beside`: also
   * another pair of the same generation, with a refresh token of another fingerprint than this.
   */
  | {
      readonly type: 'replay';
      readonly above: Above;
      readonly beside: string | null;
    }
  /** Answered with `journaled` also when it failed: the store is next in any case. */
  | { readonly type: 'journal'; readonly record: GrantRecord }
  | { readonly type: 'reparse'; readonly snapshot: Snapshot }
  | { readonly type: 'gate' }
  | { readonly type: 'connect' }
  | { readonly type: 'send'; readonly refreshToken: string; readonly intent: Intent }
  | { readonly type: 'timer'; readonly ms: number }
  | { readonly type: 'hang_up' }
  /** What the answer says about the registration, for its breaker. */
  | { readonly type: 'report'; readonly outcome: TokenOutcome }
  /** The store has this grant: journals need what is below it no more. */
  | { readonly type: 'forget'; readonly below: { readonly epoch: number; readonly generation: number } }
  /** The pair is in memory only: serve it, and keep the process alive for it. */
  | { readonly type: 'hold'; readonly snapshot: Snapshot; readonly tries: number }
  /** The same of an answer that could not be read: there is nothing to serve. */
  | { readonly type: 'hold_answer'; readonly record: GrantRecord; readonly tries: number }
  /** Callers may be told now: somebody else's intent of this age is live. */
  | { readonly type: 'blocked'; readonly ageMs: number; readonly leaseLeftMs: number }
  | {
      readonly type: 'anomaly';
      readonly anomaly: string;
      readonly detail: string;
      readonly generation: number;
    };

export type Step = readonly [Flight, readonly FlightEffect[]];
