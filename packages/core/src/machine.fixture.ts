import type { Flight, FlightContext, FlightEffect, FlightEvent, Snapshot } from './flight.ts';
import { step, takeOff } from './machine.ts';
import { EMPTY_RECORD, type GrantRecord, type Intent } from './record.ts';
import { timings } from './timings.ts';
import type { TokenOutcome } from './token-outcome.ts';

export const T0 = 1_700_000_000_000;
export const LIFE = 30 * 60_000;
export const TIMES = timings();

export function record(change: Partial<GrantRecord> = {}): GrantRecord {
  return {
    ...EMPTY_RECORD,
    epoch: 7,
    generation: 3,
    authorizedAt: T0 - LIFE,
    tokens: 'sealed',
    access: { issuedAt: T0 - LIFE, lifeMs: LIFE, fingerprint: 'a3' },
    refresh: { issuedAt: T0 - LIFE, lifeMs: 365 * 86_400_000, fingerprint: 'r3' },
    ...change,
  };
}

export function snapshot(change: Partial<GrantRecord> = {}, rev = 5): Snapshot {
  return { rev, record: record(change), pair: { access: 'access-3', refresh: 'refresh-3' } };
}

export function intentOf(change: Partial<Intent> = {}): Intent {
  return {
    attemptId: 'foreign',
    generation: 3,
    owner: 'other',
    kind: 'refresh',
    firstAt: T0 - 1_000,
    leaseUntil: T0 - 1_000 + TIMES.leaseMs,
    ...change,
  };
}

export function context(change: Partial<FlightContext> = {}): FlightContext {
  return {
    attemptId: 'mine',
    owner: 'me',
    timings: TIMES,
    known: snapshot(),
    jitter: 0,
    configuredLifeMs: undefined,
    refreshYear: 'unknown',
    journaled: false,
    reparsed: null,
    deadToken: null,
    purpose: 'refresh',
    newest: change.known === undefined ? snapshot() : change.known,
    ...change,
  };
}

export const ok = {
  kind: 'ok',
  response: {
    accessToken: 'access-4',
    refreshToken: 'refresh-4',
    expiresInSeconds: 1_800,
    refreshExpiresInSeconds: null,
    userEmail: 'user@clientname.com',
    format: 'xml',
    anomalies: [],
  },
} satisfies TokenOutcome;

/** Drives one flight by hand and keeps what it asked for. */
export class Pilot {
  flight: Flight;
  effects: readonly FlightEffect[];
  readonly context: FlightContext;
  store = T0;
  mono = 0;
  gate: 'open' | 'asked' = 'open';
  lastOkAt: number | null = null;

  constructor(about: FlightContext = context()) {
    this.context = about;
    [this.flight, this.effects] = takeOff();
  }

  get time() {
    return { store: this.store, mono: this.mono };
  }

  send(event: FlightEvent): this {
    [this.flight, this.effects] = step(this.context, this.flight, event);
    if (this.flight.at === 'gating' && this.gate === 'open') {
      const before = this.effects.filter(({ type }) => type !== 'gate');
      const opened = { type: 'gate_open', lastOkAt: this.lastOkAt, time: this.time } as const;
      [this.flight, this.effects] = step(this.context, this.flight, opened);
      this.effects = [...before, ...this.effects];
    }
    return this;
  }

  read(found: Snapshot | null, leaseLeftMs = (found?.record.intent?.leaseUntil ?? 0) - this.store): this {
    return this.send({ type: 'read', snapshot: found, leaseLeftMs, time: this.time });
  }

  /** The store takes the write that was asked for. */
  written(): this {
    const { record: next, expectedRev } = this.effect('write');
    const leaseLeftMs = (next.intent?.leaseUntil ?? 0) - this.store;
    const rev = (expectedRev ?? 0) + 1;
    return this.send({
      type: 'written',
      snapshot: { rev, record: next, pair: { access: 'access-3', refresh: 'refresh-3' } },
      leaseLeftMs,
      time: this.time,
    });
  }

  refused(found: Snapshot | null): this {
    const leaseLeftMs = (found?.record.intent?.leaseUntil ?? 0) - this.store;
    return this.send({ type: 'refused', snapshot: found, leaseLeftMs, time: this.time });
  }

  outcome(outcome: TokenOutcome): this {
    return this.send({ type: 'outcome', outcome, time: this.time });
  }

  timer(): this {
    return this.send({ type: 'timer', time: this.time });
  }

  failed(type: 'read_failed' | 'write_failed'): this {
    return this.send({ type, error: new Error('down'), time: this.time });
  }

  pass(ms: number): this {
    this.store += ms;
    this.mono += ms;
    return this;
  }

  effect<K extends FlightEffect['type']>(type: K): Extract<FlightEffect, { type: K }> {
    const found = this.effects.find((effect) => effect.type === type);
    if (!found)
      throw new Error(
        `asked for ${this.effects.map((effect) => effect.type).join(', ') || 'nothing'}, not ${type}`,
      );
    return found as Extract<FlightEffect, { type: K }>;
  }

  get asked(): string[] {
    return this.effects.map((effect) => effect.type);
  }

  get result() {
    if (this.flight.at !== 'done') throw new Error(`still ${this.flight.at}`);
    return this.flight.result;
  }

  /** Up to the point where the request has left. */
  sent(): this {
    return this.read(snapshot()).send({ type: 'connected', time: this.time }).written();
  }
}
