const MOST_CHARACTERS = 2048;
/** Only its origin matters: a path must stay on it. */
const HERE = 'http://return.invalid';

/**
 * Where to go after a sign-in, as asked for by a form or a query: a path of this origin, or `null` when it is anything
 * else. Browsers read `\` as `/` and drop tabs and line feeds, and a normalized path may begin with `//` although the
 * text did not, so the parsed form is checked as well as the text (F86).
 */
export function returnPath(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > MOST_CHARACTERS) return null;
  if (!value.startsWith('/') || hasUnsafeCharacter(value)) return null;
  if (!URL.canParse(value, HERE)) return null;
  const url = new URL(value, HERE);
  if (url.origin !== HERE || url.pathname.startsWith('//')) return null;
  const decoded = decode(url.pathname);
  if (decoded === null || decoded.startsWith('//') || hasUnsafeCharacter(decoded)) return null;
  return url.pathname + url.search + url.hash;
}

function hasUnsafeCharacter(text: string): boolean {
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (code <= 0x1f || code === 0x7f || character === '\\') return true;
  }
  return false;
}

function decode(path: string): string | null {
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}
