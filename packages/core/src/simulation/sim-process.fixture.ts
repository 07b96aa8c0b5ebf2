import type { Clock } from '../clock.ts';
import type { Fault, Point } from './faults.fixture.ts';
import type { VirtualQueue } from './queue.fixture.ts';

export const EPOCH = Date.UTC(2026, 0, 1);

/** What a process asks of the world around it. */
export interface Surroundings {
  readonly queue: VirtualQueue;
  /** The fault planned for this wait, if any; already counted. */
  faultAt(process: SimProcess, operation: string, point: Point): Fault | null;
  /** Faults that are not about one message: to the process, the store, the network. */
  strike(process: SimProcess, fault: Fault): void;
  /** Uniform in [0, 1), the same for the same process, operation and name in each run of a seed. */
  chance(operation: string, name: string): number;
}

/** One incarnation of a process: its clocks, its timers, what is on the way to it. */
export class SimProcess {
  readonly index: number;
  readonly incarnation: number;
  readonly name: string;
  readonly clock: Clock;
  state: 'up' | 'stopped' | 'dead' = 'up';
  wallAheadMs: number;
  /** Its clocks went together all the time, and it had its keys: what it says of a token's life can be checked. */
  steady = true;
  /** For how long the machine has slept: the monotonic clock does not count it. */
  sleptMs = 0;
  #asleepSince: number | null = null;
  storeCutUntil = 0;
  providerCutUntil = 0;
  /** The sealing key changed after this many seals, and this process has not got the new one. */
  keylessAfter: number | null = null;
  /** `closed`: it ended in order. `misplaced`: something went wrong while it wrote to a journal or a rescue folder. */
  closed = false;
  endedAt = Number.POSITIVE_INFINITY;
  hasPlace = false;
  misplaced = false;
  /** Until when something kept this process from writing what it holds. */
  hinderedUntil = 0;
  readonly #waits = new Map<Point, number>();
  readonly mode = new Map<string, 'settle' | 'recheck' | 'persist'>();
  readonly #around: Surroundings;
  #heldTimers: (() => void)[] = [];
  #callers = 0;
  #frozen = false;
  readonly #freezes: boolean;
  #heldAnswers: (() => void)[] = [];

  constructor(
    index: number,
    incarnation: number,
    wallAheadMs: number,
    around: Surroundings,
    freezes: boolean,
  ) {
    this.#freezes = freezes;
    this.index = index;
    this.incarnation = incarnation;
    this.name = `p${index}.${incarnation}`;
    this.wallAheadMs = wallAheadMs;
    this.#around = around;
    this.clock = {
      now: () => Math.floor(EPOCH + around.queue.now + this.wallAheadMs),
      monotonic: () => 1_000 + around.queue.now - this.#slept(),
      setTimer: (fn, delayMs) => this.#setTimer(fn, delayMs),
      afterIo: (fn) => void around.queue.after(0, () => this.deliver(fn)),
    };
  }

  #slept(): number {
    return this.sleptMs + (this.#asleepSince === null ? 0 : this.#around.queue.now - this.#asleepSince);
  }

  get alive(): boolean {
    return this.state !== 'dead';
  }

