import { channel } from 'node:diagnostics_channel';
import { ERRORS_PAGE } from './errors-page.ts';

const MARK = Symbol.for('hq-oauth.error');
/** Every error that is made, for those who listen: `diagnostics_channel.subscribe('hq-oauth:error', fn)`. */
const made = channel('hq-oauth:error');

export interface HighQErrorOptions {
  readonly connectionId?: string | undefined;
  readonly cause?: unknown;
  /** For `retryable` errors: when to try again, milliseconds from now. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Base of every error that hq-oauth throws on purpose. Carries ids and outcome classes, never a token, a code, a
 * secret, a header or a body. Test for it with {@link isHighQError}: two copies of core may meet in one process.
 */
export abstract class HighQError extends Error {
  abstract override readonly name: string;
  /** Stable, for programs: `not_connected`, `store_unavailable`, … */
  abstract readonly code: string;
  /** The HTTP status that an adapter answers with. */
  abstract readonly status: number;
  /** Whether the same call can succeed later without a person. */
  abstract readonly retryable: boolean;
  readonly connectionId: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: HighQErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.connectionId = options.connectionId;
    this.retryAfterMs = options.retryAfterMs;
    Object.defineProperty(this, MARK, { value: true });
    // In a later microtask: the members of the subclass are not there yet.
    if (made.hasSubscribers) queueMicrotask(() => made.publish(this));
  }

  /** The heading of `docs/errors.md` about this error. */
  get docsUrl(): string {
    return ERRORS_PAGE + this.code;
  }

  /** What a log may hold. */
  toJSON(): Record<string, unknown> {
    const { name, code, status, retryable, message, connectionId, retryAfterMs, docsUrl } = this;
    return { name, code, status, retryable, message, connectionId, retryAfterMs, docsUrl };
  }
}

/** Tells an error of hq-oauth by a registered symbol, whichever copy of core made it. */
export function isHighQError(value: unknown): value is HighQError {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[MARK] === true;
}

/** Nobody has signed in on this connection, or the person disconnected it. */
export class NotConnectedError extends HighQError {
  override readonly name = 'NotConnectedError';
  override readonly code = 'not_connected';
  override readonly status = 401;
  override readonly retryable = false;
}

/** The grant has ended: a person must sign in again. */
export class ReauthorizationRequiredError extends HighQError {
  override readonly name = 'ReauthorizationRequiredError';
  override readonly code = 'reauthorization_required';
  override readonly status = 401;
  override readonly retryable = false;
  /** Why, as in `ConnectionStatus.reason`. */
  readonly reason: string;

  constructor(message: string, options: HighQErrorOptions & { readonly reason: string }) {
    super(message, options);
    this.reason = options.reason;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), reason: this.reason };
  }
}

/** The provider says that this user may not make this call. */
export class PermissionDeniedError extends HighQError {
  override readonly name = 'PermissionDeniedError';
  override readonly code = 'permission_denied';
  override readonly status = 403;
  override readonly retryable = false;
  /** The API's own words, if it had any. */
  readonly apiMessage: string | null;

  constructor(message: string, options: HighQErrorOptions & { readonly apiMessage?: string | null } = {}) {
    super(message, options);
    this.apiMessage = options.apiMessage ?? null;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), apiMessage: this.apiMessage };
  }
}

/** The API answered with an error of its own, or with something that cannot be read. */
export class ApiRequestError extends HighQError {
  override readonly name = 'ApiRequestError';
  override readonly code = 'api_request';
  override readonly status = 502;
  override readonly retryable: boolean;
  /** What the API answered with, such as 404. */
  readonly apiStatus: number;
  /** The API's own words, if it had any. */
  readonly apiMessage: string | null;

  constructor(
    message: string,
    options: HighQErrorOptions & { readonly apiStatus: number; readonly apiMessage: string | null },
  ) {
    super(message, options);
    this.apiStatus = options.apiStatus;
    this.apiMessage = options.apiMessage;
    this.retryable = options.apiStatus === 429 || options.apiStatus >= 500;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), apiStatus: this.apiStatus, apiMessage: this.apiMessage };
  }
}

