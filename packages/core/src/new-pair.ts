import { accessLifetime, refreshLifetimeMs } from './expiry.ts';
import type { StoredToken, TokenPair } from './record.ts';
import { fingerprint } from './redact.ts';
import type { TokenResponse } from './token-outcome.ts';
import type { NewPair } from './transitions.ts';

function stored(token: string, issuedAt: number, lifeMs: number): StoredToken {
  return { issuedAt, lifeMs, fingerprint: fingerprint(token) };
}

/**
 * A token response as a pair that can be written. Both tokens count from the store's time of an intent, or from another
 * instant at or before the request. Without a new refresh token the old one is kept, and flagged (F06).
 */
export function pairOf(
  response: TokenResponse,
  { accessFrom, refreshFrom }: { readonly accessFrom: number; readonly refreshFrom: number },
  configuredLifeMs: number | undefined,
  old: { readonly pair: TokenPair | null; readonly refresh: StoredToken | null },
): { readonly next: NewPair; readonly anomalies: readonly string[] } {
  const life = accessLifetime(response.expiresInSeconds, configuredLifeMs);
  const anomalies = [
    ...response.anomalies,
    ...life.anomalies.filter((name) => !response.anomalies.includes(name)),
  ];
  const access = stored(response.accessToken, accessFrom, life.lifeMs);
  const refresh =
    response.refreshToken === null
      ? old.refresh
      : stored(response.refreshToken, refreshFrom, refreshLifetimeMs(response.refreshExpiresInSeconds));
  if (response.refreshToken === null && old.refresh !== null) anomalies.push('rotation_missing');
  if (response.refreshToken !== null && response.refreshToken === old.pair?.refresh)
    anomalies.push('refresh_token_unchanged');
  return {
    next: {
      pair: { access: response.accessToken, refresh: response.refreshToken ?? old.pair?.refresh ?? null },
      access,
      refresh,
      userEmail: response.userEmail,
    },
    anomalies,
  };
}

/** A refresh token alone: the rest of the answer could not be used. */
export function refreshOnly(
  refreshToken: string,
  expiresInSeconds: number | null,
  issuedAt: number,
): NewPair {
  return {
    pair: { access: null, refresh: refreshToken },
    access: null,
    refresh: stored(refreshToken, issuedAt, refreshLifetimeMs(expiresInSeconds)),
    userEmail: null,
  };
}

/**
 * An access token counts from before the request, so that it is never used for too long; the refresh token from its first
 * write: it is tried once too often rather than given up while it lives. One without an access token counts from before the
 * request, too: nothing else says when its sign-in began.
 */
export function asOf(next: NewPair, at: number): NewPair {
  const { refresh, access } = next;
  return refresh && access
    ? { ...next, refresh: { ...refresh, issuedAt: Math.max(refresh.issuedAt, at) } }
    : next;
}
