import { ForeignOriginError } from './errors.ts';

/**
 * The address of an API call: relative to `{instanceUrl}/api/`, or absolute and inside it. The bearer token goes
 * nowhere else (I11).
 * @throws ForeignOriginError for every other address; the message shows its origin only
 */
export function apiUrl(instanceUrl: string, target: string | URL): URL {
  const base = new URL(`${instanceUrl}/api/`);
  const text = String(target);
  let url: URL;
  try {
    // A single leading slash is taken for "from the API's root", as people write it.
    url = new URL(/^\/(?![/\\])/.test(text) ? text.slice(1) : text, base);
  } catch {
    throw new ForeignOriginError('The address of this API call cannot be parsed. Nothing was sent.');
  }
  const inside = url.origin === base.origin && url.pathname.startsWith(base.pathname);
  if (!inside || url.username !== '' || url.password !== '') {
    const where = url.origin === 'null' ? url.protocol : url.origin;
    throw new ForeignOriginError(
      `API calls go to ${base.origin}${base.pathname} only; this one was addressed to ${where}. Nothing was sent. ` +
        'Use a path relative to the API, such as "6/sites".',
    );
  }
  return url;
}

export interface ApiAccess {
  readonly getAccessToken: (signal: AbortSignal | undefined) => Promise<string>;
  /** What the request leaves by. */
  readonly fetch: typeof globalThis.fetch;
}

/**
 * `fetch` with a bearer token. Redirects are not followed: the answer comes back as it is, and no other origin sees the
 * token.
 */
export async function apiFetch(
  instanceUrl: string,
  { getAccessToken, fetch }: ApiAccess,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const request = input instanceof Request ? input : null;
  const url = apiUrl(instanceUrl, request ? request.url : (input as string | URL));
  const token = await getAccessToken(init.signal ?? request?.signal ?? undefined);
  const headers = new Headers(init.headers ?? request?.headers);
  headers.set('authorization', `Bearer ${token}`);
  return fetch(request ?? url, { ...init, headers, redirect: 'manual' });
}
