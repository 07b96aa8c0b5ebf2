import { memoryStore } from './memory-store.ts';
import type { CasResult, StoreKey, StoreValue, TokenStore } from './token-store.ts';

/** A memory store that can be taken away, loses answers, or shows an older state, when a test says so. */
export class FlakyStore implements TokenStore {
  readonly name = 'flaky';
  readonly inner: TokenStore;
  down = false;
  /** The next compare-and-set is carried out and its answer lost. */
  loseAnswers = 0;
  readonly writes: StoreValue[] = [];

  constructor(inner: TokenStore = memoryStore()) {
    this.inner = inner;
  }

  bindClock(clock: Parameters<NonNullable<TokenStore['bindClock']>>[0]): void {
    this.inner.bindClock?.(clock);
  }

  async read(key: StoreKey) {
    this.#check();
    return this.inner.read(key);
  }

  async cas(key: StoreKey, expectedRev: number | null, next: StoreValue): Promise<CasResult> {
    this.#check();
    const result = await this.inner.cas(key, expectedRev, next);
    if (result.ok) this.writes.push(next);
    if (this.loseAnswers > 0) {
      this.loseAnswers -= 1;
      throw new Error('connection lost');
    }
    return result;
  }

  async now() {
    this.#check();
    return this.inner.now();
  }

  async list(query: Parameters<TokenStore['list']>[0]) {
    this.#check();
    return this.inner.list(query);
  }

  async close() {
    await this.inner.close();
  }

  #check(): void {
    if (this.down) throw new Error('connection refused');
  }
}
