import { RouteRefusedError } from './refused.ts';

/** A form of these routes holds a path and a word. */
const MOST_FORM_BYTES = 16 * 1024;

/**
 * Refuses a POST that a page of another origin triggered (F87). Browsers say so in `Sec-Fetch-Site`; older ones send
 * `Origin` only. `publicOrigin`: the one of the redirect URI, for an application behind a proxy that ends TLS.
 */
export function refuseCrossSite(request: Request, publicOrigin: string | null): void {
  const site = request.headers.get('sec-fetch-site');
  if (site === 'same-origin' || site === 'none') return;
  const origin = request.headers.get('origin');
  if (site === null && origin !== null) {
    if (origin === new URL(request.url).origin || origin === publicOrigin) return;
  }
  throw new RouteRefusedError('This form can only be sent from a page of the application itself.', {
    reason: 'cross_site',
  });
}

/** A speculative request, which must not use up a one-time transaction (F83). */
export function isPrefetch(request: Request): boolean {
  const purpose = request.headers.get('sec-purpose') ?? request.headers.get('purpose');
  return purpose?.toLowerCase().includes('prefetch') ?? request.headers.get('x-moz') === 'prefetch';
}

/** A person's browser that shows what it gets, as opposed to a program that parses it. */
export function wantsPage(request: Request): boolean {
  const mode = request.headers.get('sec-fetch-mode');
  const acceptsHtml = request.headers.get('accept')?.toLowerCase().includes('text/html') ?? false;
  return acceptsHtml && (mode === null || mode === 'navigate');
}

/** Whether an address that answers with a page or with JSON gives the page: only to who names HTML, and not below JSON. */
export function prefersHtml(request: Request): boolean {
  const accept = request.headers.get('accept') ?? '';
  const html = weightOf(accept, 'text/html');
  return html > 0 && html >= weightOf(accept, 'application/json');
}

/** The `q` of a media type that an `Accept` header names; 0 where it does not. */
function weightOf(accept: string, type: string): number {
  for (const range of accept.toLowerCase().split(',')) {
    const [name, ...parameters] = range.split(';').map((part) => part.trim());
    if (name !== type) continue;
    const q = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    return Number.isNaN(q) ? 1 : q;
  }
  return 0;
}

/** The fields of an urlencoded form; empty for any other body. Reads no more than it needs to. */
export async function formOf(request: Request): Promise<URLSearchParams> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded' || request.body === null) return new URLSearchParams();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // A cancelled body would take the connection down, and the answer with it.
  for await (const chunk of request.body.values({ preventCancel: true })) {
    bytes += chunk.byteLength;
    if (bytes > MOST_FORM_BYTES) return new URLSearchParams();
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

/** The only value of a cookie. Two of one name mean that somebody planted one: then there is none. */
export function cookieOf(request: Request, name: string): string | null {
  const values = (request.headers.get('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  return values.length === 1 ? (values[0] ?? null) : null;
}