  #setTimer(fn: () => void, delayMs: number): () => void {
    if (!this.alive) return () => undefined;
    if (!(delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY))
      throw new RangeError(`a timer of ${delayMs} ms`);
    const due = this.clock.monotonic() + delayMs;
    let cancelled = false;
    const operation = this.next('timer');
    let struck = false;
    const fire = (): void => {
      if (cancelled || !this.alive) return;
      if (this.state === 'stopped') {
        this.#heldTimers.push(fire);
        return;
      }
      const left = due - this.clock.monotonic();
      if (left > 0) {
        this.#around.queue.after(left, fire);
        return;
      }
      if (!struck) {
        struck = true;
        const fault = this.#around.faultAt(this, operation, 'timer');
        if (fault) this.#around.strike(this, fault);
        if (fault) {
          fire();
          return;
        }
      }
      fn();
    };
    this.#around.queue.after(delayMs, fire);
    return () => {
      cancelled = true;
    };
  }

  /** Names the next wait of a kind: `p0.0/send#2` is the second request of the first process. */
  next(point: Point): string {
    const nth = (this.#waits.get(point) ?? 0) + 1;
    this.#waits.set(point, nth);
    return `${this.name}/${point}#${nth}`;
  }

  /** Something from outside reaches the process, now or when it runs again. */
  deliver(fn: () => void): void {
    if (this.state === 'dead') return;
    if (this.state === 'stopped') this.#heldAnswers.push(fn);
    else fn();
  }

  crash(): void {
    if (this.alive) this.endedAt = this.#around.queue.now;
    this.state = 'dead';
    this.#heldTimers = [];
    this.#heldAnswers = [];
  }

  /** Stopped, with both clocks going on; or asleep together with its machine's monotonic clock. */
  stop(kind: 'stop' | 'suspend', ms: number): void {
    if (this.state !== 'up') return;
    this.state = 'stopped';
    if (kind === 'suspend') this.#asleepSince = this.#around.queue.now;
    this.hinder(ms);
    this.#around.queue.after(ms, () => this.resume());
  }

  /** A platform stops the process when its callers have their answers, and wakes it for the next. */
  busy(): () => void {
    this.#callers += 1;
    if (this.#frozen && this.state === 'stopped') this.#goOn();
    this.#frozen = false;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#callers -= 1;
      if (!this.#freezes || this.#callers > 0 || this.state !== 'up') return;
      this.state = 'stopped';
      this.#frozen = true;
    };
  }

  hinder(ms: number): void {
    this.hinderedUntil = Math.max(this.hinderedUntil, this.#around.queue.now + ms);
  }

  /** As an event loop does: first the timers that are due, then what has arrived. */
  resume(): void {
    if (this.state !== 'stopped') return;
    this.hinder(0);
    this.#goOn();
  }

  #goOn(): void {
    this.sleptMs = this.#slept();
    this.#asleepSince = null;
    this.state = 'up';
    const timers = this.#heldTimers;
    const answers = this.#heldAnswers;
    this.#heldTimers = [];
    this.#heldAnswers = [];
    for (const fn of timers) this.#around.queue.after(0, fn);
    for (const fn of answers) this.#around.queue.after(0, () => this.deliver(fn));
  }

  /**
   * Sends something out and waits for its answer. `carryOut` runs outside, whatever becomes of the process meanwhile;
   * `lost` makes the error of an answer that does not come.
   */
  ask<T>(
    point: Point,
    carryOut: (fault: Fault | null) => T,
    options: {
      reachable: () => boolean;
      lost: () => Error;
      answered?: (value: T) => void;
      lostAfterMs?: number;
    },
  ): Promise<T> {
    if (!this.alive) return new Promise(() => undefined);
    const { queue } = this.#around;
    const operation = this.next(point);
    const fault = this.#around.faultAt(this, operation, point);
    const kind = fault?.kind ?? null;
    const thereMs = 1 + Math.floor(this.#around.chance(operation, 'there') * 15);
    const backMs = 1 + Math.floor(this.#around.chance(operation, 'back') * 15);
    if (kind === 'crash-before' && fault) {
      this.#around.strike(this, fault);
      return new Promise(() => undefined);
    }
    return new Promise<T>((resolve, reject) => {
      const answer = (value: T): void => {
        options.answered?.(value);
        resolve(value);
      };
      const fail = (): void => {
        this.hinder(0);
        reject(options.lost());
      };
      // The process is struck while it waits; what it sent is on its way already.
      if (fault && !MESSAGE_FAULTS.has(fault.kind) && fault.kind !== 'crash-after')
        this.#around.strike(this, fault);
      queue.after(thereMs, () => {
        if (!options.reachable() || kind === 'lost-before') {
          queue.after(backMs + (options.lostAfterMs ?? 0), () => this.deliver(fail));
          return;
        }
        const value = carryOut(fault);
        if (fault && kind === 'crash-after') {
          this.#around.strike(this, fault);
          return;
        }
        const lateMs = fault && kind === 'late' ? fault.ms : 0;
        if (lateMs > 0) this.hinder(lateMs);
        queue.after(backMs + lateMs, () => {
          if (kind === 'lost-after' || !options.reachable()) this.deliver(fail);
          else this.deliver(() => answer(value));
          if (kind === 'doubled') queue.after(backMs, () => this.deliver(() => answer(value)));
        });
      });
    });
  }
}

/** Faults that befall one message; all others befall the process or what is around it. */
export const MESSAGE_FAULTS: ReadonlySet<string> = new Set([
  'lost-before',
  'lost-after',
  'late',
  'too-late',
  'doubled',
  'reset',
  '502-before',
  '502-after',
  'html',
  'truncated',
  '429',
  'unrecognized',
  'invalid-client',
  'wrapped',
  'wrapped-refresh',
]);
