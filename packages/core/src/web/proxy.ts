import type { Connection } from '../contracts.ts';
import { ConfigurationError, ForeignOriginError } from '../errors.ts';
import { safeError } from '../redact.ts';
import { RouteRefusedError } from './refused.ts';

export type ProxyMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** One call that a browser wants to make. `path`: below the API's root, as sent, without its query. */
export interface ProxyCall {
  readonly method: ProxyMethod;
  readonly path: string;
}

export interface ProxyOptions {
  /**
   * What may pass: methods, or a function that is asked for each call. Whatever it says, a call that changes something must
   * come from a page of the application itself.
   *
   * @default ['GET', 'HEAD']
   * @example
   * highqProxy({ allow: ({ method, path }) => method === 'GET' && path.startsWith('6/sites') });
   */
  readonly allow?: readonly ProxyMethod[] | ((call: ProxyCall) => boolean | PromiseLike<boolean>);
}

/** Where a request came in, and on whose behalf it goes on. */
export interface ProxyVisit {
  readonly connection: Connection;
  /** The path that the proxy is mounted at, as the visitor sees it: what follows goes to the API. */
  readonly mountPath: string;
  /** Something has read the body already, or a part of it. */
  readonly bodyConsumed?: boolean;
}

const METHODS: readonly ProxyMethod[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Nothing that names the visitor, the application or the way here. */
const REQUEST_HEADERS = [
  'accept',
  'accept-language',
  'content-type',
  'content-language',
  // The body goes on as it came.
  'content-encoding',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'range',
  'if-range',
];
const RESPONSE_HEADERS = [
  'content-type',
  'content-language',
  'content-range',
  'accept-ranges',
  'etag',
  'last-modified',
  'retry-after',
];
/** Shown by browsers as data. Other XML, such as SVG, is a document that can run scripts. */
const DATA_TYPE = /^(?:application\/(?:[\w.-]+\+)?json|(?:application|text)\/xml)$/;

/**
 * A handler that passes calls on to the API with the visitor's token. It can be steered neither to another origin nor out
 * of `/api/`, and what comes back cannot act as a page of the application (F113).
 * @throws ConfigurationError for options that cannot be used
 */
export function createProxy(
  options: ProxyOptions = {},
): (request: Request, visit: ProxyVisit) => Promise<Response> {
  const { allow = ['GET', 'HEAD'] } = options;
  if (typeof allow !== 'function') {
    const strange = allow.filter((method) => !METHODS.includes(method));
    if (strange.length > 0) {
      const problem = `takes methods out of ${METHODS.join(', ')}, or a function; not ${strange.join(', ')}`;
      throw new ConfigurationError([{ option: 'highqProxy.allow', problem }]);
    }
  }
  return async (request, { connection, mountPath, bodyConsumed = false }) => {
    const method = METHODS.find((one) => one === request.method);
    const target = below(mountPath, request.url);
    if (target === null) return problem(400, 'This address leads out of the API.');
    const { path, search } = target;
    const passes =
      method !== undefined &&
      (typeof allow === 'function' ? await allow({ method, path }) : allow.includes(method));
    if (!passes) return notAllowed(typeof allow === 'function' ? METHODS : allow);
    if (!SAFE.has(method)) refuseForeign(request);
    if (bodyConsumed && !SAFE.has(method) && bringsBody(request.headers)) {
      const problem = 'comes behind something that has read the body: mount it before body parsers';
      throw new ConfigurationError([{ option: 'highqProxy()', problem }]);
    }
    const headers = forwarded(request.headers);
    try {
      const body = SAFE.has(method) ? null : await bodyOf(request);
      // A dot before it: what looks like an origin stays a path.
      const response = await connection.fetch(`./${path}${search}`, {
        method,
        headers,
        signal: request.signal,
        ...(body === null ? {} : { body, duplex: 'half' as const }),
      });
      return answer(response, method);
    } catch (error) {
      if (error instanceof ForeignOriginError) return problem(400, 'This address leads out of the API.');
      // Nobody reads it: whoever asked has left, and that is no error of the application.
      if (request.signal.aborted) return new Response(null, { status: 499 });
      if (error instanceof TypeError && error.message === 'fetch failed') return unreachable(error);
      throw error;
    }
  };
}

/** What follows the mount path, as it was sent: an encoded slash stays one, so that the check of the address sees it. */
function below(mountPath: string, url: string): { readonly path: string; readonly search: string } | null {
  const { pathname, search } = new URL(url);
  const root = `${mountPath.replace(/\/$/, '')}/`;
  return pathname.startsWith(root) ? { path: pathname.slice(root.length), search } : null;
}

/**
 * Only a page of the application itself may change something with its visitor's token. Unlike a form of the sign-in, a
 * call that a person typed into the address bar is none of that kind.
 */
function refuseForeign(request: Request): void {
  const site = request.headers.get('sec-fetch-site');
  const origin = request.headers.get('origin');
  if (site === 'same-origin') return;
  if (site === null && origin !== null && isOwn(origin, request.url)) return;
  throw new RouteRefusedError('Calls that change something come from a page of the application itself.', {
    reason: 'cross_site',
  });
}

/** Behind a proxy that ends TLS, the application sees `http`. */
function isOwn(origin: string, url: string): boolean {
  const own = new URL(url);
  return origin === own.origin || origin === `https://${own.host}`;
}

/** Parsers leave an empty object also where there was nothing to read. */
function bringsBody(headers: Headers): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? 0) > 0;
}

