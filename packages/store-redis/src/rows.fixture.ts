import type { StoreKey, StoreValue, TokenStore } from '@hq-oauth/core';

export const REGISTRATION = '5f1c0de5';
export const GRANTS = { registration: REGISTRATION, kind: 'grant', limit: 1000 } as const;

export function grant(id: string): StoreKey {
  return { registration: REGISTRATION, kind: 'grant', id };
}

export function login(id: string): StoreKey {
  return { registration: REGISTRATION, kind: 'login', id };
}

export function value(changes: Partial<StoreValue> = {}): StoreValue {
  return { body: '{"v":1}', state: 'connected', dueAt: null, expiresAt: null, ...changes };
}

/** Writes over `expectedRev` (`null`: none), and returns the new revision; throws when it was refused. */
export async function write(
  store: TokenStore,
  key: StoreKey,
  expectedRev: number | null,
  changes: Partial<StoreValue> = {},
): Promise<number> {
  const result = await store.cas(key, expectedRev, value(changes));
  if (!result.ok) throw new Error('the row is at another revision');
  if (result.rev <= (expectedRev ?? 0)) throw new Error(`${result.rev} does not come after ${expectedRev}`);
  return result.rev;
}
