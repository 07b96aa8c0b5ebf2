import type { GrantRecord } from './record.ts';

export interface TokenRequestOptions {
  readonly minValidityMs?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A duration that is none (a variable that is not set, as a number) would renew a valid token on every call, or wait for nothing.
 * @throws TypeError
 */
export function checked(request: TokenRequestOptions): TokenRequestOptions {
  for (const name of ['minValidityMs', 'waitMs'] as const) {
    const value: unknown = request[name] ?? 0;
    if (typeof value === 'number' && !Number.isNaN(value)) continue;
    const what = typeof value === 'number' ? 'NaN' : `of type ${typeof value}`;
    throw new TypeError(`${name} is ${what}: give a number of milliseconds, or leave it out.`);
  }
  return request;
}

/** An access token in the clear, and the record that it is of. */
export interface HandedToken {
  readonly token: string;
  readonly record: GrantRecord;
}
