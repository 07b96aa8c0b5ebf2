import { memoryStore } from './memory-store.ts';
import type { CasResult, StoreKey, StoreValue, TokenStore } from './token-store.ts';

/** A memory store that can be taken away, loses answers, or whose clock is set back, when a test says so. */
export class FlakyStore implements TokenStore {
  readonly name = 'flaky';
  readonly inner: TokenStore;
  down = false;
  /** The next compare-and-set is carried out and its answer lost. */
  loseAnswers = 0;
  /** How much less than the time it shows. */
  setBackMs = 0;
  readonly writes: StoreValue[] = [];

  constructor(inner: TokenStore = memoryStore()) {
    this.inner = inner;
  }

  bindClock(clock: Parameters<NonNullable<TokenStore['bindClock']>>[0]): void {
    this.inner.bindClock?.(clock);
  }

  async read(key: StoreKey) {
    this.#check();
    return this.#shown(await this.inner.read(key));
  }

  async cas(key: StoreKey, expectedRev: number | null, next: StoreValue): Promise<CasResult> {
    this.#check();
    const result = await this.inner.cas(key, expectedRev, next);
    if (result.ok) this.writes.push(next);
    if (this.loseAnswers > 0) {
      this.loseAnswers -= 1;
      throw new Error('connection lost');
    }
    return this.#shown(result);
  }

  async now() {
    this.#check();
    return (await this.inner.now()) - this.setBackMs;
  }

  async list(query: Parameters<TokenStore['list']>[0]) {
    this.#check();
    return this.inner.list(query);
  }

  async close() {
    await this.inner.close();
  }

  #shown<T extends { readonly now: number }>(answer: T): T {
    return { ...answer, now: answer.now - this.setBackMs };
  }

  #check(): void {
    if (this.down) throw new Error('connection refused');
  }
}
