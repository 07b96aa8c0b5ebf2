import { systemClock } from './clock.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import type { CasResult, StoreKey, StoreValue } from './token-store.ts';

/** A store that takes some turns of the event loop for each operation, as a network does, and counts what is under way. */
export class BusyStore extends FlakyStore {
  underWay = 0;
  reads = 0;
  /** Writes of these connections are refused. */
  readonly refused = new Set<string>();

  /** Of the one grant that a test has; the store also holds the registration's own record. */
  get writtenGeneration(): unknown {
    return this.writes.map(({ body }) => JSON.parse(body)).findLast(({ epoch }) => epoch)?.generation;
  }

  override async read(key: StoreKey) {
    this.reads += 1;
    return this.#slowly(() => super.read(key));
  }

  override async cas(key: StoreKey, expectedRev: number | null, next: StoreValue): Promise<CasResult> {
    return this.#slowly(async () => {
      if (this.refused.has(key.id)) throw new Error('disk full');
      return super.cas(key, expectedRev, next);
    });
  }

  override async now() {
    return this.#slowly(() => super.now());
  }

  async #slowly<T>(operation: () => Promise<T>): Promise<T> {
    this.underWay += 1;
    try {
      for (let turn = 0; turn < 3; turn += 1) {
        await new Promise<void>((resolve) => systemClock.afterIo(resolve));
      }
      return await operation();
    } finally {
      this.underWay -= 1;
    }
  }
}
