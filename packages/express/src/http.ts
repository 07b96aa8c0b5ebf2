import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { requestOf } from '@hq-oauth/core/web';
import type { Request as ExpressRequest, Response as ExpressResponse } from 'express';

/** The path as the visitor asked for it, wherever the middleware is mounted. */
export function pathOf(req: ExpressRequest): string {
  return req.originalUrl.split('?', 1)[0] ?? '/';
}

interface RequestParts {
  /** `false` for an answer that looks at address and headers only. */
  readonly withBody?: boolean;
  readonly signal?: AbortSignal;
}

export function toRequest(req: ExpressRequest, { withBody = true, signal }: RequestParts = {}): Request {
  return requestOf({
    protocol: req.protocol,
    address: req.originalUrl,
    method: req.method,
    rawHeaders: req.rawHeaders,
    signal,
    ...(withBody && {
      parsed: req.body,
      stream: () => (req.readableEnded ? null : Readable.toWeb(req)),
    }),
  });
}

/** Aborted when the visitor goes away before the answer was sent. */
export function leaving(res: ExpressResponse): AbortSignal {
  const left = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) left.abort();
  });
  return left.signal;
}

export async function send(res: ExpressResponse, response: Response): Promise<void> {
  res.status(response.status);
  for (const [name, value] of response.headers) {
    if (name === 'set-cookie') res.append(name, value);
    else res.setHeader(name, value);
  }
  if (response.body === null) {
    res.end();
    return;
  }
  const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  // A visitor who goes away in the middle of an answer is no error of the application; the stream ends with them.
  await pipeline(body, res).catch(() => res.destroy());
}
