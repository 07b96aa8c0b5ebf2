import type { StoreKey, StoreValue } from '@hq-oauth/core';

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
