import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { requestOf } from '@hq-oauth/core/web';

/** What requests of Express and of Fastify have in common. Name your platform's own type to see the rest of it. */
export interface HighQRequest {
  readonly method: string;
  readonly originalUrl: string;
  readonly protocol: string;
  readonly headers: IncomingHttpHeaders;
}

/** What Fastify's reply adds to the bare response that Express has. */
export interface FastifyLikeReply {
  readonly raw: ServerResponse;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  removeHeader(name: string): unknown;
  send(body?: unknown): unknown;
  callNotFound(): unknown;
}

export type HighQReply = ServerResponse | FastifyLikeReply;

/** Node's own request below: Express extends it, Fastify wraps it. */
export function incomingOf(req: HighQRequest): IncomingMessage {
  const raw: unknown = Reflect.get(req, 'raw');
  return (raw ?? req) as IncomingMessage;
}

export function outgoingOf(res: HighQReply): ServerResponse {
  return 'raw' in res ? res.raw : res;
}

/** The path as the visitor asked for it, wherever the application is mounted. */
export function pathOf(req: HighQRequest): string {
  return req.originalUrl.split('?', 1)[0] ?? '/';
}

interface RequestParts {
  /** `false` for an answer that looks at address and headers only. */
  readonly withBody?: boolean;
  readonly signal?: AbortSignal;
}

export function toRequest(req: HighQRequest, { withBody = true, signal }: RequestParts = {}): Request {
  const incoming = incomingOf(req);
  const body: unknown = Reflect.get(req, 'body');
  // On Fastify it comes as the stream that it is.
  const untouched = body instanceof Readable ? body : incoming;
  return requestOf({
    protocol: req.protocol,
    address: req.originalUrl,
    method: req.method,
    rawHeaders: untouched === incoming ? incoming.rawHeaders : unpacked(incoming.rawHeaders),
    signal,
    ...(withBody && {
      parsed: untouched === body ? undefined : body,
      stream: () => (untouched.readableEnded ? null : Readable.toWeb(untouched)),
    }),
  });
}

/** On Fastify a hook may have unpacked the body, and the headers say nothing of it. */
function unpacked(rawHeaders: readonly string[]): readonly string[] {
  const isEncoding = (at: number): boolean => rawHeaders[at]?.toLowerCase() === 'content-encoding';
  return rawHeaders.filter((_, at) => !isEncoding(at - (at % 2)));
}

/** Whether something has read the body, or a part of it. On Fastify it comes as the stream that it is. */
export function bodyConsumed(req: HighQRequest): boolean {
  const body: unknown = Reflect.get(req, 'body');
  const parsed = body !== undefined && body !== null && !(body instanceof Readable);
  return parsed || incomingOf(req).readableDidRead;
}

/** Aborted when the visitor goes away before the answer was sent. */
export function leaving(res: HighQReply): AbortSignal {
  const left = new AbortController();
  const outgoing = outgoingOf(res);
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) left.abort();
  });
  return left.signal;
}

export async function send(res: HighQReply, response: Response): Promise<void> {
  const body = response.body && Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  if ('raw' in res) {
    res.code(response.status);
    for (const [name, value] of response.headers) res.header(name, value);
    res.send(body ?? undefined);
    return;
  }
  res.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (name === 'set-cookie') res.appendHeader(name, value);
    else res.setHeader(name, value);
  }
  if (body === null) res.end();
  // A visitor who goes away in the middle of an answer is no error of the application; the stream ends with them.
  else await pipeline(body, res).catch(() => res.destroy());
}
