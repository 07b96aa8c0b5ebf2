import { isUtf8 } from 'node:buffer';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { retryAfterMs } from './retry-after.ts';
import type { TokenAnswer } from './token-endpoint-exchange.ts';
import type { TokenOutcome, TokenResponseProblem } from './token-outcome.ts';
import { parseTokenResponse } from './token-response.ts';
import { MAX_BODY_BYTES, sniff } from './token-response-text.ts';

/**
 * Answers that mean, beside the two of RFC 6749 (400 as JSON or XML), that a grant is refused. Nobody has published
 * what the provider does, so each further one must be switched on.
 *
 * - `401`: any 401 that is not a page. `xml-403`: XML that says "Access denied". `error-200`: a 200 with an OAuth error.
 */
export type RefusalShape = 'json-400' | 'xml-400' | '401' | 'xml-403' | 'error-200';

type RejectedError = Extract<TokenOutcome, { kind: 'rejected' }>['error'];

/** What a complete answer means (protocol section 4, step 8). `now`: epoch ms, for a `Retry-After` that is a date. */
export function outcomeOf(
  answer: TokenAnswer,
  refusals: ReadonlySet<RefusalShape>,
  now: number,
): TokenOutcome {
  const { status } = answer;
  if (status === 429) {
    return {
      kind: 'not_sent',
      reason: 'rate_limited',
      retryAfterMs: retryAfterMs(answer, now),
      detail: 'the token endpoint answered 429: too many requests',
    };
  }
  if (status >= 500) {
    return { kind: 'unknown', reason: 'server_error', status, retryAfterMs: retryAfterMs(answer, now) };
  }
  if (status >= 400) return refusalOf(answer, refusals);
  if (status >= 300) return unknown('redirect', status);
  return successOf(answer, refusals);
}

/** Whether the status alone decides: such a body is not even read. */
export function decidedByStatus(status: number): boolean {
  return status === 429 || status >= 500 || (status >= 300 && status < 400);
}

function unknown(reason: Extract<TokenOutcome, { kind: 'unknown' }>['reason'], status: number): TokenOutcome {
  return { kind: 'unknown', reason, status, retryAfterMs: null };
}

function successOf(answer: TokenAnswer, refusals: ReadonlySet<RefusalShape>): TokenOutcome {
  const { status } = answer;
  const body = decodeBody(answer);
  if (typeof body === 'string') return unknown(body, status);
  const parsed = parseTokenResponse(body, answer.contentType);
  if (parsed.kind === 'ok') return parsed;
  const { problem, refreshToken, refreshExpiresInSeconds, error } = parsed;
  if (parsed.holdsToken) {
    const text = body.toString('utf8');
    return { kind: 'unusable', problem, body: text, refreshToken, refreshExpiresInSeconds };
  }
  if (problem === 'error_document') {
    // About the registration it is believed in any form: it touches no grant.
    const named = oauthError(error);
    const known = named !== 'invalid_grant' || refusals.has('error-200') ? named : null;
    return known ? { kind: 'rejected', error: known } : { kind: 'unrecognized', status, error };
  }
  const reason = lostBy(problem);
  return reason ? unknown(reason, status) : { kind: 'unrecognized', status, error };
}

/** A 2xx that cannot even be read may have held the new pair; one that is read and holds none is a refusal. */
function lostBy(problem: TokenResponseProblem): 'too_large' | 'unexpected_html' | 'malformed' | null {
  switch (problem) {
    case 'too_large':
    case 'unexpected_html':
      return problem;
    case 'empty':
    case 'not_utf8':
    case 'malformed_json':
    case 'malformed_xml':
    case 'doctype_refused':
    case 'too_deep':
    case 'unknown_format':
      return 'malformed';
    case 'unexpected_root':
    case 'access_token_missing':
    case 'access_token_unusable':
    case 'token_type_unsupported':
    case 'error_document':
    case 'no_token':
      return null;
    default:
      return problem satisfies never;
  }
}

function refusalOf(answer: TokenAnswer, refusals: ReadonlySet<RefusalShape>): TokenOutcome {
  const { status } = answer;
  const body = decodeBody(answer);
  // What cannot be read may be anybody's page.
  if (typeof body === 'string') return unknown(body, status);
  const text = isUtf8(body) ? body : body.toString('latin1');
  const parsed = parseTokenResponse(text, answer.contentType);
  if (parsed.kind === 'refused' && parsed.problem === 'unexpected_html')
    return unknown('unexpected_html', status);
  const error = parsed.kind === 'refused' ? parsed.error : null;
  const known = oauthError(error);
  if (known === 'invalid_client' || known === 'unauthorized_client')
    return { kind: 'rejected', error: known };
  if (
    (known === 'invalid_grant' && (status === 400 || status === 401)) ||
    (status === 401 && refusals.has('401')) ||
    (status === 403 && refusals.has('xml-403') && saysAccessDenied(body.toString()))
  ) {
    return { kind: 'rejected', error: 'invalid_grant' };
  }
  return { kind: 'unrecognized', status, error };
}

function oauthError(error: string | null): RejectedError | null {
  switch (error) {
    case 'invalid_grant':
    case 'invalid_client':
    case 'unauthorized_client':
      return error;
    default:
      return null;
  }
}

function saysAccessDenied(text: string): boolean {
  return sniff(text) === 'xml' && /access[ _-]?denied/i.test(text);
}

/** The body without its content coding, within the cap. No coding was asked for, some gateways apply one anyway. */
function decodeBody({ body, contentEncoding }: TokenAnswer): Buffer | 'too_large' | 'malformed' {
  const options = { maxOutputLength: MAX_BODY_BYTES };
  try {
    switch (contentEncoding.trim().toLowerCase()) {
      case '':
      case 'identity':
        return body;
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, options);
      case 'deflate':
        return inflateSync(body, options);
      case 'br':
        return brotliDecompressSync(body, options);
      default:
        return 'malformed';
    }
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    return tooLarge ? 'too_large' : 'malformed';
  }
}
