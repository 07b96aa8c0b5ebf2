import { type Clock, systemClock } from '../clock.ts';

interface Timer {
  readonly fn: () => void;
  /** By the monotonic clock: a wall clock that is set does not move a timer. */
  readonly dueAt: number;
}

const START = Date.UTC(2026, 0, 1);
/** A timer that arms itself again without a delay would otherwise hold `advance` for ever. */
const MOST_TIMERS_PER_INSTANT = 100_000;

/**
 * A clock that stands still until a test moves it.
 *
 * @example
 * const clock = new ManualClock();
 * const woken = sleep(clock, 60_000);
 * await clock.advance(60_000);
 * await woken;
 */
export class ManualClock implements Clock {
  #monotonic: number;
  /** How far the wall clock is ahead of the monotonic one. One clock that moves, so that fractions do not add up. */
  #aheadMs: number;
  #turns: number;
  #moving: Promise<void> = Promise.resolve();
  readonly #timers = new Set<Timer>();

  /**
   * `now`: epoch ms, default 2026-01-01T00:00:00Z. `monotonic`: default 1000, unlike any epoch, so that a mix-up of
   * the two shows. `settleTurns`: how many turns of the event loop pending work gets between two timers, default 6.
   */
  constructor(options: { now?: number; monotonic?: number; settleTurns?: number } = {}) {
    this.#monotonic = options.monotonic ?? 1000;
    this.#aheadMs = (options.now ?? START) - this.#monotonic;
    this.#turns = options.settleTurns ?? 6;
  }

  /** Whole milliseconds, as a real wall clock shows. */
  now(): number {
    // The sum of two fractions may end a hair below the whole number that is meant.
    return Math.floor(this.#monotonic + this.#aheadMs + 0.001);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  setTimer(fn: () => void, delayMs: number): () => void {
    if (Number.isNaN(delayMs)) throw new RangeError('a timer was set for NaN milliseconds');
    const timer: Timer = { fn, dueAt: this.#monotonic + Math.max(delayMs, 0) };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  afterIo(fn: () => void): void {
    systemClock.afterIo(fn);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** When the next timer is due, as this clock's wall time; `null`: none is set. */
  get nextTimerAt(): number | null {
    const next = this.#next();
    return next && Math.ceil(Math.max(next.dueAt, this.#monotonic) + this.#aheadMs);
  }

  /**
   * Moves wall and monotonic clock by `ms`. Each timer on the way fires at its own instant, in the order of the due
   * times, and what it sets off may set further timers that fire within the same call. Calls queue up. Rejects with
   * what a timer's function throws.
   */
  advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY)) {
      throw new RangeError(`ManualClock.advance takes milliseconds from 0, not ${ms}`);
    }
    const moved = this.#moving.then(() => this.#advance(ms));
    this.#moving = moved.catch(() => {});
    return moved;
  }

  /**
   * Advances until `promise` settles, from timer to timer but at most `stepMs` (default 1 s) at once, and gives its
   * result. Throws when it is still pending after `maxMs` (default 1 h) of this clock.
   */
  async advanceUntil<T>(promise: Promise<T>, options: { stepMs?: number; maxMs?: number } = {}): Promise<T> {
    const { stepMs = 1000, maxMs = 3_600_000 } = options;
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    await this.settle();
    const until = this.#monotonic + maxMs;
    while (!settled && this.#monotonic < until) {
      const nextMs = (this.#next()?.dueAt ?? Number.POSITIVE_INFINITY) - this.#monotonic;
      await this.advance(Math.max(0, Math.min(stepMs, nextMs, until - this.#monotonic)));
    }
    if (!settled) throw new Error(`still pending after ${maxMs} ms of the manual clock`);
    return promise;
  }

  /** Sets the wall clock forward or back, as an administrator or NTP does. Fires nothing. */
  jumpWall(ms: number): void {
    this.#aheadMs += ms;
  }

  /** Sets the wall clock to `at`, epoch ms. Fires nothing. */
  setWall(at: number): void {
    this.#aheadMs = at - this.#monotonic;
  }

  /** The machine sleeps for `ms`: the wall clock goes on, the monotonic clock and with it all timers stop. */
  suspend(ms: number): void {
    if (ms < 0) throw new RangeError('a machine cannot sleep for a negative time');
    this.#aheadMs += ms;
  }

  /** The process is stopped for `ms` (SIGSTOP): both clocks go on, overdue timers fire with the next `advance`. */
  stall(ms: number): void {
    if (ms < 0) throw new RangeError('a process cannot be stopped for a negative time');
    this.#monotonic += ms;
  }

  /** Gives pending promises and I/O some turns of the event loop, without moving the clock. */
  async settle(turns: number = this.#turns): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) {
      await new Promise<void>((resolve) => systemClock.afterIo(resolve));
    }
  }

  async #advance(ms: number): Promise<void> {
    const target = this.#monotonic + ms;
    await this.settle();
    let fired = 0;
    for (let timer = this.#next(); timer && timer.dueAt <= target; timer = this.#next()) {
      fired = timer.dueAt > this.#monotonic ? 0 : fired + 1;
      if (fired > MOST_TIMERS_PER_INSTANT)
        throw new Error('timers without a delay set each other without end');
      this.#moveTo(timer.dueAt);
      this.#timers.delete(timer);
      timer.fn();
      await this.settle();
    }
    this.#moveTo(target);
    await this.settle();
  }

  #moveTo(monotonic: number): void {
    this.#monotonic = Math.max(this.#monotonic, monotonic);
  }

  /** The earliest timer; of two at one instant, the one set first. */
  #next(): Timer | null {
    let next: Timer | null = null;
    for (const timer of this.#timers) if (!next || timer.dueAt < next.dueAt) next = timer;
    return next;
  }
}
