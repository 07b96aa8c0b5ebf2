import type { StoreKey, StoreValue, TokenStore } from '@hq-oauth/core';
import { afterEach } from 'vitest';

export interface StoreSuiteOptions {
  /** Of the store, for the titles of the tests. */
  readonly name: string;
  /** A store without rows, apart from every other one. The suite closes it. */
  create(): Promise<TokenStore>;
  /** Another handle on the rows of `store`, as another process would have it. Leave it out where there is none. */
  reopen?(store: TokenStore): Promise<TokenStore>;
  /** Moves the clock of the stores that `create` makes; `null`: it cannot be moved, and edges of time are not tested. */
  readonly clock: { advance(ms: number): Promise<void> | void } | null;
}

/** What the parts of the suite share: stores that are closed after each test, and short ways to write a row. */
export interface StoreBench {
  readonly name: string;
  readonly clock: StoreSuiteOptions['clock'];
  readonly canReopen: boolean;
  open(): Promise<TokenStore>;
  /** Two handles on the same rows, or the same handle twice. */
  openTwo(): Promise<readonly [TokenStore, TokenStore]>;
}

export const REGISTRATION = '5f1c0de5';

/** Only within `describe`. */
export function storeBench(options: StoreSuiteOptions): StoreBench {
  const opened: TokenStore[] = [];
  const keep = (store: TokenStore): TokenStore => {
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0).reverse()) await store.close();
  });
  return {
    name: options.name,
    clock: options.clock,
    canReopen: options.reopen !== undefined,
    open: async () => keep(await options.create()),
    async openTwo() {
      const store = keep(await options.create());
      return [store, options.reopen ? keep(await options.reopen(store)) : store];
    },
  };
}

export function grant(id: string, registration: string = REGISTRATION): StoreKey {
  return { registration, kind: 'grant', id };
}

export function login(id: string): StoreKey {
  return { registration: REGISTRATION, kind: 'login', id };
}

export function value(changes: Partial<StoreValue> = {}): StoreValue {
  return { body: '{"v":1}', state: 'connected', dueAt: null, expiresAt: null, ...changes };
}

/** Writes a row that was not there, and returns its revision; throws when one was. */
export function insert(store: TokenStore, key: StoreKey, changes: Partial<StoreValue> = {}): Promise<number> {
  return write(store, key, null, changes);
}

/** Writes over `expectedRev`, and returns the new revision; throws when it was refused, or has not grown. */
export async function write(
  store: TokenStore,
  key: StoreKey,
  expectedRev: number | null,
  changes: Partial<StoreValue> = {},
): Promise<number> {
  const result = await store.cas(key, expectedRev, value(changes));
  if (!result.ok) throw new Error(`a row stood in the way of ${JSON.stringify(key).slice(0, 200)}`);
  if (!Number.isSafeInteger(result.rev) || result.rev <= (expectedRev ?? 0)) {
    throw new Error(`revision ${result.rev} was given after ${expectedRev ?? 'none'}`);
  }
  return result.rev;
}
