import { createHash } from 'node:crypto';
import type { CanaryAnswer } from './forbidden.ts';

/** A denial is remembered for this long, milliseconds. */
export const DENIAL_MS = 5 * 60_000;
/** So many of them per connection; the oldest go first. */
const DENIALS_AT_MOST = 1_000;

/** One call of the canary. `sent`: its place in the order of this process's events. */
export interface CanaryCall {
  readonly sent: number;
  /** Epoch and generation of the token that it was sent with. */
  readonly place: string;
  readonly answer: Promise<CanaryAnswer>;
}

/** Addresses may be long, and hold names of people: what is kept of one is as short as any other. */
function digest(call: string): string {
  return createHash('sha256').update(call).digest('base64url');
}

/** What this process has learnt about API calls of one connection. Lost with the process, and with a newer grant. */
export class CallMemory {
  readonly #denials = new Map<string, number>();
  #place = '';
  #events = 0;
  canary: CanaryCall | null = null;
  /** The epoch on which the canary was answered 2xx. */
  trustedOn: number | null = null;
  /** Epoch and generation on which the canary was refused with a fresh token: it proves nothing there. */
  struckOffOn: string | null = null;
  /** The epoch of which that was told. */
  struckOffTold: number | null = null;
  /** That the option `canary` failed has been told. */
  canaryFailureTold = false;
  /** Fingerprint of an access token that was found to be dead before its time. */
  deadToken: string | null = null;

  /** Numbers what happens, so that "sent after" holds also within one tick of a clock. */
  next(): number {
    this.#events += 1;
    return this.#events;
  }

  /** `place`: epoch and generation. Denials of an older one say nothing. */
  isDenied(call: string, place: string, mono: number): boolean {
    if (place !== this.#place) return false;
    const until = this.#denials.get(digest(call));
    return until !== undefined && until > mono;
  }

  deny(call: string, place: string, mono: number): void {
    if (place !== this.#place) {
      this.#denials.clear();
      this.#place = place;
    }
    const key = digest(call);
    this.#denials.delete(key);
    this.#denials.set(key, mono + DENIAL_MS);
    // The oldest come first.
    for (const [known, until] of this.#denials) {
      if (this.#denials.size <= DENIALS_AT_MOST && until > mono) return;
      this.#denials.delete(known);
    }
  }
}
