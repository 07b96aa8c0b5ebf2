import { Readable } from 'node:stream';
import { requestOf } from '@hq-oauth/core/web';
import type { Context } from 'koa';

/** The path as the visitor asked for it, wherever the middleware is mounted. */
export function pathOf(ctx: Context): string {
  return ctx.originalUrl.split('?', 1)[0] ?? '/';
}

interface RequestParts {
  /** `false` for an answer that looks at address and headers only. */
  readonly withBody?: boolean;
  readonly signal?: AbortSignal;
}

export function toRequest(ctx: Context, { withBody = true, signal }: RequestParts = {}): Request {
  return requestOf({
    protocol: ctx.protocol,
    address: ctx.originalUrl,
    method: ctx.method,
    rawHeaders: ctx.req.rawHeaders,
    signal,
    ...(withBody && {
      parsed: Reflect.get(ctx.request, 'body'),
      stream: () => (ctx.req.readableEnded ? null : Readable.toWeb(ctx.req)),
    }),
  });
}

/** Aborted when the visitor goes away before the answer was sent. */
export function leaving({ res }: Context): AbortSignal {
  const left = new AbortController();
  res.once('close', () => {
    if (!res.writableFinished) left.abort();
  });
  return left.signal;
}

export async function send(ctx: Context, response: Response): Promise<void> {
  // Koa derives a type from a body, so the body comes before the headers.
  ctx.body = response.body && Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
  ctx.status = response.status;
  ctx.remove('content-type');
  for (const [name, value] of response.headers) {
    if (name === 'set-cookie') ctx.append(name, value);
    else ctx.set(name, value);
  }
}
