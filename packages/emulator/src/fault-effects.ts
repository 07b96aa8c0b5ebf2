import { html } from 'hono/html';
import type { Exchange } from './exchange.ts';
import type { Fault } from './faults.ts';
import { errorPage, narrowPage } from './pages.ts';
import { formatFor, formatted, pageResponse, xmlResponse } from './respond.ts';
import type { World } from './world.ts';
import { escapeXml } from './xml.ts';

/** An answer given before the request was processed. */
export interface EarlyAnswer {
  response: Response;
}

function wait(world: World, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    world.clock.setTimer(resolve, delayMs);
  });
}

/** Statuses that cannot have a body. */
const BODILESS = [204, 205, 304];

function statusResponse(fault: Fault, status: number, accept: string | null): Response {
  const message = status === 429 ? 'Too many requests' : 'The service is not available';
  const response =
    fault.body === undefined && !BODILESS.includes(status)
      ? formatted(status, formatFor(accept, 'xml'), 'response', { statuscode: status, message })
      : new Response(BODILESS.includes(status) ? null : fault.body, {
          status,
          headers: { 'content-type': 'text/plain;charset=UTF-8' },
        });
  if (fault.retryAfter !== undefined) response.headers.set('retry-after', String(fault.retryAfter));
  for (const [name, value] of Object.entries(fault.headers ?? {})) response.headers.set(name, value);
  return response;
}

async function signInPage(fault: Fault): Promise<Response> {
  const page =
    fault.body ??
    (await narrowPage(
      'Sign in',
      html`<form method="post" action="/login.action"><p><label for="username">User name</label><input id="username" name="username" type="text"></p><p><label for="password">Password</label><input id="password" name="password" type="password"></p><button>Sign in</button></form>`,
    ));
  return pageResponse(fault.status ?? 200, page);
}

/** What a fault does before the request is processed; `null`: the request goes on. */
export async function beforeFault(
  world: World,
  fault: Fault,
  exchange: Exchange,
  request: Request,
): Promise<EarlyAnswer | null> {
  const accept = request.headers.get('accept');
  switch (fault.kind) {
    case 'delay':
      if (fault.when === 'before') await wait(world, fault.delayMs ?? 0);
      return null;
    case 'reset-before':
      exchange.delivery = 'reset';
      return { response: new Response(null, { status: 500 }) };
    case 'status':
      return fault.when === 'after' ? null : { response: statusResponse(fault, fault.status ?? 503, accept) };
    case 'rate-limit':
      return { response: statusResponse({ ...fault, retryAfter: fault.retryAfter ?? 1 }, 429, accept) };
    case 'html':
      return fault.when === 'after' ? null : { response: await signInPage(fault) };
    case 'forbid': {
      if (exchange.endpoint === 'api') {
        exchange.forbid = true;
        return null;
      }
      if (exchange.endpoint === 'token') {
        return { response: xmlResponse(403, 'response', { statuscode: 403, message: 'Access denied' }) };
      }
      return { response: pageResponse(403, await errorPage('Access denied')) };
    }
    case 'reset-after-commit':
    case 'malformed-xml':
    case 'wrap-root':
    case 'wrong-content-type':
    case 'truncate':
    case 'omit-field':
    case 'duplicate-callback':
      return null;
    default:
      return fault.kind satisfies never;
  }
}

async function withText(
  response: Response,
  change: (text: string, json: boolean) => string,
): Promise<Response> {
  const json = response.headers.get('content-type')?.includes('json') ?? false;
  const changed = change(await response.text(), json);
  const headers = new Headers(response.headers);
  headers.delete('content-length');
  return new Response(changed, { status: response.status, headers });
}

function withoutLastTag(text: string, json: boolean): string {
  const end = json ? Math.max(text.lastIndexOf('}'), text.lastIndexOf(']')) : text.lastIndexOf('</');
  return end < 0 ? `${text}<` : text.slice(0, end);
}

function wrapped(text: string, json: boolean, root: string): string {
  if (json) return `{${JSON.stringify(root)}:${text}}`;
  const declaration = /^<\?xml[^>]*\?>\s*/.exec(text)?.[0] ?? '';
  const name = escapeXml(root);
  return `${declaration}<${name}>${text.slice(declaration.length)}</${name}>`;
}

function withoutField(text: string, json: boolean, field: string): string {
  if (json) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // Another fault has broken it already.
      return text;
    }
    if (typeof value !== 'object' || value === null) return text;
    return JSON.stringify(Object.fromEntries(Object.entries(value).filter(([name]) => name !== field)));
  }
  const name = field.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return text.replace(new RegExp(`<${name}(?:\\s[^>]*)?>[^<]*</${name}>`, 'g'), '');
}

/** A page that opens the callback in a frame and then goes there itself, as a prefetch and a click would. */
async function twice(location: string): Promise<Response> {
  const page =
    await html`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Returning</title><meta http-equiv="refresh" content="1;url=${location}"></head><body><iframe src="${location}" title="Callback" width="1" height="1"></iframe><p><a href="${location}">Continue</a></p></body></html>`;
  return pageResponse(200, page.toString(), { 'content-security-policy': "default-src 'none'; frame-src *" });
}

/** What a fault does to the answer. `unprocessed`: another fault answered already. */
export async function afterFault(
  world: World,
  fault: Fault,
  exchange: Exchange,
  response: Response,
  unprocessed: boolean,
): Promise<Response> {
  switch (fault.kind) {
    case 'delay':
      if (fault.when !== 'before') await wait(world, fault.delayMs ?? 0);
      return response;
    case 'status':
      return fault.when === 'after' && !unprocessed
        ? statusResponse(fault, fault.status ?? 503, null)
        : response;
    case 'html':
      return fault.when === 'after' && !unprocessed ? signInPage(fault) : response;
    case 'reset-after-commit':
      exchange.delivery = 'reset';
      return response;
    case 'truncate':
      exchange.delivery = 'truncate';
      return response;
    case 'malformed-xml':
      return withText(response, withoutLastTag);
    case 'wrap-root':
      return withText(response, (text, json) => wrapped(text, json, fault.root ?? 'response'));
    case 'omit-field':
      return withText(response, (text, json) => withoutField(text, json, fault.field ?? ''));
    case 'wrong-content-type': {
      const headers = new Headers(response.headers);
      const json = headers.get('content-type')?.includes('json') ?? false;
      const type =
        fault.contentType ?? (json ? 'application/xml;charset=UTF-8' : 'application/json;charset=UTF-8');
      if (type === '') {
        headers.delete('content-type');
        exchange.delivery = 'bare';
      } else headers.set('content-type', type);
      // Bytes, not text: a Response given text would put a content type of its own on it.
      return new Response(await response.arrayBuffer(), { status: response.status, headers });
    }
    case 'duplicate-callback': {
      const location = response.headers.get('location');
      return location && new URL(location, world.url).searchParams.has('code') ? twice(location) : response;
    }
    case 'reset-before':
    case 'rate-limit':
    case 'forbid':
      return response;
    default:
      return fault.kind satisfies never;
  }
}
