import { memoryStore } from './memory-store.ts';
import type { StoreKey, StoreValue, TokenStore } from './token-store.ts';

/** A store that can be backed up and restored under the feet of those who use it: rows and revisions fall back. */
export class RestoredStore implements TokenStore {
  readonly name = 'restored';
  #inner: TokenStore = memoryStore();
  #clock: Parameters<NonNullable<TokenStore['bindClock']>>[0] | null = null;
  readonly #latest = new Map<string, { readonly key: StoreKey; readonly value: StoreValue }>();

  bindClock(clock: Parameters<NonNullable<TokenStore['bindClock']>>[0]): void {
    this.#clock = clock;
    this.#inner.bindClock?.(clock);
  }

  read(key: StoreKey) {
    return this.#inner.read(key);
  }

  async cas(key: StoreKey, expectedRev: number | null, next: StoreValue) {
    const result = await this.#inner.cas(key, expectedRev, next);
    if (result.ok) this.#latest.set(JSON.stringify(key), { key, value: next });
    return result;
  }

  now() {
    return this.#inner.now();
  }

  list(query: Parameters<TokenStore['list']>[0]) {
    return this.#inner.list(query);
  }

  close() {
    return this.#inner.close();
  }

  /** Returns what brings back the rows as they are now. */
  backUp(): () => Promise<void> {
    const rows = [...this.#latest.values()];
    return async () => {
      const inner = memoryStore();
      if (this.#clock) inner.bindClock?.(this.#clock);
      this.#latest.clear();
      for (const row of rows) {
        await inner.cas(row.key, null, row.value);
        this.#latest.set(JSON.stringify(row.key), row);
      }
      this.#inner = inner;
    };
  }

  /** The grant's record as it stands in the row. */
  grant(id: string): {
    readonly generation: number;
    readonly intent: unknown;
    readonly [name: string]: unknown;
  } {
    const found = [...this.#latest.values()].find(({ key }) => key.kind === 'grant' && key.id === id);
    return JSON.parse(found?.value.body ?? '{}');
  }
}
