import type { ServerResponse } from 'node:http';
import { createAdaptorServer, type HttpBindings, type ServerType } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Hono } from 'hono';
import { type Env, type Exchange, openExchange, serve } from './exchange.ts';
import type { World } from './world.ts';

function markAnswered(exchange: Exchange): void {
  for (const entry of exchange.trail) entry.answered = true;
}

function headersOf(response: Response): [string, string][] {
  return [...response.headers];
}

/** Announces the whole body, sends half of it and hangs up. */
async function sendHalf(response: Response, outgoing: ServerResponse): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  headers.set('content-length', String(body.byteLength));
  outgoing.writeHead(response.status, [...headers].flat());
  outgoing.write(body.subarray(0, Math.floor(body.byteLength / 2)), () => outgoing.socket?.destroy());
}

async function sendBare(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, headersOf(response).flat());
  outgoing.end(new Uint8Array(await response.arrayBuffer()));
}

async function deliver(response: Response, exchange: Exchange, outgoing: ServerResponse): Promise<Response> {
  switch (exchange.delivery) {
    case 'normal':
      return response;
    case 'reset':
      outgoing.socket?.resetAndDestroy();
      return RESPONSE_ALREADY_SENT;
    case 'truncate':
      await sendHalf(response, outgoing);
      return RESPONSE_ALREADY_SENT;
    case 'bare':
      await sendBare(response, outgoing);
      return RESPONSE_ALREADY_SENT;
    default:
      return exchange.delivery satisfies never;
  }
}

export function createServer(world: World, app: Hono<Env>, takesHost: (host: string) => boolean): ServerType {
  return createAdaptorServer({
    overrideGlobalObjects: false,
    fetch: async (request, env) => {
      const { outgoing } = env as HttpBindings;
      // A page of another site whose name was pointed at this address would otherwise pass for one of ours.
      if (!takesHost(request.headers.get('host') ?? '')) return new Response('Unknown host', { status: 421 });
      const exchange = await openExchange(world, request);
      outgoing.once('finish', () => {
        if (exchange.delivery !== 'truncate' && outgoing.socket?.destroyed !== true) markAnswered(exchange);
      });
      const response = await serve(world, app, request, exchange);
      return deliver(response, exchange, outgoing);
    },
  });
}

/** Serves a request without a socket. A reset rejects, as `fetch` would; a truncated body fails while it is read. */
export async function serveInProcess(world: World, app: Hono<Env>, request: Request): Promise<Response> {
  const exchange = await openExchange(world, request);
  const response = await serve(world, app, request, exchange);
  if (exchange.delivery === 'reset') {
    throw new TypeError('fetch failed', {
      cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
    });
  }
  if (exchange.delivery !== 'truncate') {
    markAnswered(exchange);
    return response;
  }
  const body = new Uint8Array(await response.arrayBuffer());
  const half = body.subarray(0, Math.floor(body.byteLength / 2));
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(half);
    },
    pull(controller) {
      controller.error(new TypeError('terminated'));
    },
  });
  return new Response(stream, { status: response.status, headers: response.headers });
}
