import { hostKind } from './host-kind.ts';

const FORM = 'write `https://<host>/<instance>`, for example https://acme.highq.com/acme';

/** Which addresses of this machine are acceptable. `production` forbids them whatever else was asked for. */
export interface LoopbackRule {
  readonly allowLoopback: boolean;
  readonly production: boolean;
}

export type InstanceUrl = { readonly url: URL; readonly loopback: boolean } | { readonly problem: string };

/**
 * Reads `https://<host>/<instance>`. Every credential of every person goes to this address, so whatever could mean
 * two things is refused (F95). A problem does not repeat the text: it may hold a password.
 */
export function parseInstanceUrl(text: string, rule: LoopbackRule): InstanceUrl {
  const basic = basicProblem(text);
  if (basic) return { problem: `${basic}; ${FORM}` };
  const url = new URL(text);
  const path = text.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/^\//, '');
  const address = addressProblem(url, rule);
  const problem = pathProblem(path.replace(/\/$/, '').split('/')) ?? address;
  if (problem) return { problem };
  url.pathname = url.pathname.replace(/\/$/, '');
  return { url, loopback: hostKind(url) === 'loopback' };
}

/** An absolute http(s) URL in plain spelling, without userinfo and fragment. For the redirect URI as well. */
export function basicProblem(text: string, options: { query?: boolean } = {}): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\s\x00-\x20\x7f-\x9f\\]/.test(text)) {
    return 'holds white space, a control character or a backslash';
  }
  if (!/^https?:\/\/[^/]/i.test(text) || !URL.canParse(text)) return 'is not an https URL';
  const url = new URL(text);
  if (url.username || url.password || /^[a-z]+:\/\/[^/?#]*@/i.test(text)) {
    return 'must not hold a user name or password';
  }
  if (text.includes('#')) return 'must not have a fragment (#…)';
  if (!options.query && text.includes('?')) return 'must not have a query (?…)';
  return null;
}

/** Http and loopback are for tests and demos. */
export function addressProblem(url: URL, { allowLoopback, production }: LoopbackRule): string | null {
  const kind = hostKind(url);
  if (kind === 'metadata') return 'is a link-local or metadata address, where no instance can be';
  if (kind === 'loopback') {
    if (production) return 'is on this machine (loopback), which NODE_ENV=production does not allow';
    if (!allowLoopback) {
      return 'is on this machine (loopback); for tests and demos, set `provider.allowLoopback` or HIGHQ_ALLOW_LOOPBACK=1';
    }
    return null;
  }
  return url.protocol === 'https:' ? null : 'must begin with https:// (http is for loopback only)';
}

function pathProblem(segments: readonly string[]): string | null {
  const decoded = segments.map(decodeSegment);
  if (decoded.some((segment) => segment === null)) {
    return `has an escape sequence in its path that is not allowed; ${FORM}`;
  }
  if (decoded.some((segment) => /^\.\.?(;|$)/.test(segment ?? ''))) return `must not hold \`..\`; ${FORM}`;
  const api = decoded.findIndex((segment) => segment?.toLowerCase() === 'api');
  if (api === 0) return `names no instance; ${FORM}`;
  if (api === 1)
    return `must end with the instance: leave out \`/api\` and what follows, it is added; ${FORM}`;
  if (decoded.length === 1 && decoded[0] === '') return `names no instance; ${FORM}`;
  return decoded.length === 1 ? null : `must have exactly one path segment; ${FORM}`;
}

/** `null` for what the next server may read otherwise than we do: bad escapes, hidden separators, double encoding. */
function decodeSegment(segment: string): string | null {
  try {
    const decoded = decodeURIComponent(segment);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    return /[/\\%\x00-\x20\x7f]/.test(decoded) ? null : decoded;
  } catch {
    return null;
  }
}
