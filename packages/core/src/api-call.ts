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
 * Below the API's root, by its own path, and also for a server that decodes before it looks, more than once, or that drops
 * what follows a semicolon: a dot segment or slash in disguise would be a way out.
 */
export function isInside(base: URL, url: URL): boolean {
  if (url.origin !== base.origin || url.username !== '' || url.password !== '') return false;
  const { pathname } = url;
  if (!pathname.startsWith(base.pathname)) return false;
  // Parsing has resolved every dot segment that is written as one.
  if (!/[%;]/.test(pathname)) return true;
  return pathname.slice(base.pathname.length).split('/').every(isPlainSegment);
}

const DECODINGS_AT_MOST = 4;
const WAY_OUT = /[/\\]|^\.{1,2}\s*(?:;|$)/;
/** Control characters, bytes that spell a character in more bytes than it has, as no UTF-8 does, and Microsoft's `%uXXXX`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NOT_TEXT = /[\x00-\x1f\x7f\xc0\xc1]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]|%u[0-9a-fA-F]{4}/;

function isPlainSegment(segment: string): boolean {
  let text = segment;
  for (let decodings = 0; decodings <= DECODINGS_AT_MOST; decodings += 1) {
    if (WAY_OUT.test(text) || NOT_TEXT.test(text)) return false;
    const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, byte: string) =>
      String.fromCharCode(Number.parseInt(byte, 16)),
    );
    if (decoded === text) return true;
    text = decoded;
  }
  return false;
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
  if (content !== null && (method === 'GET' || method === 'HEAD')) {
    throw new TypeError(`A ${method} carries no body. Nothing was sent.`);
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