/** A refresh is under way and did not end within `waitMs`. It goes on. */
export class RefreshInProgressError extends HighQError {
  override readonly name = 'RefreshInProgressError';
  override readonly code = 'refresh_in_progress';
  override readonly status = 503;
  override readonly retryable = true;
}

/** A refresh was sent and nobody can prove its outcome yet. It is probed without end; a sign-in also resolves it. */
export class RotationUncertainError extends HighQError {
  override readonly name = 'RotationUncertainError';
  override readonly code = 'rotation_uncertain';
  override readonly status = 503;
  override readonly retryable = true;
}

/** The token endpoint cannot be reached, is rate limiting, or refuses this registration. No grant was touched. */
export class TokenEndpointError extends HighQError {
  override readonly name = 'TokenEndpointError';
  override readonly code = 'token_endpoint';
  override readonly status = 503;
  override readonly retryable = true;
  /** `not_sent`, `rate_limited`, `invalid_client`, `unrecognized`, … */
  readonly reason: string;

  constructor(message: string, options: HighQErrorOptions & { readonly reason: string }) {
    super(message, options);
    this.reason = options.reason;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), reason: this.reason };
  }
}

/** The store did not answer, and no valid token is in memory. Nothing was sent to the provider. */
export class StoreUnavailableError extends HighQError {
  override readonly name = 'StoreUnavailableError';
  override readonly code = 'store_unavailable';
  override readonly status = 503;
  override readonly retryable = true;
}

/** A stored record is there and cannot be opened. It was neither changed nor deleted. */
export class RecordUnreadableError extends HighQError {
  override readonly name = 'RecordUnreadableError';
  override readonly code = 'record_unreadable';
  override readonly status = 500;
  override readonly retryable = false;
  readonly reason: 'tampered' | 'unknown_key' | 'later_schema' | 'malformed';

  constructor(
    message: string,
    options: HighQErrorOptions & {
      readonly reason: 'tampered' | 'unknown_key' | 'later_schema' | 'malformed';
    },
  ) {
    super(message, options);
    this.reason = options.reason;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), reason: this.reason };
  }
}

/** The call must be sent again with a new token, and its body cannot be. */
export class BodyNotReplayableError extends HighQError {
  override readonly name = 'BodyNotReplayableError';
  override readonly code = 'body_not_replayable';
  override readonly status = 409;
  override readonly retryable = false;
}

/** A call was addressed to another origin or outside `{instanceUrl}/api/`. Nothing was sent. */
export class ForeignOriginError extends HighQError {
  override readonly name = 'ForeignOriginError';
  override readonly code = 'foreign_origin';
  override readonly status = 500;
  override readonly retryable = false;
}

/** A sign-in came back in a way that cannot be accepted. No code was sent anywhere, unless the message says so. */
export class SignInError extends HighQError {
  override readonly name = 'SignInError';
  override readonly code = 'sign_in';
  override readonly status = 400;
  override readonly retryable = false;
  readonly reason: string;

  constructor(message: string, options: HighQErrorOptions & { readonly reason: string }) {
    super(message, options);
    this.reason = options.reason;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), reason: this.reason };
  }
}

/** One problem of the configuration: the option, its environment variable if it has one, what is wrong, the remedy. */
export interface ConfigurationProblem {
  readonly option: string;
  readonly env?: string;
  readonly problem: string;
}

/** Thrown at start, with **every** problem in one message. Never shows a secret's value. */
export class ConfigurationError extends HighQError {
  override readonly name = 'ConfigurationError';
  override readonly code = 'configuration';
  override readonly status = 500;
  override readonly retryable = false;
  readonly problems: readonly ConfigurationProblem[];

  constructor(problems: readonly ConfigurationProblem[]) {
    const lines = problems.map(
      ({ option, env, problem }) => `  - ${option}${env ? ` (${env})` : ''}: ${problem}`,
    );
    super(
      `hq-oauth cannot start, ${problems.length} problem${problems.length === 1 ? '' : 's'}:\n${lines.join('\n')}`,
    );
    this.problems = problems;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), problems: this.problems };
  }
}
