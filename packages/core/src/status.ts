export type ConnectionState =
  | 'disconnected'
  | 'pending'
  | 'active'
  | 'expiring'
  | 'expired'
  | 'uncertain'
  | 'reauth_required';

/**
 * Why a connection is `reauth_required`.
 *
 * - `revoked_or_expired`: the provider refused the refresh token, after a checked re-read.
 * - `rotation_outcome_lost`: refused after a refresh whose answer nobody received: the new pair is lost.
 * - `refresh_token_expired`: the refresh token's year is over.
 * - `refused_unrecognized`: refused three times over an hour in a form that is not an OAuth error.
 */
export type DeathReason =
  | 'revoked_or_expired'
  | 'rotation_outcome_lost'
  | 'refresh_token_expired'
  | 'refused_unrecognized';

export interface TokenFacts {
  /** Epoch ms, store's clock. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** First 12 hexadecimal digits of SHA-256: enough to tell two tokens apart, worthless to a thief. */
  readonly fingerprint: string;
}

/** One line of a connection's history. */
export interface HistoryEntry {
  readonly at: number;
  readonly event:
    | 'authorized'
    | 'imported'
    | 'refreshed'
    | 'probed'
    | 'refused'
    | 'uncertain'
    | 'died'
    | 'disconnected'
    | 'repaired'
    | 'confirmed'
    | 'rejected';
  readonly generation: number;
  readonly detail?: string;
}

export interface ConnectionStatus {
  readonly connectionId: string;
  readonly instanceUrl: string;
  readonly state: ConnectionState;
  readonly reason?: DeathReason | 'tombstone' | 'outcome_unknown' | 'quarantine' | 'record_unreadable';
  readonly userEmail?: string;
  /** Set while an account waits for its person to confirm it (`exchangeCode(code, { confirm: true })`). */
  readonly pending?: { readonly id: string; readonly userEmail: string | null; readonly until: number };
  readonly authorizedAt: number | null;
  /** Which pair of this grant; grows by one with each rotation. */
  readonly generation: number;
  readonly access: TokenFacts | null;
  readonly refresh: TokenFacts | null;
  /** When a used connection renews its access token in the background; `null` when it will not. */
  readonly nextRefreshAt: number | null;
  readonly lastRefresh: { readonly at: number; readonly generation: number } | null;
  readonly lastError: { readonly at: number; readonly code: string; readonly message: string } | null;
}
