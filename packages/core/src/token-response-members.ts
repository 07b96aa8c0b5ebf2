import type { TokenResponse, TokenResponseProblem } from './token-outcome.ts';

/** Bytes that were read as a token response, or why they cannot be used. */
export type ParsedTokenResponse =
  | { readonly kind: 'ok'; readonly response: TokenResponse }
  | {
      readonly kind: 'refused';
      readonly problem: TokenResponseProblem;
      /** The body is well-formed and a string in it could be a token: worth keeping for a later parser. */
      readonly holdsToken: boolean;
      /** Set when a valid refresh token stands where it belongs, although the rest cannot be used. Secret. */
      readonly refreshToken: string | null;
      readonly refreshExpiresInSeconds: number | null;
      /** The OAuth `error` member, if it is a short word. */
      readonly error: string | null;
    };

/** A string anywhere in the document, with the name it stands under. */
export type NamedString = readonly [name: string, value: string];

export interface TokenDocument {
  readonly format: 'xml' | 'json';
  /** By their names on the wire. `null`, `undefined` and absence are the same; markup inside a member is an object. */
  readonly members: ReadonlyMap<string, unknown>;
  readonly strings: readonly NamedString[];
  /** What it is called when it has none of the members but holds a token. */
  readonly strangerProblem: TokenResponseProblem;
}

export function refused(
  problem: TokenResponseProblem,
  facts: Partial<Omit<Extract<ParsedTokenResponse, { kind: 'refused' }>, 'kind' | 'problem'>> = {},
): ParsedTokenResponse {
  return {
    kind: 'refused',
    problem,
    holdsToken: false,
    refreshToken: null,
    refreshExpiresInSeconds: null,
    error: null,
    ...facts,
  };
}

/** The rules that XML, JSON and imported objects share. */
export function readMembers({
  format,
  members,
  strings,
  strangerProblem,
}: TokenDocument): ParsedTokenResponse {
  const get = (name: string): unknown => members.get(name) ?? null;
  if (isError(get('error'))) {
    return refused('error_document', {
      holdsToken: strings.some(isNamedToken),
      error: errorWord(get('error')),
    });
  }
  const holdsToken = strings.some(couldBeToken);
  const access = get('access_token');
  const refresh = get('refresh_token');
  const refreshLife = readSeconds(get('refresh_token_expires_in'));
  const refreshToken = isToken(refresh) ? refresh : null;
  const refuse = (problem: TokenResponseProblem): ParsedTokenResponse =>
    refused(problem, {
      holdsToken,
      refreshToken,
      refreshExpiresInSeconds: refreshToken === null ? null : refreshLife.seconds,
    });
  if (access === null) {
    if (!holdsToken) return refuse('no_token');
    return refuse(refresh === null ? strangerProblem : 'access_token_missing');
  }
  // A refresh token that cannot be presented is as bad as an access token that cannot: the old one is replaced.
  if (!isToken(access) || (refresh !== null && refreshToken === null)) return refuse('access_token_unusable');
  const tokenType = get('token_type');
  if (tokenType !== null && !(typeof tokenType === 'string' && /^(?:bearer)?$/i.test(tokenType.trim()))) {
    return refuse('token_type_unsupported');
  }

  const anomalies: string[] = [];
  if (tokenType === null || tokenType.trim() === '') anomalies.push('token_type_missing');
  if (refreshToken === null) anomalies.push('refresh_token_missing');
  const life = readSeconds(get('expires_in'));
  if (life.state !== 'read') anomalies.push(`expires_in_${life.state}`);
  if (refreshLife.state === 'unusable') anomalies.push('refresh_token_expires_in_unusable');
  const email = get('useremail');
  const userEmail = isEmail(email) ? email : null;
  if (email !== null && email !== '' && userEmail === null) anomalies.push('email_unusable');
  return {
    kind: 'ok',
    response: {
      accessToken: access,
      refreshToken,
      expiresInSeconds: life.seconds,
      refreshExpiresInSeconds: refreshLife.seconds,
      userEmail,
      format,
      anomalies,
    },
  };
}

const MAX_TOKEN_LENGTH = 8192;

/** VSCHAR of RFC 6749, appendix A: what can stand in a header without a second thought (F13, F101). */
function isToken(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(value);
}

function isNamedToken([name, value]: NamedString): boolean {
  return value.trim() !== '' && /token$/i.test(name);
}

/**
 * Under a token's name anything counts; under another name what is long and dense, but for what a maintenance page or a
 * gateway writes: addresses, paths, media types, instants, words, and identifiers under names that say so.
 */
function couldBeToken([name, value]: NamedString): boolean {
  if (isNamedToken([name, value])) return true;
  if (value.length < 16 || !isToken(value)) return false;
  return (
    !ORDINARY.test(value) && !(/(?:id|trace|request|correlation|span|ref)$/i.test(name) && ID.test(value))
  );
}

const ORDINARY =
  /@|^[a-z]+:\/\/|^\/|^(?:application|text|image|multipart)\/|^\d{4}-\d\d-\d\d(?:T|$)|^(?:[a-z]+|[A-Z]+|[A-Z][a-z]+)(?:[_.,:;!/-]+(?:[a-z]+|[A-Z]+|[A-Z][a-z]+))*[.!]?$/;
/** A UUID, or hexadecimal digits with or without dashes. */
const ID = /^[0-9a-f]+(?:-[0-9a-f]+)*$/i;

/** A finite positive number, floored, or decimal digits. As large as sent, up to the largest safe integer. */
function readSeconds(value: unknown): { state: 'read' | 'missing' | 'unusable'; seconds: number | null } {
  if (value === null || value === undefined) return { state: 'missing', seconds: null };
  let seconds = Number.NaN;
  if (typeof value === 'number') seconds = Math.floor(value);
  else if (typeof value === 'string' && /^[0-9]+$/.test(value.trim())) seconds = Number(value);
  // `1e309` is a finite number on the wire, however it is read here.
  if (seconds >= 1) return { state: 'read', seconds: Math.min(seconds, Number.MAX_SAFE_INTEGER) };
  return { state: 'unusable', seconds: null };
}

/** For display and comparison only; format characters could show a person another address than the one compared. */
function isEmail(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= 320 &&
    !/[\p{C}\p{Zl}\p{Zp}]/u.test(value)
  );
}

function isError(value: unknown): boolean {
  return value !== null && value !== undefined && value !== '' && value !== false;
}

/** Only a short word is passed on: what else a provider writes there could quote a token. */
export function errorWord(value: unknown): string | null {
  if (typeof value === 'string') return /^[a-zA-Z_ .-]{1,64}$/.test(value) ? value : null;
  if (typeof value !== 'object' || value === null) return null;
  for (const name of ['error', 'code', 'message']) {
    const inner: unknown = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : null;
    const word = typeof inner === 'string' ? errorWord(inner) : null;
    if (word !== null) return word;
  }
  return null;
}
