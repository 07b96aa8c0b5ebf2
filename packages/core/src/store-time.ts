import type { Clock } from './clock.ts';
import { CLOCK_DRIFT_MS } from './expiry.ts';
import type { Intent } from './record.ts';
import type { Timings } from './timings.ts';

/** When the store's time was seen to jump, by the monotonic clock, and by how much. */
export interface StoreJump {
  readonly mono: number;
  readonly byMs: number;
}

/** The store's clock as this process knows it: the last answer, carried on by the monotonic clock. */
export class StoreTime {
  readonly #clock: Clock;
  #last: { readonly now: number; readonly mono: number; readonly wall: number } | null = null;
  #jumps = 0;
  #jump: StoreJump | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes in the time that an answer of the store carries. */
  note(storeNow: number): void {
    const mono = this.#clock.monotonic();
    const expected = this.#last ? this.#last.now + (mono - this.#last.mono) : storeNow;
    if (Math.abs(storeNow - expected) > CLOCK_DRIFT_MS) {
      this.#jumps += 1;
      this.#jump = { mono, byMs: storeNow - expected };
    }
    this.#last = { now: storeNow, mono, wall: this.#clock.now() };
  }

  /** Epoch ms, whole. Before the first answer: this machine's wall clock. */
  estimate(): number {
    if (!this.#last) return Math.floor(this.#clock.now());
    return Math.floor(this.#last.now + (this.#clock.monotonic() - this.#last.mono));
  }

  /** As late as it can be, for what must not be used for too long: a machine that slept has stopped one of its clocks. */
  latest(): number {
    if (!this.#last) return this.estimate();
    const passedMs = Math.max(this.#clock.monotonic() - this.#last.mono, this.#clock.now() - this.#last.wall);
    return Math.floor(this.#last.now + passedMs);
  }

  /** The last jump. */
  get jump(): StoreJump | null {
    return this.#jump;
  }

  /** How often the store's time was seen to jump against this process's monotonic clock. */
  get jumps(): number {
    return this.#jumps;
  }
}

/** An intent as this process first saw it. */
export interface LeaseSight {
  readonly key: string;
  readonly jumps: number;
  /** When the lease ends on the monotonic clock, if the store's clock cannot be trusted for it. */
  readonly monoEndsAt: number;
  readonly distrusted: boolean;
}

/**
 * How much of an intent's lease is left. By the store's clock as long as that clock runs evenly; when it was seen to
 * jump, or shows more than a full lease, the intent counts as written at that moment and ends by the monotonic clock.
 */
export function sightLease(
  intent: Intent,
  previous: LeaseSight | null,
  at: {
    readonly store: number;
    readonly mono: number;
    readonly jumps: number;
    readonly jump?: StoreJump | null;
  },
  timings: Timings,
): { readonly sight: LeaseSight; readonly leftMs: number } {
  const key = `${intent.attemptId} ${intent.kind} ${intent.leaseUntil}`;
  const fullMs = intent.kind === 'announce' ? timings.settleMs + timings.announceSlackMs : timings.leaseMs;
  const storeLeft = intent.leaseUntil - at.store;
  const known = previous?.key === key ? previous : null;
  if (known && known.jumps === at.jumps && !known.distrusted) return { sight: known, leftMs: storeLeft };
  if (known && known.jumps !== at.jumps && known.monoEndsAt > at.mono) {
    const sight = { key, jumps: at.jumps, monoEndsAt: at.mono + fullMs, distrusted: true };
    return { sight, leftMs: fullMs };
  }
  if (known) return { sight: known, leftMs: known.monoEndsAt - at.mono };
  // First seen after a jump: it may have been written before, when the store showed another time.
  const { jump } = at;
  const leftAtJump = jump ? storeLeft + (at.mono - jump.mono) + jump.byMs : 0;
  const sinceJumpMs = jump && leftAtJump > 0 ? jump.mono + fullMs - at.mono : 0;
  const distrusted = storeLeft > fullMs || sinceJumpMs > 0;
  const leftMs = Math.max(Math.min(storeLeft, fullMs), sinceJumpMs);
  return { sight: { key, jumps: at.jumps, monoEndsAt: at.mono + leftMs, distrusted }, leftMs };
}
