import { createHash } from 'node:crypto';
import { STYLE } from './style.ts';

/** Text that may stand in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** At most so many characters. */
export function cut(text: string, most: number): string {
  const characters = Array.from(text.slice(0, 2 * most + 2));
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : text;
}

/** What a content security policy calls this very text, so that no other inline style or script runs. */
export function sourceOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

const STYLE_SOURCE = sourceOf(STYLE);

export interface DocumentOptions {
  /** Where the page's forms may lead, beside the application itself. */
  readonly formTargets?: string;
  /** `no-referrer` where the address holds a code; otherwise `same-origin`, which keeps `Origin` in form posts. */
  readonly referrerPolicy?: 'no-referrer' | 'same-origin';
  /** The page's one script, if it has one. It may ask this origin, and nobody else. */
  readonly script?: string;
}

/** Nothing is loaded, and the page is not to be framed. */
export function documentHeaders({
  formTargets,
  referrerPolicy,
  script,
}: DocumentOptions): Record<string, string> {
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Referrer-Policy': referrerPolicy ?? 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': [
      "default-src 'none'",
      `style-src ${STYLE_SOURCE}`,
      ...(script === undefined ? [] : [`script-src ${sourceOf(script)}`, "connect-src 'self'"]),
      `form-action 'self' ${formTargets ?? ''}`.trim(),
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ].join('; '),
  };
}

/** `body` and `script` are HTML and code of ours, `title` is any text. */
export function document(parts: {
  readonly title: string;
  readonly body: string;
  readonly look: 'small' | 'wide';
  readonly script?: string;
}): string {
  const { title, body, look, script } = parts;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body class="${look}">
${body}
${script === undefined ? '' : `<script>${script}</script>`}
</body>
</html>
`;
}
