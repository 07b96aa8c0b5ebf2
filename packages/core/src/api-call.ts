import { ForeignOriginError } from './errors.ts';

/** Which calls are sent a second time when their token was dead. */
export type Replay = 'idempotent' | 'always' | 'never';

/** `fetch`'s own options, and which calls may be sent twice. */
export interface ApiRequestInit extends RequestInit {
  /**
   * A call is sent again, once, when the API refused it because its token had ended. `idempotent`: only methods that may
   * be repeated (GET, HEAD, OPTIONS, PUT, DELETE). `always`: this one may be repeated as well. `never`: not even
   * those. A stream is never sent twice.
   *
   * @default 'idempotent'
   * @see {@link https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2 RFC 9110, section 9.2.2}
   */
  readonly replay?: Replay;
}

type Body = NonNullable<RequestInit['body']>;

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** A call as it can be sent, again if need be. */
export interface ApiCall {
  readonly url: URL;
  readonly method: string;
  /** Of this call alone: the token is put in here. */
  readonly headers: Headers;
  readonly body: Body | null;
  /** The body is gone once it was sent. */
  readonly streamed: boolean;
  readonly mayRepeat: boolean;
  readonly redirect: NonNullable<RequestInit['redirect']>;
  readonly signal: AbortSignal | undefined;
  /** Whatever else `fetch` takes. */
  readonly rest: RequestInit;
}

/** Below which all API calls go. */
export function apiRoot(instanceUrl: string): URL {
  return new URL(`${instanceUrl}/api/`);
}

/**
 * The address of an API call: relative to the API's root, or absolute and inside it. The bearer token goes
 * nowhere else (I11).
 * @throws ForeignOriginError for every other address; the message shows its origin only
 */
export function apiUrl(base: URL, target: string | URL): URL {
  const text = String(target);
  let url: URL;
  try {
    // A single leading slash is taken for "from the API's root", as people write it.
    url = new URL(/^\/(?![/\\])/.test(text) ? text.slice(1) : text, base);
  } catch {
    throw new ForeignOriginError('The address of this API call cannot be parsed. Nothing was sent.');
  }
  if (!isInside(base, url)) {
    const where = url.origin === 'null' ? url.protocol : url.origin;
    throw new ForeignOriginError(
      `API calls go to ${base.origin}${base.pathname} only; this one was addressed to ${where}. Nothing was sent. ` +
        'Use a path relative to the API, such as "6/sites".',
    );
  }
  return url;
}

/**
 * Below the API's root, by its own path: an encoded dot segment or slash would be a way out of it for a server that
 * decodes before it looks.
 */
export function isInside(base: URL, url: URL): boolean {
  if (url.origin !== base.origin || url.username !== '' || url.password !== '') return false;
  if (!url.pathname.startsWith(base.pathname)) return false;
  return !/%2f|%5c|(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(url.pathname);
}

/** Reads what `fetch` was given. Throws as `apiUrl`. */
export function apiCall(
  base: URL,
  input: string | URL | Request,
  { replay = 'idempotent', ...init }: ApiRequestInit,
): ApiCall {
  const request = input instanceof Request ? input : null;
  const url = apiUrl(base, request ? request.url : (input as string | URL));
  const { method: _method, headers: _headers, body, signal, redirect, ...rest } = init;
  const method = (init.method ?? request?.method ?? 'GET').toUpperCase();
  const headers = new Headers(init.headers ?? request?.headers);
  let content: Body | null = body ?? null;
  let streamed = content !== null && !isInMemory(content);
  if (body === undefined && request?.body) {
    content = request.body;
    streamed = true;
  }
  const repeats = replay === 'always' || (replay === 'idempotent' && IDEMPOTENT.has(method));
  return {
    url,
    method,
    headers,
    body: content,
    streamed,
    mayRepeat: repeats && !streamed,
    redirect: redirect ?? request?.redirect ?? 'follow',
    signal: signal ?? request?.signal ?? undefined,
    rest,
  };
}

export function isInMemory(body: unknown): boolean {
  return (
    typeof body === 'string' ||
    body instanceof URLSearchParams ||
    body instanceof FormData ||
    body instanceof Blob ||
    body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body)
  );
}
