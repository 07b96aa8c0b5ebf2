import type { ClockReading } from './clock.ts';
import type { LedgerEntry } from './ledger.ts';
import type { RequestEntry } from './request-log.ts';

/** Told to those who listen on `GET /_emulator/events`. Carries fingerprints, no tokens. */
export type EmulatorEvent =
  | { type: 'ledger'; entry: Omit<LedgerEntry, 'token'> }
  | { type: 'request'; entry: RequestEntry }
  | { type: 'clock'; reading: ClockReading };

export class EventFeed {
  readonly #listeners = new Set<(event: EmulatorEvent) => void>();

  emit(event: EmulatorEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // Thrown where it is seen, but not into the request that set it off.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  /** Returns a function that ends the subscription. */
  listen(listener: (event: EmulatorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
