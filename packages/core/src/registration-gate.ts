import * as v from 'valibot';
import { CLOCK_DRIFT_MS, isAhead } from './expiry.ts';
import type { Timings } from './timings.ts';
import type { TokenOutcome } from './token-outcome.ts';
import type { StoreKey, TokenStore } from './token-store.ts';

const instant = v.pipe(v.number(), v.minValue(0));
const schema = v.looseObject({
  v: v.literal(1),
  /** Nothing is sent from `openedAt` until this instant. */
  openUntil: instant,
  openedAt: v.optional(instant, 0),
  /** What the provider asked for by `Retry-After`; only time ends it. */
  pausedUntil: v.optional(instant, 0),
  pausedAt: v.optional(instant, 0),
  /** Somebody is trying for all until then. */
  halfOpenUntil: instant,
  failures: v.pipe(v.number(), v.integer(), v.minValue(0)),
  reason: v.nullable(v.string()),
  lastOkAt: v.nullable(instant),
});
type State = v.InferOutput<typeof schema>;

const CLOSED: State = {
  v: 1,
  openUntil: 0,
  openedAt: 0,
  pausedUntil: 0,
  pausedAt: 0,
  halfOpenUntil: 0,
  failures: 0,
  reason: null,
  lastOkAt: null,
};

/** So many requests in a row without a recognizable answer open the breaker. */
const FAILURES_TO_OPEN = 5;
/** Each refused write means that another one landed. */
const WRITES_AT_MOST = 32;
/** A good answer is noted again only after this long, so that a healthy registration costs no extra writes. */
const NOTE_OK_MS = 5 * 60_000;

/** `slot`: the one try of an open breaker is this caller's, to be given back if nothing comes of it. */
export type GateAnswer =
  | { readonly open: true; readonly lastOkAt: number | null; readonly slot: number | null }
  | { readonly open: false; readonly retryAfterMs: number; readonly reason: string };

/**
 * What all processes share about one registration: its breaker, and the provider's `Retry-After`. While the breaker is
 * open, one request at a time is let through when its pause is over; any recognized answer closes it.
 */
export class RegistrationGate {
  readonly #store: TokenStore;
  readonly #key: StoreKey;
  readonly #timings: Timings;

  constructor(store: TokenStore, registration: string, timings: Timings) {
    this.#store = store;
    this.#key = { registration, kind: 'registration', id: 'breaker' };
    this.#timings = timings;
  }

