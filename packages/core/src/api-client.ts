import { type ApiCall, type ApiRequestInit, apiCall, isInside } from './api-call.ts';
import { BodyNotReplayableError } from './errors.ts';
import { refusalOf } from './forbidden.ts';
import type { ForbiddenInquiry, RefusedCall } from './forbidden-inquiry.ts';
import type { HeldGrant } from './held-grant.ts';
import type { HandedToken } from './token-request.ts';

/** A long upload begins with a token that lives for this much longer, milliseconds: it cannot be sent again. */
const UPLOAD_VALIDITY_MS = 5 * 60_000;
const REDIRECTS_AT_MOST = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Answers of which it was found that the API denies the call, and does not mean its token. */
const denials = new WeakSet<Response>();

/** Whether the API denies this call to this user. */
export function isDenial(response: Response): boolean {
  return denials.has(response);
}

export interface ApiAccess {
  /** The API's root. */
  readonly base: URL;
  readonly connectionId: string;
  readonly grant: () => HeldGrant;
  readonly token: (request: {
    signal: AbortSignal | undefined;
    minValidityMs?: number;
  }) => Promise<HandedToken>;
  readonly inquiry: ForbiddenInquiry;
  /** On a platform that freezes a process when its callers have their answers, nothing may be under way by then (F112). */
  readonly awaits: boolean;
  /** What the request leaves by. */
  readonly fetch: typeof globalThis.fetch;
}

/**
 * `fetch` with a bearer token. A refusal is looked into: when the token was dead the call is made once more with a new
 * one, if it may be; when the user may not make the call, the API's own answer comes back unchanged.
 *
 * @param resendable the request's body is known to be in memory
 * @throws BodyNotReplayableError the token was known to be dead, a new one is there, and this call is not sent twice
 */
export async function apiFetch(
  access: ApiAccess,
  input: string | URL | Request,
  init: ApiRequestInit = {},
  resendable = false,
): Promise<Response> {
  const held = resendable && input instanceof Request && input.body && init.body === undefined;
  const call = apiCall(access.base, input, held ? { ...init, body: await input.arrayBuffer() } : init);
  const used = await access.token({
    signal: call.signal,
    ...(call.streamed ? { minValidityMs: UPLOAD_VALIDITY_MS } : {}),
  });
  const response = await send(access, call, used.token);
  const refused = refusedCall(access, call, used, response);
  if (!refused) return response;
  const finding = await raced(
    access.inquiry.inquire(access.grant(), refused),
    call.signal,
    access.awaits,
  ).catch((error: unknown) => {
    // Its caller never sees it, and nobody else would let it go.
    response.body?.cancel().catch(() => undefined);
    throw error;
  });
  if (finding !== 'replay') {
    if (finding === 'denied') denials.add(response);
    return response;
  }
  await response.body?.cancel().catch(() => undefined);
  // Also for a call that is not made again: there may be none, and then that is what its caller has to know.
  const again = await access.token({ signal: call.signal });
  if (!call.mayRepeat) {
    throw new BodyNotReplayableError(
      `The access token had ended when this ${call.method} arrived, and the API refused it. A new token is there. The call was not sent again, ` +
        `because ${call.streamed ? 'a stream cannot be read twice' : `${call.method} may not be repeatable`}: make it again, or pass replay: 'always' for a call that may be sent twice.`,
      { connectionId: access.connectionId },
    );
  }
  const second = await send(access, call, again.token);
  const refusedAgain = refusedCall(access, call, again, second);
  if (refusedAgain && access.inquiry.again(access.grant(), refusedAgain) === 'denied') denials.add(second);
  return second;
}

function refusedCall(
  { base }: ApiAccess,
  { method, url, mayRepeat }: ApiCall,
  used: HandedToken,
  response: Response,
): RefusedCall | null {
  // Nearly always: without a look at the headers.
  if (response.ok) return null;
  const refusal = refusalOf(response.status, response.headers.get('content-type'));
  if (refusal === null) return null;
  const path = url.pathname.slice(base.pathname.length);
  const version = /^\d+(?=\/|$)/.exec(path)?.[0] ?? '6';
  return { refusal, name: `${method} ${path}${url.search}`, version, used, mayRepeat };
}

/** Ends this caller's wait when its signal is aborted. What it waits for goes on, and with `toItsEnd` it waits for that. */
async function raced<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
  toItsEnd: boolean,
): Promise<Result> {
  if (!signal) return work;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    return await Promise.race([aborted.promise, work]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (toItsEnd) await work.catch(() => undefined);
  }
}

/** Redirects are followed by hand, inside the API only: nobody else sees the token (I11). */
async function send(access: ApiAccess, call: ApiCall, token: string): Promise<Response> {
  const { base } = access;
  let { url, method, body, headers } = call;
  for (let hops = 0; ; hops += 1) {
    headers.set('authorization', `Bearer ${token}`);
    const response = await access.fetch(url, {
      ...call.rest,
      method,
      headers,
      redirect: 'manual',
      ...(call.signal ? { signal: call.signal } : {}),
      ...(body === null ? {} : { body }),
      ...(call.streamed && body !== null ? { duplex: 'half' as const } : {}),
    });
    const redirected = REDIRECTS.has(response.status);
    if (redirected && call.redirect === 'error') {
      await response.body?.cancel().catch(() => undefined);
      throw new TypeError('fetch failed', { cause: new Error('a redirect, and the call said to take none') });
    }
    const target = redirected ? locationOf(response, url) : null;
    if (!target || call.redirect === 'manual' || !isInside(base, target)) return response;
    const { status } = response;
    const toGet =
      (status === 303 && method !== 'HEAD') || ((status === 301 || status === 302) && method === 'POST');
    if (hops === REDIRECTS_AT_MOST || (!toGet && body !== null && call.streamed)) return response;
    await response.body?.cancel().catch(() => undefined);
    url = target;
    if (toGet) {
      method = 'GET';
      body = null;
      // The call may be made again as it was.
      headers = new Headers(headers);
      for (const name of ['content-type', 'content-length', 'content-encoding', 'content-language']) {
        headers.delete(name);
      }
    }
  }
}

function locationOf(response: Response, url: URL): URL | null {
  const location = response.headers.get('location');
  if (location === null || !URL.canParse(location, url.href)) return null;
  const target = new URL(location, url);
  target.hash = '';
  return target;
}
