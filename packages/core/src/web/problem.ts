import { type HighQError, isHighQError } from '../errors.ts';
import { type Action, type Page, pageResponse } from './pages.ts';
import { isPrefetch, wantsPage } from './request.ts';

export interface StatusOverrides {
  /** For `NotConnectedError`. @default 401 */
  readonly notConnected?: number;
  /** For `ReauthorizationRequiredError`. @default 401 */
  readonly reauthorizationRequired?: number;
}

export interface ProblemOptions {
  readonly statuses?: StatusOverrides;
  /** The path of the connect route, when there is one and this visitor may use it. */
  readonly connectPath?: string | undefined;
  /** For the button of the connect page. */
  readonly formTargets?: string;
  /** The instance's host, for the page. */
  readonly host?: string;
  /** Where the visitor wants to be after a sign-in: a checked path. */
  readonly returnTo?: string;
  /** The answer is to a callback: its address, which the browser shows, holds a code. @default false */
  readonly toCallback?: boolean;
}

/** Headers that a handler may have set for a body which does not come: an adapter takes them back before it answers an error. */
export const ABOUT_THE_BODY: readonly string[] = [
  'Content-Disposition',
  'Content-Encoding',
  'Content-Length',
  'Content-Range',
  'ETag',
  'Last-Modified',
];

/**
 * What a visitor gets for an error: a page for a browser that navigates, `application/problem+json` for programs.
 * `null` for what hq-oauth did not throw.
 * @see {@link https://www.rfc-editor.org/rfc/rfc9457 RFC 9457}
 */
export function problemResponse(
  error: unknown,
  request: Request,
  options: ProblemOptions = {},
): Response | null {
  if (!isHighQError(error)) return null;
  const status = statusOf(error, options.statuses);
  const response =
    wantsPage(request) && !isPrefetch(request)
      ? problemPage(error, status, options)
      : problemJson(error, status, options);
  if (error.retryAfterMs !== undefined) {
    response.headers.set('Retry-After', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))));
  }
  return response;
}

function statusOf(error: HighQError, overrides: StatusOverrides = {}): number {
  if (error.code === 'not_connected') return overrides.notConnected ?? error.status;
  if (error.code === 'reauthorization_required') return overrides.reauthorizationRequired ?? error.status;
  return error.status;
}

/**
 * Errors that a sign-in can end. A connection in doubt is one: signing in again settles it. Where a sign-in failed on its
 * way back, whoever was away has to be asked again, and the code that came is of no more use.
 */
export function offersSignIn(error: HighQError, { toCallback = false }: ProblemOptions = {}): boolean {
  switch (error.code) {
    case 'not_connected':
      return error.connectionId !== undefined;
    case 'reauthorization_required':
    case 'rotation_uncertain':
    case 'sign_in':
      return true;
    case 'token_endpoint':
    case 'store_unavailable':
      return toCallback;
    default:
      return false;
  }
}

/** What went wrong inside the server is for its log, not for its visitors. */
function publicDetail(error: HighQError): string {
  return error.status === 500
    ? 'The server cannot use its HighQ connection. Its log says why.'
    : error.message;
}

function reasonOf(error: HighQError): string | undefined {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined;
}

function problemJson(error: HighQError, status: number, options: ProblemOptions): Response {
  const { connectPath } = options;
  const body = {
    type: error.docsUrl,
    title: titleOf(error),
    status,
    detail: publicDetail(error),
    code: error.code,
    reason: error.status === 500 ? undefined : reasonOf(error),
    retryable: error.retryable,
    retryAfterMs: error.retryAfterMs,
    connectUrl: offersSignIn(error, options) ? connectPath : undefined,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
    },
  });
}

function problemPage(error: HighQError, status: number, options: ProblemOptions): Response {
  const { connectPath, returnTo = '/', formTargets = '', host, toCallback = false } = options;
  const actions: Action[] = [];
  const signIn = offersSignIn(error, options) && connectPath !== undefined;
  const holdsCode = toCallback || error.code === 'sign_in';
  if (signIn && holdsCode) {
    // The address may hold a code, so this page sends no Origin header: its button is a link to the page that posts.
    actions.push({
      kind: 'link',
      label: 'Try again',
      to: `${connectPath}?returnTo=${encodeURIComponent(returnTo)}`,
    });
    actions.push({ kind: 'link', label: 'Not now', to: returnTo, quiet: true });
  } else if (signIn) {
    actions.push({ kind: 'post', label: 'Connect to HighQ', to: connectPath, fields: { returnTo } });
  }
  const page: Page = {
    title: titleOf(error),
    over: host,
    ...(error.code === 'sign_in'
      ? { note: publicDetail(error), paragraphs: [] }
      : { paragraphs: paragraphsOf(error) }),
    actions,
  };
  return pageResponse(page, {
    status,
    formTargets,
    referrerPolicy: holdsCode ? 'no-referrer' : 'same-origin',
  });
}

const TITLES: Readonly<Record<string, string>> = {
  reauthorization_required: 'Your HighQ sign-in has ended',
  permission_denied: 'HighQ does not let you do this',
  refresh_in_progress: 'HighQ access is being renewed',
  rotation_uncertain: 'HighQ access is in doubt',
  token_endpoint: 'HighQ cannot be reached',
  store_unavailable: 'Sign-ins cannot be read right now',
  sign_in: 'The sign-in was not completed',
  route_refused: 'This is not allowed',
};

function titleOf(error: HighQError): string {
  if (error.code === 'not_connected') {
    return error.connectionId === undefined ? 'Sign in first' : 'Connect to HighQ';
  }
  return TITLES[error.code] ?? 'Something is wrong with the HighQ connection';
}

function paragraphsOf(error: HighQError): readonly string[] {
  switch (error.code) {
    case 'not_connected':
      return error.connectionId === undefined
        ? ['This page is for people who are signed in to this application.']
        : [
            'This page shows data from HighQ, and your account is not connected yet.',
            'You sign in at HighQ itself. Your password never passes through this application.',
          ];
    case 'reauthorization_required':
      return [error.message, 'Connect again to go on. Nothing else is lost.'];
    case 'rotation_uncertain':
      return [error.message, 'This resolves by itself in most cases. Connecting again resolves it at once.'];
    default:
      return [publicDetail(error)];
  }
}
