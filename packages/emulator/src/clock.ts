import { RefusedError } from './refusal.ts';

/** Node clamps a longer timer to 1 ms. */
const LONGEST_TIMER_MS = 12 * 60 * 60 * 1000;
const FASTEST_RATE = 1000;
/** The last instant that a Date can hold. */
const LAST_INSTANT = 8.64e15;

/** A clock of somebody else that the emulator goes by, for tests that share one. Epoch milliseconds. */
export interface ClockSource {
  now(): number;
  /** Without it, delays of faults run on this machine's timers. Returns a function that cancels. */
  setTimer?(fn: () => void, delayMs: number): () => void;
}

export type ClockMode = 'virtual' | 'real' | 'shared';

export interface ClockReading {
  /** Epoch milliseconds. */
  at: number;
  mode: ClockMode;
  /** Milliseconds of this clock per millisecond of the machine; 0: it stands still. */
  rate: number;
}

export interface EmulatorClock {
  readonly mode: ClockMode;
  readonly rate: number;
  now(): number;
  read(): ClockReading;
  /** Calls `fn` once this clock shows `delayMs` more than now. Returns a function that cancels it. */
  setTimer(fn: () => void, delayMs: number): () => void;
  /** Forwards only. Timers that fall due are called before it returns. Throws {@link RefusedError} unless virtual. */
  advance(ms: number): number;
  /** Sets the clock to `at`, epoch ms, in either direction. Throws {@link RefusedError} unless virtual. */
  set(at: number): number;
  /** From 0 (frozen) to 1000. Throws {@link RefusedError} unless virtual. */
  setRate(rate: number): number;
}

function machineTimer(fn: () => void, delayMs: number): () => void {
  const dueAt = performance.now() + delayMs;
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = Math.max(0, dueAt - performance.now());
    handle = setTimeout(leftMs > LONGEST_TIMER_MS ? arm : fn, Math.min(leftMs, LONGEST_TIMER_MS));
    // A delayed answer must not hold a process whose emulator was closed.
    handle.unref();
  };
  arm();
  return () => clearTimeout(handle);
}

function fixedClock(mode: 'real' | 'shared', source: ClockSource): EmulatorClock {
  const refuse = (): never => {
    throw new RefusedError(
      mode === 'real'
        ? 'the clock is the machine’s own and cannot be moved; start with --clock virtual'
        : 'the clock belongs to the program that created the emulator and is moved there',
      409,
    );
  };
  return {
    mode,
    rate: 1,
    now: () => source.now(),
    read: () => ({ at: source.now(), mode, rate: 1 }),
    setTimer: (fn, delayMs) => (source.setTimer ? source.setTimer(fn, delayMs) : machineTimer(fn, delayMs)),
    advance: refuse,
    set: refuse,
    setRate: refuse,
  };
}

/** Ticks with the machine's time, and can be moved. */
class VirtualClock implements EmulatorClock {
  readonly mode = 'virtual';
  #rate = 1;
  #shown = Date.now();
  #readAt = performance.now();
  readonly #timers = new Set<{ fn: () => void; dueAt: number }>();
  #cancelArmed: (() => void) | undefined;
  readonly #onMove: (reading: ClockReading) => void;

  constructor(onMove: (reading: ClockReading) => void) {
    this.#onMove = onMove;
  }

  get rate(): number {
    return this.#rate;
  }

  now(): number {
    return Math.floor(this.#exact());
  }

  read(): ClockReading {
    return { at: this.now(), mode: this.mode, rate: this.#rate };
  }

  setTimer(fn: () => void, delayMs: number): () => void {
    const timer = { fn, dueAt: this.#exact() + Math.max(0, delayMs) };
    this.#timers.add(timer);
    this.#arm();
    return () => {
      this.#timers.delete(timer);
      this.#arm();
    };
  }

  advance(ms: number): number {
    if (typeof ms !== 'number' || !(ms >= 0)) throw new RefusedError('advanceMs takes milliseconds from 0');
    return this.#moveTo(this.#exact() + ms);
  }

  set(at: number): number {
    if (typeof at !== 'number') throw new RefusedError('at takes epoch milliseconds');
    return this.#moveTo(at);
  }

  setRate(rate: number): number {
    if (typeof rate !== 'number' || !(rate >= 0 && rate <= FASTEST_RATE)) {
      throw new RefusedError(`rate takes a number from 0 to ${FASTEST_RATE}`);
    }
    this.#rebase(this.#exact());
    this.#rate = rate;
    this.#arm();
    this.#onMove(this.read());
    return this.now();
  }

  #exact(): number {
    return this.#shown + (performance.now() - this.#readAt) * this.#rate;
  }

  #rebase(at: number): void {
    this.#shown = at;
    this.#readAt = performance.now();
  }

  #moveTo(at: number): number {
    if (!(at >= 0 && at <= LAST_INSTANT)) throw new RefusedError('the clock would leave the range of dates');
    this.#rebase(at);
    this.#fireDue();
    this.#onMove(this.read());
    return this.now();
  }

  #fireDue(): void {
    const now = this.#exact();
    const due = [...this.#timers].filter((timer) => timer.dueAt <= now).sort((a, b) => a.dueAt - b.dueAt);
    for (const timer of due) {
      if (this.#timers.delete(timer)) timer.fn();
    }
    this.#arm();
  }

  #arm(): void {
    this.#cancelArmed?.();
    this.#cancelArmed = undefined;
    if (this.#timers.size === 0 || this.#rate === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) next = Math.min(next, timer.dueAt);
    this.#cancelArmed = machineTimer(() => this.#fireDue(), Math.ceil((next - this.#exact()) / this.#rate));
  }
}

/** `onMove` is told when a virtual clock was moved or its rate was set, not when it ticks. */
export function createClock(
  choice: 'virtual' | 'real' | ClockSource,
  onMove: (reading: ClockReading) => void = () => {},
): EmulatorClock {
  if (choice === 'virtual') return new VirtualClock(onMove);
  if (choice === 'real') return fixedClock('real', { now: () => Date.now() });
  return fixedClock('shared', choice);
}