/** Servers give an empty stream to a call without a body as well. Without one it may be made again, if its token had ended. */
async function bodyOf({ body, headers }: Request): Promise<ReadableStream<Uint8Array> | null> {
  // HTTP/2 needs no header to bring one.
  if (body === null || bringsBody(headers)) return body;
  const reader = body.getReader();
  const first = await reader.read();
  if (first.done) return null;
  return new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(first.value),
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function unreachable(error: TypeError): Response {
  const { code = 'no answer' } = safeError(error);
  const late = code.includes('TIMEOUT') || code === 'ETIMEDOUT';
  return problem(late ? 504 : 502, `HighQ could not be reached: ${code}. Try again later.`);
}

function forwarded(given: Headers): Headers {
  const headers = new Headers();
  for (const name of REQUEST_HEADERS) {
    const value = given.get(name);
    if (value !== null) headers.set(name, value);
  }
  return headers;
}

function answer(response: Response, method: string): Response {
  const { status, headers: given } = response;
  if (status < 200 || status > 599) {
    void response.body?.cancel().catch(() => undefined);
    return problem(502, 'HighQ answered with a status that is none.');
  }
  // Inside the API they were followed already.
  if (status >= 300 && status < 400 && status !== 304) {
    void response.body?.cancel().catch(() => undefined);
    return problem(502, 'HighQ sent this call on to an address outside its API.');
  }
  const headers = new Headers({
    'Cache-Control': /\bno-store\b/i.test(given.get('cache-control') ?? '')
      ? 'no-store'
      : 'private, no-cache',
    'Content-Security-Policy': 'sandbox',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    // It answers in XML or JSON, as it is asked.
    Vary: 'Accept',
    'X-Content-Type-Options': 'nosniff',
  });
  for (const name of RESPONSE_HEADERS) {
    const value = given.get(name);
    if (value !== null) headers.set(name, value);
  }
  // What `fetch` has unpacked is longer than it was.
  const length = given.get('content-length');
  if (length !== null && !given.has('content-encoding')) headers.set('content-length', length);
  const vary = given.get('vary');
  if (vary !== null) headers.append('vary', vary);
  const disposition = given.get('content-disposition');
  const attached = disposition?.trim().toLowerCase().startsWith('attachment') ?? false;
  // What is not modified is stored already, with the headers that it came with.
  if (status !== 304 && (attached || !isData(given.get('content-type')))) {
    headers.set('Content-Disposition', attachment(disposition));
  }
  const bodiless = method === 'HEAD' || status === 204 || status === 205 || status === 304;
  return new Response(bodiless ? null : response.body, { status, headers });
}

/** Of two types, behind one another, browsers may take the second one. */
function isData(contentType: string | null): boolean {
  const type = contentType ?? '';
  return !type.includes(',') && DATA_TYPE.test(type.split(';', 1)[0]?.trim().toLowerCase() ?? '');
}

/** Keeps the name of the file. */
function attachment(disposition: string | null): string {
  const cut = disposition?.indexOf(';') ?? -1;
  return disposition === null || cut < 0 ? 'attachment' : `attachment${disposition.slice(cut)}`;
}

function notAllowed(allowed: readonly string[]): Response {
  const response = problem(405, 'This call may not be made through here.');
  response.headers.set('Allow', allowed.join(', '));
  return response;
}

function problem(status: number, detail: string): Response {
  return new Response(JSON.stringify({ title: detail, status, detail }), {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    },
  });
}
