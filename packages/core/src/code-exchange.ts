import { isHighQError, SignInError, TokenEndpointError } from './errors.ts';
import { pairOf, refreshOnly } from './new-pair.ts';
import type { TokenEndpoint, TokenOutcome } from './token-outcome.ts';
import type { NewPair } from './transitions.ts';

/**
 * Sends a code and gives the pair that it bought. A refresh token whose other half cannot be used is kept: it is live.
 * @throws SignInError, TokenEndpointError
 */
export async function exchange(
  endpoint: TokenEndpoint,
  connectionId: string,
  request: { readonly code: string; readonly codeVerifier?: string },
  { issuedAt, lifeMs }: { readonly issuedAt: number; readonly lifeMs: number | undefined },
): Promise<{ readonly next: NewPair; readonly anomalies: readonly string[] }> {
  let outcome: TokenOutcome;
  try {
    const connection = await endpoint.connect();
    outcome = await connection.send({ grantType: 'authorization_code', ...request });
  } catch (error) {
    if (isHighQError(error)) throw error;
    const detail = error instanceof Error ? error.message : 'no connection';
    outcome = { kind: 'not_sent', reason: 'connect_failed', retryAfterMs: null, detail };
  }
  switch (outcome.kind) {
    case 'ok':
      return pairOf(outcome.response, { accessFrom: issuedAt, refreshFrom: issuedAt }, lifeMs, {
        pair: null,
        refresh: null,
      });
    case 'not_sent':
      throw new TokenEndpointError(
        `The token endpoint did not take the sign-in (${outcome.detail}). The code was not used; try again.`,
        { connectionId, reason: outcome.reason, retryAfterMs: outcome.retryAfterMs ?? 1_000 },
      );
    case 'rejected':
      if (outcome.error === 'invalid_grant') {
        throw new SignInError(
          'The provider refused the authorization code: it is older than 30 minutes, was used before, or belongs to another registration. Start the sign-in again.',
          { connectionId, reason: 'code_refused' },
        );
      }
      throw new TokenEndpointError(
        `The token endpoint refused this registration (${outcome.error}): check HIGHQ_CLIENT_ID, HIGHQ_CLIENT_SECRET and that the registration is active.`,
        { connectionId, reason: outcome.error },
      );
    case 'unrecognized':
      throw new SignInError(
        `The provider refused the authorization code with status ${outcome.status}. Start the sign-in again.`,
        { connectionId, reason: 'code_refused' },
      );
    case 'unusable':
      if (outcome.refreshToken !== null) {
        const next = refreshOnly(outcome.refreshToken, outcome.refreshExpiresInSeconds, issuedAt);
        return { next, anomalies: ['token_response_unusable'] };
      }
      throw new TokenEndpointError(
        `The token endpoint's answer could not be used (${outcome.problem}). Start the sign-in again; if it goes on, see the list of problems in the documentation.`,
        { connectionId, reason: outcome.problem },
      );
    case 'unknown':
      throw new TokenEndpointError(
        `The token endpoint's answer to the sign-in was lost (${outcome.reason}). The code may be used up: start the sign-in again.`,
        { connectionId, reason: outcome.reason },
      );
    default:
      return outcome satisfies never;
  }
}
