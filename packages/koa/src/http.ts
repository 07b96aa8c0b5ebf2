import { Readable } from 'node:stream';
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
  const url = `${ctx.protocol}://${ctx.get('host')}${ctx.originalUrl}`;
  const headers = new Headers();
  for (const [name, value] of Object.entries(ctx.req.headersDistinct)) {
    for (const one of value ?? []) headers.append(name, one);
  }
  const { method } = ctx;
  // A client chooses its Host header freely: an unusable one must not turn into an error of the server.
  const target = URL.canParse(url) ? url : 'http://host.invalid/';
  const body = withBody && method !== 'GET' && method !== 'HEAD' ? bodyOf(ctx) : null;
  return new Request(target, {
    method,
    headers,
    ...(signal && { signal }),
    ...(body && { body, duplex: 'half' as const }),
  });
}

/** What a body parser has read already comes as an object, and only its text fields matter to these routes. */
function bodyOf(ctx: Context): URLSearchParams | ReturnType<typeof Readable.toWeb> | null {
  const parsed: unknown = Reflect.get(ctx.request, 'body');
  if (typeof parsed === 'object' && parsed !== null) {
    return new URLSearchParams(
      Object.entries(parsed).filter((field): field is [string, string] => typeof field[1] === 'string'),
    );
  }
  return ctx.req.readableEnded ? null : Readable.toWeb(ctx.req);
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
