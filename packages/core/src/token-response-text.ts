import type { TokenResponseProblem } from './token-outcome.ts';

/** A token response is a few hundred bytes. What is larger is not parsed at all. */
export const MAX_BODY_BYTES = 64 * 1024;

export type DecodedText =
  | { readonly ok: true; readonly text: string; readonly byteOrderMark: boolean }
  | { readonly ok: false; readonly problem: TokenResponseProblem };

/**
 * Bytes or text, up to 64 KiB, as text without a byte order mark. Bytes must be UTF-8 throughout, or of the one other
 * family that gateways still send, where label or XML declaration says so.
 */
export function decodeText(body: string | Uint8Array, contentType = ''): DecodedText {
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
  if (bytes > MAX_BODY_BYTES) return { ok: false, problem: 'too_large' };
  let text: string;
  try {
    text =
      typeof body === 'string'
        ? body
        : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    const bytes = Buffer.from(body as Uint8Array);
    if (!saysLatin1(bytes, contentType)) return { ok: false, problem: 'not_utf8' };
    text = new TextDecoder('windows-1252').decode(bytes);
  }
  const byteOrderMark = text.startsWith('\uFEFF');
  if (byteOrderMark) text = text.slice(1);
  return /[^ \t\r\n]/.test(text) ? { ok: true, text, byteOrderMark } : { ok: false, problem: 'empty' };
}

const LATIN1 = 'iso-8859-1|latin1|windows-1252';
const LATIN1_LABEL = new RegExp(`charset="?(?:${LATIN1})"?(?:[; \\t]|$)`, 'i');
const LATIN1_DECLARATION = new RegExp(`^<\\?xml [^>]{0,80}encoding=["'](?:${LATIN1})["']`, 'i');

function saysLatin1(bytes: Buffer, contentType: string): boolean {
  return LATIN1_LABEL.test(contentType) || LATIN1_DECLARATION.test(bytes.toString('latin1', 0, 128));
}

const HTML_TAGS = 'html|head|body|title|meta|script|style|link|form|div|center|p|h1';
const HTML_START = new RegExp(`^<(?:!doctype[ \\t\\r\\n]+html|(?:${HTML_TAGS}))(?=[ \\t\\r\\n/>])`, 'i');

/**
 * What the text is, by how it begins: the content type is often wrong and only decides between names for what is
 * refused anyway (F04).
 */
export function sniff(text: string): 'json' | 'xml' | 'html' | 'other' {
  const start = skipProlog(text);
  switch (text[start]) {
    case '{':
    case '[':
    case '"':
      return 'json';
    case '<':
      return HTML_START.test(text.slice(start, start + 64)) ? 'html' : 'xml';
    default:
      return 'other';
  }
}

/** Index of what follows white space, XML declaration and comments: a sign-in page may begin like XML. */
function skipProlog(text: string): number {
  let at = 0;
  for (;;) {
    while (' \t\r\n'.includes(text[at] ?? '.')) at += 1;
    const close = text.startsWith('<?', at) ? '?>' : text.startsWith('<!--', at) ? '-->' : null;
    const end = close === null ? -1 : text.indexOf(close, at + 2);
    if (close === null || end < 0) return at;
    at = end + close.length;
  }
}
