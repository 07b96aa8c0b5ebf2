import type { ApiRequestInit } from './api-call.ts';
import type { Clock, Random } from './clock.ts';
import type { HighQClient } from './connection-client.ts';
import type { HighQEvents } from './events.ts';
import type { RefreshYear } from './expiry.ts';
import type { ConnectionState, ConnectionStatus, HistoryEntry } from './status.ts';
import type { TokenStore } from './token-store.ts';

/** Where a person's grant is used. A stateless handle: keep it or make it anew, it costs nothing. */
export interface Connection {
  readonly id: string;
  /**
   * ky on this connection's fetch: paths are relative to `{instanceUrl}/api/`, `client.get('6/sites').json()`. A call that
   * this user may not make throws PermissionDeniedError. `replay` as in `fetch`.
   */
  readonly client: HighQClient;
  /** Where to send a person to sign in. @throws ConfigurationError without a redirect URI. */
  authorizationUrl(options?: { redirectUri?: string; state?: string; codeChallenge?: string }): string;
  /**
   * Turns a code into a grant. With `confirm: true` the new account waits as `pending` beside the active grant, until
   * `confirm()` or `reject()`.
   */
  exchangeCode(
    code: string,
    options?: { confirm?: boolean; codeVerifier?: string },
  ): Promise<ConnectionStatus>;
  /** `pendingId`, as `status().pending` showed it: another account that came in between is not confirmed. */
  confirm(options?: { pendingId?: string }): Promise<ConnectionStatus>;
  reject(options?: { pendingId?: string }): Promise<ConnectionStatus>;
  /** Takes over a grant from elsewhere: a token response as XML or JSON text, or as an object with its member names. */
  importTokens(
    tokens: string | Record<string, unknown>,
    options?: { receivedAt?: number },
  ): Promise<ConnectionStatus>;
  /**
   * An access token that is valid now and for `minValidityMs` more (at most half of its life). `waitMs`: how long to
   * wait for a refresh that is needed first. An aborted signal ends this wait, never the refresh.
   * @throws NotConnectedError, ReauthorizationRequiredError, RefreshInProgressError, RotationUncertainError,
   * TokenEndpointError, StoreUnavailableError, RecordUnreadableError; TypeError for a duration that is no number
   */
  getAccessToken(options?: {
    minValidityMs?: number;
    waitMs?: number;
    signal?: AbortSignal;
  }): Promise<string>;
  /**
   * `fetch` with the bearer token, to this instance's `/api/` only, redirects included. A call that was refused because its
   * token had ended is made once more with a new one, if `replay` allows; one that this user may not make comes back with the
   * API's own 403.
   * @throws ForeignOriginError, BodyNotReplayableError, and as getAccessToken
   */
  fetch(this: void, pathOrUrl: string | URL | Request, init?: ApiRequestInit): Promise<Response>;
  /** Renews now if it is due, or in any case with `force`. */
  refresh(options?: { force?: boolean }): Promise<ConnectionStatus>;
  status(): Promise<ConnectionStatus>;
  /** Newest first. */
  history(options?: { limit?: number }): Promise<readonly HistoryEntry[]>;
  /** What the next call would do, and why, in sentences. */
  explain(): Promise<readonly string[]>;
  /** Forgets the tokens and leaves a tombstone, effective on every process within `revalidateMs`. */
  disconnect(): Promise<void>;
}

/** For adapters and `@hq-oauth/core/web`; not for applications. */
export const internals: unique symbol = Symbol.for('hq-oauth.internals') as never;

export interface ManagerInternals {
  readonly store: TokenStore;
  /** Hash of instance URL and client id: the first part of every store key. */
  readonly registration: string;
  readonly instanceUrl: string;
  readonly redirectUri: string | undefined;
  /** True when http on loopback is accepted (tests, demos): cookies may then go without `Secure`. */
  readonly allowLoopback: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** What is known about the refresh token's year. */
  readonly refreshYear: RefreshYear;
  /** The store's time as this process knows it, from the store's last answer. Epoch ms. */
  storeNow(): number;
}

export interface TokenManager extends AsyncDisposable {
  /** @throws TypeError for `null`, `''` or an explicit `undefined`: an anonymous visitor is nobody (F109). */
  connection(...id: [] | [string]): Connection;
  connections(query?: {
    state?: ConnectionState;
    after?: string;
    limit?: number;
  }): AsyncIterable<ConnectionStatus>;
  on<E extends keyof HighQEvents>(event: E, listener: (event: HighQEvents[E]) => void): () => void;
  /**
   * Seals every grant with the first key of `encryption`, so that an older key can be retired: in the store, and what the
   * journals keep of it. What only a journal or the rescue folder has goes into the store first. `resealed`: how many
   * connections needed it. `left`: ids of those of which something could not be opened here, or has no place in the store; it
   * is left as it is, and its key must stay. @throws StoreUnavailableError the store or a journal cannot be reached
   */
  reseal(): Promise<{ readonly resealed: number; readonly left: readonly string[] }>;
  health(): Promise<{
    readonly status: 'up' | 'degraded' | 'down';
    readonly store: 'up' | 'down';
    readonly unpersisted: number;
  }>;
  /** No new refresh; waits for flights and their persist. */
  close(options?: { timeoutMs?: number }): Promise<void>;
  readonly [internals]: ManagerInternals;
}
