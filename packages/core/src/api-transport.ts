import { pipeline, Readable, type Transform } from 'node:stream';
import { getCACertificates } from 'node:tls';
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { apiRoot, isInMemory } from './api-call.ts';
import type { ResolvedOptions } from './options.ts';
import {
  Agent,
  type Dispatcher,
  ProxyAgent,
  programDispatcher,
  UndiciForm,
  undiciFetch,
  undiciRequest,
} from './undici.ts';

/** How API calls reach the instance: Node's own `fetch`, or one that goes through the firm's proxy and trusts its CA. */
export interface ApiTransport {
  /** The API's root. */
  readonly base: URL;
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

const NO_BODY = new Set([101, 103, 204, 205, 304]);

export function apiTransport(instanceUrl: string, { proxy, ca }: ResolvedOptions['http']): ApiTransport {
  // Beside the usual authorities, as for token requests.
  const tls = ca === undefined ? {} : { ca: [...getCACertificates('default'), ...ca] };
  const plain = proxy === undefined && ca === undefined;
  let opened: Dispatcher | undefined;
  const dispatcher = (): Dispatcher => {
    opened ??= proxy
      ? new ProxyAgent({ uri: proxy, requestTls: tls, proxyTls: tls, proxyTunnel: true })
      : new Agent({ connect: tls });
    return opened;
  };
  const detour: typeof fetch = async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const response = await undiciFetch(url, {
      ...(init as unknown as UndiciInit),
      headers: [...new Headers(init.headers)],
      ...(init.body instanceof FormData && { body: formOf(init.body) }),
      dispatcher: dispatcher(),
    });
    // Of the same class as any other answer, so that `instanceof Response` holds for whoever asks.
    const { status, statusText } = response;
    refuseNoStatus(status, () => response.body?.cancel());
    const headers = [...response.headers] as [string, string][];
    return new Response(NO_BODY.has(status) ? null : response.body, { status, statusText, headers });
  };
  return {
    base: apiRoot(instanceUrl),
    fetch(input, init = {}) {
      // Whatever way `fetch` would take: an application may have given all of Node a proxy.
      if (init.body && !isInMemory(init.body)) {
        return upload(input, init, plain ? programDispatcher() : dispatcher());
      }
      return plain ? fetch(input, init) : detour(input, init);
    },
    // Not waited for: an answer that its reader left unread would never let it end.
    close: async () => void opened?.close().catch(() => undefined),
  };
}

type UndiciInit = NonNullable<Parameters<typeof undiciFetch>[1]>;

/** A form of Node's own, which undici takes for text. A stream of it would have no length that the API could be told. */
function formOf(form: FormData): UndiciForm {
  const same = new UndiciForm();
  for (const [name, value] of form) {
    if (typeof value === 'string') same.append(name, value);
    else same.append(name, value, value.name);
  }
  return same;
}

/**
 * A stream is sent without `fetch`, which keeps a second branch of it in memory for a redirect: an upload of 1 GiB took
 * as much (measured). What `fetch` adds by itself is added here, and a coded answer is unpacked as it would.
 */
async function upload(
  input: Parameters<typeof fetch>[0],
  init: RequestInit,
  dispatcher: Dispatcher,
): Promise<Response> {
  const { method = 'POST', signal } = init;
  const headers = {
    accept: '*/*',
    'accept-encoding': 'identity',
    'user-agent': 'node',
    ...Object.fromEntries(new Headers(init.headers)),
  };
  const url = input instanceof Request ? input.url : String(input);
  const body = Readable.from(init.body as unknown as AsyncIterable<Uint8Array>, { objectMode: false });
  let answer: Dispatcher.ResponseData;
  try {
    answer = await undiciRequest(url, {
      method: method as Dispatcher.HttpMethod,
      headers,
      body,
      dispatcher,
      // As long as the provider takes for what it was sent; callers end it by their signal.
      headersTimeout: 0,
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new TypeError('fetch failed', { cause: error });
  }
  const given = new Headers();
  for (const [name, values] of Object.entries(answer.headers)) {
    for (const value of [values].flat()) if (value !== undefined) given.append(name, value);
  }
  const { statusCode: status } = answer;
  refuseNoStatus(status, () => answer.body.on('error', () => undefined).destroy());
  if (NO_BODY.has(status)) await answer.body.dump();
  const content = NO_BODY.has(status) ? null : webStreamOf(unpacked(answer.body, given));
  return new Response(content, { status, headers: given });
}

/** Some gateways answer 999, of which no `Response` can be made. */
function refuseNoStatus(status: number, drop: () => unknown): void {
  if (status >= 200 && status <= 599) return;
  void Promise.resolve(drop()).catch(() => undefined);
  throw new TypeError('fetch failed', { cause: new Error(`the answer's status is ${status}`) });
}

// As browsers and curl do: what servers send does not always end as it should.
const LENIENT = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };
const BROTLI = {
  flush: constants.BROTLI_OPERATION_FLUSH,
  finishFlush: constants.BROTLI_OPERATION_FLUSH,
};
const CODINGS_AT_MOST = 5;

/** Servers and gateways code an answer also when they were asked not to. An unknown coding stays, as with `fetch`. */
function unpacked(body: Readable, headers: Headers): Readable {
  const codings = (headers.get('content-encoding') ?? '').toLowerCase().split(',');
  if (codings.length > CODINGS_AT_MOST) return body;
  const decoders: Transform[] = [];
  for (const coding of codings.reverse().map((one) => one.trim())) {
    if (coding === 'gzip' || coding === 'x-gzip') decoders.push(createGunzip(LENIENT));
    else if (coding === 'deflate') decoders.push(createInflate(LENIENT));
    else if (coding === 'br') decoders.push(createBrotliDecompress(BROTLI));
    else if (coding !== 'identity') return body;
  }
  const [last] = decoders.slice(-1);
  // What goes wrong reaches the reader at the last one.
  if (last) pipeline([body, ...decoders], () => undefined);
  return last ?? body;
}

/** `Readable.toWeb` throws, where nobody can catch it, when its reader leaves while data is on its way. */
function webStreamOf(body: Readable): ReadableStream<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  // What goes wrong reaches the reader through the iterator; after a cancellation nobody asks any more.
  body.on('error', () => undefined);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void body.destroy(),
    },
    { highWaterMark: 0 },
  );
}
