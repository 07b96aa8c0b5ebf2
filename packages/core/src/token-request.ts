import type { GrantRecord } from './record.ts';

export interface TokenRequestOptions {
  readonly minValidityMs?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An access token in the clear, and the record that it is of. */
export interface HandedToken {
  readonly token: string;
  readonly record: GrantRecord;
}
