import type { Clock, StoreKey, StoreValue, TokenStore } from '@hq-oauth/core';
import { factsOf } from './trapped.ts';

/** A real store between which and one manager a test can step: it goes away, loses an answer, or waits. */
export class HingedStore implements TokenStore {
  readonly name: string;
  /** Nothing gets through. */
  down = false;
  /** The next write of an intent is carried out, and its answer lost. */
  loseIntent = false;
  /** How many announcements this manager has written. */
  announcements = 0;
  readonly #inner: TokenStore;
  #hold: { readonly reached: () => void; readonly released: Promise<void> } | null = null;

  constructor(inner: TokenStore) {
    this.#inner = inner;
    this.name = inner.name;
  }

  /** Writes of a pair wait, each new try of them too. `reached` resolves when the first does. */
  holdPair(): { readonly reached: Promise<void>; readonly release: () => void } {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#hold = { reached: reached.resolve, released: released.promise };
    const release = (): void => {
      this.#hold = null;
      released.resolve();
    };
    return { reached: reached.promise, release };
  }

  bindClock(clock: Clock): void {
    this.#inner.bindClock?.(clock);
  }

  async read(key: StoreKey) {
    this.#check();
    return this.#inner.read(key);
  }

  async cas(key: StoreKey, expectedRev: number | null, next: StoreValue) {
    this.#check();
    const intent = key.kind === 'grant' ? factsOf(next).intent : null;
    if (key.kind === 'grant' && intent === null && this.#hold) {
      this.#hold.reached();
      await this.#hold.released;
      this.#check();
    }
    const result = await this.#inner.cas(key, expectedRev, next);
    if (intent?.kind === 'announce' && result.ok) this.announcements += 1;
    if (intent?.kind === 'refresh' && this.loseIntent) {
      this.loseIntent = false;
      throw new Error('the connection was lost before the answer');
    }
    return result;
  }

  async now() {
    this.#check();
    return this.#inner.now();
  }

  async list(query: Parameters<TokenStore['list']>[0]) {
    this.#check();
    return this.#inner.list(query);
  }

  /** The rows are the stage's to close. */
  async close() {}

  #check(): void {
    if (this.down) throw new Error('the store cannot be reached');
  }
}
