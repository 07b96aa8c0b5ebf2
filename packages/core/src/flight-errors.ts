import {
  type HighQError,
  NotConnectedError,
  ReauthorizationRequiredError,
  RefreshInProgressError,
  RotationUncertainError,
  StoreUnavailableError,
  TokenEndpointError,
} from './errors.ts';
import type { FlightResult } from './flight.ts';
import type { GrantRecord } from './record.ts';
import type { DeathReason } from './status.ts';
import type { Timings } from './timings.ts';

const NOT_SENT: Record<string, string> = {
  rate_limited: 'The token endpoint asks to wait.',
  breaker_open: 'Requests to the token endpoint rest for a while after others of this registration failed.',
};

/** What is said of a refresh whose answer is kept for a version that can read it. */
export const ANSWER_UNREADABLE =
  'A refresh was answered, and the answer could not be read. It is kept, and nothing more is sent until a version that can read it is there; signing in again also resolves it.';

type Failure = Exclude<FlightResult, { kind: 'settled' }>;

export function notConnected(connectionId: string, record: GrantRecord | null): NotConnectedError {
  const why = record?.pending
    ? 'Somebody signed in and the account has not been confirmed yet'
    : record?.disconnectedAt
      ? 'This connection was disconnected'
      : 'Nobody has signed in on this connection';
  return new NotConnectedError(`${why}. Send the person to sign in, then call again.`, { connectionId });
}

const DEATHS: Record<DeathReason, string> = {
  revoked_or_expired:
    'The provider refused the refresh token, and no newer one is known: it was revoked or has expired.',
  rotation_outcome_lost:
    'A refresh was sent and its answer never arrived; the provider has since refused the old refresh token, so the new pair is lost.',
  refresh_token_expired: 'The refresh token has reached the end of its life.',
  refused_unrecognized:
    'The provider has refused this refresh token for over an hour in a form that is not an OAuth error.',
};

export function reauthorizationRequired(
  connectionId: string,
  reason: DeathReason,
): ReauthorizationRequiredError {
  return new ReauthorizationRequiredError(`${DEATHS[reason]} A person must sign in again.`, {
    connectionId,
    reason,
  });
}

export function inProgress(connectionId: string, retryAfterMs: number): RefreshInProgressError {
  return new RefreshInProgressError(
    'The access token has expired and its refresh, here or in another process, has not ended yet. It goes on; try again later.',
    { connectionId, retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)) },
  );
}

/** What a failed refresh is called in events and logs. */
export function failureOf(result: Failure): { readonly reason: string; readonly retryable: boolean } {
  switch (result.kind) {
    case 'uncertain':
    case 'not_sent':
      return { reason: result.reason, retryable: true };
    case 'registration_refused':
      return { reason: result.error, retryable: false };
    case 'refused_unrecognized':
    case 'store_down':
    case 'closing':
      return { reason: result.kind, retryable: true };
    case 'unreadable':
      return { reason: `record_${result.error.reason}`, retryable: false };
    default:
      return result satisfies never;
  }
}

/** How long nothing is tried after a failed refresh, and what callers are told until then. */
export function pauseAfter(
  connectionId: string,
  result: Failure,
  { timings, failures }: { readonly timings: Timings; readonly failures: number },
): { readonly ms: number; readonly error: (retryAfterMs: number) => HighQError } {
  const backoffMs = Math.min(timings.backoffMs * 2 ** (failures - 1), timings.backoffMaxMs);
  switch (result.kind) {
    case 'uncertain':
      return {
        ms: result.retryAfterMs,
        error: (retryAfterMs) =>
          new RotationUncertainError(
            result.reason === 'quarantine'
              ? ANSWER_UNREADABLE
              : 'A refresh was sent and its outcome is unknown. It is probed until there is a definite answer; signing in again also resolves it.',
            { connectionId, retryAfterMs },
          ),
      };
    case 'not_sent':
      return {
        ms: result.retryAfterMs ?? backoffMs,
        error: (retryAfterMs) =>
          new TokenEndpointError(
            `${NOT_SENT[result.reason] ?? `The token endpoint could not be reached (${result.detail}).`} The refresh token was not used.`,
            { connectionId, retryAfterMs, reason: result.reason },
          ),
      };
    case 'registration_refused':
      return {
        ms: timings.backoffMaxMs,
        error: (retryAfterMs) =>
          new TokenEndpointError(
            `The token endpoint refused this registration (${result.error}): check HIGHQ_CLIENT_ID, HIGHQ_CLIENT_SECRET and ` +
              'that the registration is active. No grant was touched.',
            { connectionId, retryAfterMs, reason: result.error },
          ),
      };
    case 'refused_unrecognized':
      return {
        ms: result.retryAfterMs,
        error: (retryAfterMs) =>
          new TokenEndpointError(
            'The token endpoint refused the refresh in a form that is not an OAuth error. It is tried again later; no grant was touched.',
            { connectionId, retryAfterMs, reason: 'refused_unrecognized' },
          ),
      };
    case 'store_down':
      return {
        ms: Math.min(backoffMs, timings.pollMs),
        error: (retryAfterMs) =>
          new StoreUnavailableError(
            'The store does not answer, and without it nothing is sent to the provider. No token was lost.',
            { connectionId, retryAfterMs, cause: result.error },
          ),
      };
    case 'unreadable':
      return { ms: backoffMs, error: () => result.error };
    case 'closing':
      return {
        ms: timings.backoffMaxMs,
        error: (retryAfterMs) =>
          new TokenEndpointError('This token manager is closing and refreshes no more.', {
            connectionId,
            retryAfterMs,
            reason: 'closing',
          }),
      };
    default:
      return result satisfies never;
  }
}
