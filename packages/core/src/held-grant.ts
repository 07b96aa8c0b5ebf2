import { CallMemory } from './call-memory.ts';
import type { Clock } from './clock.ts';
import type { HighQError } from './errors.ts';
import {
  CLOCK_DRIFT_MS,
  type ClockReading,
  type Countdown,
  datedAhead,
  driftMs,
  leftMs,
  type RefreshYear,
  remainingMs,
  startCountdown,
} from './expiry.ts';
import type { FlightResult, Snapshot } from './flight.ts';
import { type Found, GrantSlot } from './grant-repository.ts';
import { deathOf, openSibling } from './machine-parts.ts';
import { compareGrants, EMPTY_RECORD, type GrantRecord } from './record.ts';

/** A refresh of this connection that is under way in this process. */
export interface OngoingFlight {
  /** Settles when callers can be told: at the end, or as soon as a new pair is in hand. */
  readonly told: Promise<FlightResult | 'held'>;
  readonly startedMono: number;
  readonly purpose: 'refresh' | 'look';
  /** Somebody else's live intent, when that is what the flight waits for. */
  blocked: { readonly ageMs: number; readonly leaseLeftMs: number; readonly atMono: number } | null;
  /** Called whenever `blocked` changes. */
  readonly onBlocked: Set<() => void>;
  /** Resolves when nothing of it is under way any more. */
  landed: Promise<void>;
  /** How many callers wait for it. */
  waiters: number;
  /** Ends it, unless a request has left or a pair is in hand. */
  readonly stop: () => void;
}

/** Why no refresh is tried before a certain moment. */
export interface Pause {
  readonly until: ClockReading;
  readonly error: (retryAfterMs: number) => HighQError;
  /** For the next probe, and no longer than the access token works. */
  readonly isForProbe: boolean;
}

/** One connection as this process has it in memory. */
export class HeldGrant {
  readonly slot: GrantSlot;
  /** -1 … 1, the same in every process. */
  readonly jitter: number;
  /** Journals were looked into, where there are any. */
  looked = false;
  /** Read at least once; `snapshot` may still be `null`: there is no row. */
  loaded = false;
  snapshot: Snapshot | null = null;
  countdown: Countdown | null = null;
  /** Nobody knows what is left of the token: it is dated in the future, and this process did not see it issued. */
  suspect = false;
  #lastRead: ClockReading = { wall: Number.NEGATIVE_INFINITY, mono: Number.NEGATIVE_INFINITY };
  reading: Promise<void> | null = null;
  flight: OngoingFlight | null = null;
  pause: Pause | null = null;
  /** A refresh has a new pair in memory that the store has not taken yet. */
  unpersistedPair = false;
  /** So has a refresh of the sign-in that is beside the one in memory. */
  unpersistedBeside = false;
  /** A refresh has an answer in memory that could not be read and that the store has not taken yet, ready to be written. */
  unpersistedAnswer: GrantRecord | null = null;
  /** The grant whose kept answer was tried to be read. */
  reparsed: { readonly epoch: number; readonly generation: number } | null = null;
  /** What a refresh has brought and the store has not confirmed yet, ready to be written. */
  inHand: GrantRecord | null = null;
  /** What sign-ins have in hand that the store has not taken yet, ready to be written. */
  readonly signInsInHand = new Map<symbol, GrantRecord>();
  failures = 0;
  horizonTold: number | null = null;
  deathTold: string | null = null;
  minValidityTold = false;
  cancelWakeUp: (() => void) | null = null;
  /** Sign-ins and imports under way. */
  signingIn = 0;
  readonly calls = new CallMemory();
  readonly #clock: Clock;
  #replayedFor: string | null = null;

  constructor(id: string, jitter: number, clock: Clock) {
    this.slot = new GrantSlot(id);
    this.jitter = jitter;
    this.#clock = clock;
  }

  get id(): string {
    return this.slot.id;
  }

  /** Something in memory is nowhere else. */
  get unpersisted(): boolean {
    const isOfRefresh = this.unpersistedPair || this.unpersistedBeside || this.unpersistedAnswer !== null;
    return isOfRefresh || this.signInsInHand.size > 0;
  }

  /** Somebody has signed in since, and that grant is sealed with a key that is not here. */
  get replaced(): boolean {
    return this.snapshot !== null && this.slot.epoch > this.snapshot.record.epoch;
  }

  /** Must stay in memory. */
  get pinned(): boolean {
    return this.flight !== null || this.unpersisted || this.reading !== null || this.signingIn > 0;
  }

