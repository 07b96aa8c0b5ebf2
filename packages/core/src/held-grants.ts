import type { Clock } from './clock.ts';
import { HeldGrant } from './held-grant.ts';
import { jitterOf } from './jitter.ts';

/** How many idle connections stay in memory; one costs about a kilobyte. */
const HELD_AT_MOST = 10_000;

/** The connections that this process has in memory: those in use, and the ones that were used last. */
export class HeldGrants {
  readonly #registration: string;
  readonly #clock: Clock;
  readonly #grants = new Map<string, HeldGrant>();

  constructor(registration: string, clock: Clock) {
    this.#registration = registration;
    this.#clock = clock;
  }

  get(id: string): HeldGrant {
    const known = this.#grants.get(id);
    if (known) {
      // The order of a Map is the order of use: the first ones are the ones to let go.
      this.#grants.delete(id);
      this.#grants.set(id, known);
      return known;
    }
    const grant = new HeldGrant(id, jitterOf(this.#registration, id), this.#clock);
    this.#grants.set(id, grant);
    if (this.#grants.size > HELD_AT_MOST) this.#letGo();
    return grant;
  }

  get all(): readonly HeldGrant[] {
    return [...this.#grants.values()];
  }

  #letGo(): void {
    for (const [id, grant] of this.#grants) {
      if (this.#grants.size <= HELD_AT_MOST) return;
      if (!grant.pinned) {
        grant.cancelWakeUp?.();
        this.#grants.delete(id);
      }
    }
  }
}
