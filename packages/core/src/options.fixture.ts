import { ConfigurationError, type ConfigurationProblem } from './errors.ts';
import { type ResolvedOptions, resolveOptions, type TokenManagerOptions } from './options.ts';
import type { TokenStore } from './token-store.ts';

const never = (): never => {
  throw new Error('the options only look at a store');
};

/** A store that passes the check of options and does nothing. */
export const someStore: TokenStore = {
  name: 'some',
  read: never,
  cas: never,
  now: never,
  list: never,
  close: never,
};

export const someKey = Buffer.from(Uint8Array.from({ length: 32 }, (_, index) => index * 7)).toString(
  'base64',
);

/** Options without a problem. */
export const valid: TokenManagerOptions = {
  instanceUrl: 'https://acme.highq.com/acme',
  clientId: '1012',
  clientSecret: 'canary-secret-dp3yp9zm6svZzUqduQH4CEYC',
  store: someStore,
  encryption: { keys: [{ id: 'k1', key: someKey }] },
};

/** `valid` with some options changed. Takes wrong types too: that is what is tested. */
export function resolve(
  changes: Record<string, unknown> = {},
  env: Record<string, string> = {},
): ResolvedOptions {
  return resolveOptions({ ...valid, ...changes } as TokenManagerOptions, env);
}

/** The problems that `resolve` finds; empty: none. */
export function problemsOf(
  changes: Record<string, unknown>,
  env: Record<string, string> = {},
): readonly ConfigurationProblem[] {
  try {
    resolve(changes, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}
