import type { DeathReason } from './status.ts';

interface Base {
  readonly connectionId: string;
  /** Epoch ms by the store's clock, as last known. */
  readonly at: number;
  readonly generation: number;
}

/** What `manager.on` tells. No event carries a token. A listener that throws changes nothing. */
export interface HighQEvents {
  refreshed: Base & { readonly userEmail?: string };
  refreshFailed: Base & { readonly reason: string; readonly retryable: boolean };
  /** A refresh was sent and its outcome is unknown. */
  uncertain: Base & { readonly reason: string };
  reauthorizationRequired: Base & { readonly reason: DeathReason };
  /** The refresh token's year nears its end: 90, 30, 7, 1 days. */
  horizon: Base & { readonly daysLeft: number; readonly expiresAt: number };
  /** A new pair is in memory and served, and the store has not taken it yet. */
  persistFailed: Base & { readonly attempts: number };
  anomaly: Base & { readonly anomaly: string; readonly detail: string };
  disconnected: Base;
}

type Listener = (event: never) => void;

/** The little emitter behind `manager.on`. */
export class EventHub {
  readonly #listeners = new Map<keyof HighQEvents, Set<Listener>>();

  on<E extends keyof HighQEvents>(event: E, listener: (event: HighQEvents[E]) => void): () => void {
    const set = this.#listeners.get(event) ?? new Set<Listener>();
    this.#listeners.set(event, set);
    set.add(listener as Listener);
    return () => set.delete(listener as Listener);
  }

  /** Runs every listener; what one throws, or rejects with, is reported to `onError` and goes no further (F60g). */
  emit<E extends keyof HighQEvents>(event: E, data: HighQEvents[E], onError: (error: unknown) => void): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        const result: unknown = (listener as (event: HighQEvents[E]) => unknown)(data);
        // Also one of another realm, or of a library.
        if (result) Promise.resolve(result).catch(onError);
      } catch (error) {
        onError(error);
      }
    }
  }
}