  /** May a request be sent now? Rejects as the store does. */
  async check(): Promise<GateAnswer> {
    for (;;) {
      const { row, now } = await this.#store.read(this.#key);
      if (!row) return { open: true, lastOkAt: null, slot: null };
      const state = parse(row.body);
      const { connectMs, responseMs, settleMs, announceSlackMs } = this.#timings;
      // A probe settles first.
      const tryMs = settleMs + announceSlackMs + connectMs + responseMs;
      // A clock that was set back must not keep the breaker open for as long as that.
      const open = isAhead(state.openUntil, state.openUntil - state.openedAt, now) ? state.openUntil : 0;
      const tried = isAhead(state.halfOpenUntil, tryMs, now) ? state.halfOpenUntil : 0;
      const paused = isAhead(state.pausedUntil, state.pausedUntil - state.pausedAt, now)
        ? state.pausedUntil
        : 0;
      const shutUntil = Math.max(open, tried, paused);
      const reason = paused === shutUntil ? 'rate_limited' : (state.reason ?? 'failures');
      // A try that goes well ends long before its slot does, and then nobody needs to wait any more.
      const askAgainMs = tried > Math.max(open, paused) ? settleMs + connectMs : Number.POSITIVE_INFINITY;
      if (shutUntil > now)
        return { open: false, retryAfterMs: Math.min(shutUntil - now, askAgainMs), reason };
      const lastOkAt = seenOkAt(state, now);
      if (state.failures < FAILURES_TO_OPEN) return { open: true, lastOkAt, slot: null };
      const halfOpenUntil = now + tryMs;
      if (await this.#write(row.rev, { ...state, halfOpenUntil }))
        return { open: true, lastOkAt, slot: halfOpenUntil };
    }
  }

  /** Nothing was sent in this slot: somebody else may try at once. Rejects as the store does; nothing depends on it. */
  async release(slot: number): Promise<void> {
    for (let tries = 0; tries < WRITES_AT_MOST; tries += 1) {
      const { row } = await this.#store.read(this.#key);
      const state = row && parse(row.body);
      if (!state || state.halfOpenUntil !== slot) return;
      if (await this.#write(row.rev, { ...state, halfOpenUntil: 0 })) return;
    }
  }

  /** Takes in what an answer says about the registration. Rejects as the store does; nothing depends on it. */
  async report(outcome: TokenOutcome): Promise<void> {
    for (let tries = 0; tries < WRITES_AT_MOST; tries += 1) {
      const { row, now } = await this.#store.read(this.#key);
      const found = row ? parse(row.body) : CLOSED;
      const lastOkAt = seenOkAt(found, now);
      // Left there it would count again as soon as the clock has come to where it was dated.
      const state = lastOkAt === found.lastOkAt ? found : { ...found, lastOkAt };
      const next = this.#after(state, outcome, now);
      if (next === found || (await this.#write(row?.rev ?? null, next))) return;
    }
  }

  #after(state: State, outcome: TokenOutcome, now: number): State {
    const shut = (untilMs: number): Pick<State, 'openedAt' | 'openUntil'> => {
      const until = Math.floor(now + untilMs);
      const longer =
        isAhead(state.openUntil, state.openUntil - state.openedAt, now) && state.openUntil > until;
      return longer
        ? { openedAt: state.openedAt, openUntil: state.openUntil }
        : { openedAt: now, openUntil: until };
    };
    // What was under way when the provider asked for a pause says nothing about the pause (F20).
    const { pausedAt, pausedUntil } = state;
    const closed: State = { ...CLOSED, pausedAt, pausedUntil };
    const pause = (ms: number): Pick<State, 'pausedAt' | 'pausedUntil'> => {
      const until = Math.floor(now + ms);
      const longer = isAhead(pausedUntil, pausedUntil - pausedAt, now) && pausedUntil > until;
      return longer ? { pausedAt, pausedUntil } : { pausedAt: now, pausedUntil: until };
    };
    switch (outcome.kind) {
      case 'ok': {
        const quiet =
          state.failures === 0 && state.openUntil === 0 && now - (state.lastOkAt ?? 0) < NOTE_OK_MS;
        return quiet ? state : { ...state, ...closed, lastOkAt: now };
      }
      case 'rejected':
        if (outcome.error !== 'invalid_grant')
          return this.#opened(state, outcome.error, now, this.#timings.probeMs);
        return state.failures === 0 && state.openUntil === 0
          ? state
          : { ...state, ...closed, lastOkAt: state.lastOkAt };
      case 'unusable':
        return this.#opened(state, 'unusable_answer', now, this.#timings.probeMs);
      case 'not_sent':
        if (outcome.reason !== 'rate_limited') return state;
        return { ...state, halfOpenUntil: 0, ...pause(outcome.retryAfterMs ?? this.#timings.backoffMs) };
      case 'unknown': {
        const failures = state.failures + 1;
        const opens = failures >= FAILURES_TO_OPEN;
        return {
          ...state,
          failures,
          reason: outcome.reason,
          halfOpenUntil: 0,
          ...(outcome.retryAfterMs ? pause(outcome.retryAfterMs) : {}),
          ...(opens ? shut(this.#pause(failures, this.#timings.probeMs / 2)) : {}),
        };
      }
      case 'unrecognized':
        // A refusal of one grant (F117) says nothing about the others.
        return state.halfOpenUntil > now ? { ...state, halfOpenUntil: 0 } : state;
      default:
        return outcome satisfies never;
    }
  }

  #opened(state: State, reason: string, now: number, firstMs: number): State {
    const failures = Math.max(state.failures + 1, FAILURES_TO_OPEN);
    return {
      ...state,
      failures,
      reason,
      halfOpenUntil: 0,
      openedAt: now,
      openUntil: Math.floor(now + this.#pause(failures, firstMs)),
    };
  }

  #pause(failures: number, firstMs: number): number {
    return Math.min(firstMs * 2 ** (failures - FAILURES_TO_OPEN), this.#timings.probeMs * 5);
  }

  async #write(rev: number | null, state: State): Promise<boolean> {
    const value = { body: JSON.stringify(state), state: 'other', dueAt: null, expiresAt: null } as const;
    return (await this.#store.cas(this.#key, rev, value)).ok;
  }
}

/** One that is dated in the future proves nothing: the clock has been set back since, nobody knows how long ago it was. */
function seenOkAt({ lastOkAt }: State, now: number): number | null {
  return lastOkAt !== null && lastOkAt <= now + CLOCK_DRIFT_MS ? lastOkAt : null;
}

/** A damaged row counts as a closed breaker: it holds no secret and nothing that cannot be learnt again. */
function parse(body: string): State {
  try {
    return v.parse(schema, JSON.parse(body));
  } catch {
    return CLOSED;
  }
}
