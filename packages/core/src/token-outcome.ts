/**
 * A token response that can be used. Lifetimes are seconds as the provider sent them (already strict numbers; `null`:
 * missing or unusable, the expiry model decides). Tokens are non-empty VSCHAR text.
 */
export interface TokenResponse {
  readonly accessToken: string;
  /** `null`: the provider sent none, although it says that it always replaces it (F06). */
  readonly refreshToken: string | null;
  readonly expiresInSeconds: number | null;
  readonly refreshExpiresInSeconds: number | null;
  readonly userEmail: string | null;
  readonly format: 'xml' | 'json';
  /** Oddities that were tolerated: `expires_in_unusable`, `token_type_missing`, `email_unusable`, `refresh_token_missing`, … */
  readonly anomalies: readonly string[];
}

/** Why bytes are not a usable token response. */
export type TokenResponseProblem =
  | 'empty'
  | 'too_large'
  | 'not_utf8'
  | 'malformed_json'
  | 'malformed_xml'
  | 'doctype_refused'
  | 'too_deep'
  | 'unexpected_html'
  | 'unknown_format'
  | 'unexpected_root'
  | 'access_token_missing'
  | 'access_token_unusable'
  | 'token_type_unsupported'
  | 'error_document'
  | 'no_token';

/**
 * What one token request came to (protocol section 4, step 8).
 *
 * - `ok`: a usable pair.
 * - `unusable`: a 2xx that cannot be used but holds a string that could be a token. `body` is kept sealed (quarantine);
 *   `refreshToken` is set when that much is beyond doubt.
 * - `not_sent`: proved that no byte left, or the provider said it did not process the request (429).
 * - `rejected`: a recognized OAuth refusal. `unrecognized`: a refusal that nobody can name.
 * - `unknown`: the provider may have rotated.
 */
export type TokenOutcome =
  | { readonly kind: 'ok'; readonly response: TokenResponse }
  | {
      readonly kind: 'unusable';
      readonly problem: TokenResponseProblem;
      /** At most 64 KiB. Secret. */
      readonly body: string;
      readonly refreshToken: string | null;
      readonly refreshExpiresInSeconds: number | null;
    }
  | {
      readonly kind: 'not_sent';
      readonly reason: 'connect_failed' | 'lease_too_short' | 'rate_limited' | 'closing';
      readonly retryAfterMs: number | null;
      readonly detail: string;
    }
  | { readonly kind: 'rejected'; readonly error: 'invalid_grant' | 'invalid_client' | 'unauthorized_client' }
  | {
      readonly kind: 'unrecognized';
      readonly status: number;
      /** The provider's `error` member, if it is a short word. */
      readonly error: string | null;
    }
  | {
      readonly kind: 'unknown';
      readonly reason:
        | 'timeout'
        | 'reset'
        | 'server_error'
        | 'unexpected_html'
        | 'malformed'
        | 'too_large'
        | 'redirect';
      readonly status: number | null;
      readonly retryAfterMs: number | null;
    };

export type TokenRequest =
  | { readonly grantType: 'authorization_code'; readonly code: string; readonly codeVerifier?: string }
  | { readonly grantType: 'refresh_token'; readonly refreshToken: string };

/**
 * A connection to the token endpoint that is up (TLS included) and has sent nothing. Used once.
 */
export interface TokenConnection {
  /**
   * Sends the request once, without retry or redirect. `maySend` is asked in the same turn, just before the first
   * byte; `false` gives `not_sent` / `lease_too_short`. Never rejects.
   */
  send(request: TokenRequest, maySend?: () => boolean): Promise<TokenOutcome>;
  /** Gives the connection up, if nothing was sent. */
  close(): void;
}

export interface TokenEndpoint {
  /** Rejects when no connection can be had within the connect deadline: nothing was sent. */
  connect(): Promise<TokenConnection>;
  close(): Promise<void>;
}
