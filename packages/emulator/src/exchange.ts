import type { Hono } from 'hono';
import { afterFault, beforeFault, type EarlyAnswer } from './fault-effects.ts';
import type { Endpoint, Fault } from './faults.ts';
import type { GrantType } from './ledger.ts';
import { fingerprintOf } from './secrets.ts';
import type { Trail } from './tokens.ts';
import type { World } from './world.ts';

/** How the answer has to leave. */
export type Delivery = 'normal' | 'reset' | 'truncate' | 'bare';

/** One request on its way through the emulator. */
export interface Exchange {
  readonly endpoint: Endpoint;
  /** Body of a token request; `null` for any other request, and when it is too large. */
  readonly form: URLSearchParams | null;
  /** A fault wants a good token to be denied. */
  forbid: boolean;
  readonly trail: Trail;
  delivery: Delivery;
}

export type Env = { Bindings: { exchange: Exchange } };

const LARGEST_FORM_BYTES = 64 * 1024;

/** The body as text; `null` when it is longer than `limit` bytes. */
export async function readText(request: Request, limit: number): Promise<string | null> {
  if (!request.body) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > limit) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function endpointOf(world: World, path: string): Endpoint {
  if (path === `${world.base}/api/oauth2/token`) return 'token';
  if (path.startsWith(`${world.base}/api/`)) return 'api';
  return path.endsWith('.action') ? 'authorize' : 'other';
}

export function bearerOf(request: Request): string | null {
  const header = request.headers.get('authorization') ?? '';
  return /^bearer +(\S+) *$/i.exec(header)?.[1] ?? null;
}

export function cookieOf(request: Request, name: string): string | null {
  for (const pair of (request.headers.get('cookie') ?? '').split(';')) {
    const [key, value] = pair.trim().split('=', 2);
    if (key === name && value) return value;
  }
  return null;
}

interface Presented {
  token: string | null;
  grantType: GrantType | null;
  connection: string | null;
  tokenType: 'access' | 'refresh' | 'code';
}

function presentedIn(
  world: World,
  request: Request,
  endpoint: Endpoint,
  form: URLSearchParams | null,
): Presented {
  if (endpoint === 'token') {
    const asked = form?.get('grant_type');
    const grantType = asked === 'authorization_code' || asked === 'refresh_token' ? asked : null;
    const token = (grantType && form?.get(grantType === 'refresh_token' ? 'refresh_token' : 'code')) || null;
    const tokenType = grantType === 'authorization_code' ? 'code' : 'refresh';
    return { token, grantType, tokenType, connection: token ? world.tokens.ownerOf(token) : null };
  }
  if (endpoint === 'api') {
    const token = bearerOf(request);
    return {
      token,
      grantType: null,
      tokenType: 'access',
      connection: token ? world.tokens.ownerOf(token) : null,
    };
  }
  const session = world.data.sessions.get(cookieOf(request, world.cookieName) ?? '');
  return { token: null, grantType: null, tokenType: 'code', connection: session?.user ?? null };
}

function loggedPath(url: URL): string {
  if (!url.search) return url.pathname;
  const query = new URLSearchParams(url.search);
  for (const name of ['code', 'access_token', 'refresh_token', 'client_secret']) {
    if (query.has(name)) query.set(name, '…');
  }
  return `${url.pathname}?${query}`;
}

/** Is this a form or a script of another site, sent by a person's browser? Programs send neither header. */
function isCrossSite(request: Request, url: URL): boolean {
  const site = request.headers.get('sec-fetch-site');
  if (site) return site !== 'same-origin' && site !== 'none';
  const origin = request.headers.get('origin');
  return origin !== null && origin !== `http://${request.headers.get('host') ?? url.host}`;
}

/** Serves one request: control surface at once, the provider's surface through faults, log and ledger. */
export async function serve(
  world: World,
  app: Hono<Env>,
  request: Request,
  exchange: Exchange,
): Promise<Response> {
  const url = new URL(request.url);
  const { endpoint } = exchange;
  const safe = request.method === 'GET' || request.method === 'HEAD';
  if (!safe && endpoint !== 'token' && endpoint !== 'api' && isCrossSite(request, url)) {
    return Response.json({ error: 'a request from another site is not taken here' }, { status: 403 });
  }
  if (!url.pathname.startsWith(`${world.base}/`)) return app.fetch(request, { exchange });
  const presented = presentedIn(world, request, endpoint, exchange.form);
  const struck = world.faults.strike({
    endpoint,
    path: url.pathname,
    instancePath: url.pathname.slice(world.base.length),
    grantType: presented.grantType,
    connection: presented.connection,
  });
  const at = world.clock.now();
  const response = await throughFaults(world, struck, exchange, request, presented, () =>
    app.fetch(request, { exchange }),
  );
  world.requests.add({
    at,
    method: request.method,
    path: loggedPath(url),
    endpoint,
    grantType: presented.grantType,
    status: exchange.delivery === 'reset' ? 0 : response.status,
    user: presented.connection,
    fingerprint: presented.token ? fingerprintOf(presented.token) : null,
    faults: struck.map((fault) => fault.kind),
  });
  return response;
}

async function throughFaults(
  world: World,
  struck: readonly Fault[],
  exchange: Exchange,
  request: Request,
  presented: Presented,
  process: () => Response | Promise<Response>,
): Promise<Response> {
  let early: EarlyAnswer | null = null;
  for (const fault of struck) {
    early = await beforeFault(world, fault, exchange, request);
    if (early) break;
  }
  let response: Response;
  if (early) {
    if (presented.token) {
      const { tokenType, token, grantType } = presented;
      world.tokens.noteUnprocessed(tokenType, token, grantType, 'unprocessed', exchange.trail);
    }
    response = early.response;
  } else {
    response = await process();
  }
  for (const fault of struck) response = await afterFault(world, fault, exchange, response, early !== null);
  return response;
}

export async function openExchange(world: World, request: Request): Promise<Exchange> {
  const endpoint = endpointOf(world, new URL(request.url).pathname);
  const text =
    endpoint === 'token' && request.method === 'POST' ? await readText(request, LARGEST_FORM_BYTES) : null;
  const form = text === null ? null : new URLSearchParams(text);
  return { endpoint, form, forbid: false, trail: [], delivery: 'normal' };
}