  clocks(): ClockReading {
    return { wall: this.#clock.now(), mono: this.#clock.monotonic() };
  }

  /** How old what is in memory may be, ms. By whichever clock shows more: one of them stands still while a machine sleeps. */
  get readAgeMs(): number {
    const { wall, mono } = this.clocks();
    return Math.max(wall - this.#lastRead.wall, mono - this.#lastRead.mono);
  }

  /** What is left of the pause, ms. Over by either clock: what was waited for has happened while a machine slept. */
  get pauseLeftMs(): number {
    if (!this.pause) return 0;
    const { wall, mono } = this.clocks();
    return Math.min(this.pause.until.wall - wall, this.pause.until.mono - mono);
  }

  /** What died may live on in a journal, which a flight looks into once, or in a second pair that others could not open. */
  mayLive(options: { readonly refreshYear: RefreshYear }, storeNow: number, journaled: boolean): boolean {
    const record = this.snapshot?.record;
    if (!record || deathOf(record, options.refreshYear, storeNow) === null) return false;
    return openSibling(options, record, storeNow) !== null || (journaled && this.mayReplay());
  }

  /**
   * Journals are looked into at the start, and for a grant that is dead, or gone: once per process and generation; again where
   * the store has forgotten what came of it.
   */
  mayReplay(): boolean {
    const key = standOf(this.snapshot);
    if (this.#replayedFor === key) return false;
    this.#replayedFor = key;
    return true;
  }

  /** The looks that were meant to be the only ones did not come about. */
  mayTryAgain(): void {
    this.#replayedFor = null;
    this.reparsed = null;
  }

  /** What is left of the access token in memory, ms; 0 or less: nothing. */
  remaining(): number {
    return this.countdown ? remainingMs(this.countdown, this.clocks()) : 0;
  }

  /** The access token in memory, if it is valid by both clocks and was not found to be dead before its time. */
  usable(): string | null {
    const access = this.snapshot?.record.access;
    if (this.remaining() <= 0 || access?.fingerprint === this.calls.deadToken) return null;
    return this.snapshot?.pair?.access ?? null;
  }

  /** The API refuses this access token before its time: nothing waits for its end any more. */
  foundDead(fingerprint: string | null): void {
    if (this.calls.deadToken === fingerprint) return;
    this.calls.deadToken = fingerprint;
    if (this.pause?.isForProbe) this.pause = null;
  }

  /** The two clocks of this process have moved apart: the store's clock must be asked again. */
  get drifted(): boolean {
    return this.countdown !== null && driftMs(this.countdown, this.clocks()) > CLOCK_DRIFT_MS;
  }

  /**
   * Takes in what the store answered. Never goes back: a lower `(epoch, generation)` than the one in memory is a
   * store that fell back, and is left to a flight to repair.
   * @returns false when the store is behind this process
   */
  take({ snapshot, time, asOfMono }: Pick<Found, 'snapshot' | 'time' | 'asOfMono'>): boolean {
    const { wall, mono } = this.clocks();
    // Asked before what has been answered meanwhile: no word on what the store has now.
    const isOld = asOfMono < this.#lastRead.mono;
    if (asOfMono > this.#lastRead.mono) this.#lastRead = { mono: asOfMono, wall: wall - (mono - asOfMono) };
    this.loaded = true;
    const held = this.snapshot;
    const behind = held !== null && (!snapshot || compareGrants(snapshot.record, held.record) < 0);
    if (behind) return this.unpersistedPair || isOld;
    if (!this.#servesOn(snapshot, time.store)) this.install(snapshot, time.store);
    return true;
  }

  /**
   * In a store that fell back another pair of the same parent has taken this one's place, and its access token ends
   * earlier: the one that is valid longer goes on being served (I9).
   */
  #servesOn(found: Snapshot | null, storeNow: number): boolean {
    const held = this.snapshot;
    const access = found?.record.access;
    if (!held || !found || !access || compareGrants(found.record, held.record) !== 0) return false;
    const isOther = access.fingerprint !== held.record.access?.fingerprint;
    return isOther && this.usable() !== null && leftMs(access, storeNow) < this.remaining();
  }

  /** Takes in what a flight has in hand or came to, without a word of the store. `latest`: the store's time at the latest. */
  keep(snapshot: Snapshot | null, latest: number): void {
    const held = this.snapshot;
    const order = snapshot && held ? compareGrants(snapshot.record, held.record) : 0;
    // What is there already is counted down already.
    if (!snapshot || order < 0 || (held !== null && order === 0)) return;
    this.install(snapshot, latest);
  }

  install(snapshot: Snapshot | null, storeNow: number): void {
    const held = this.snapshot;
    const access = snapshot?.record.access ?? null;
    const same =
      held !== null &&
      snapshot !== null &&
      compareGrants(snapshot.record, held.record) === 0 &&
      access?.fingerprint === held.record.access?.fingerprint;
    this.snapshot = snapshot;
    if (standOf(held) !== standOf(snapshot)) this.#replayedFor = null;
    if (!same) this.pause = null;
    const previous = same ? (this.countdown ?? undefined) : undefined;
    // Said once of a token it stays so, until another token takes its place.
    this.suspect = same ? this.suspect : access !== null && datedAhead(access, storeNow);
    this.countdown =
      access && snapshot?.pair?.access
        ? startCountdown(leftMs(access, storeNow), this.clocks(), previous)
        : null;
  }
}

function standOf(snapshot: Snapshot | null): string {
  const { epoch, generation, dead } = snapshot?.record ?? EMPTY_RECORD;
  return `${epoch}.${generation}.${dead?.reason}`;
}

/** It stays in memory while somebody signs in. */
export async function pinned<T>(grant: HeldGrant, work: () => Promise<T>): Promise<T> {
  grant.signingIn += 1;
  try {
    return await work();
  } finally {
    grant.signingIn -= 1;
  }
}
