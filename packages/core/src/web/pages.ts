import { createHash } from 'node:crypto';

/** Text that may stand in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** One style for all pages: its digest is what the content security policy lets through. */
const STYLE = `
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--text:#1b2430;--soft:#566173;--line:#dde1e7;--accent:#1f5fbf;--on:#fff;--warn:#8a4b00;--warnbg:#fff4e3}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b212a;--text:#e8ecf2;--soft:#a3aebd;--line:#303947;--accent:#7fb0ff;--on:#0d1522;--warn:#ffcf8f;--warnbg:#33270f}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem;background:var(--bg);color:var(--text);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:29rem;background:var(--card);border:1px solid var(--line);border-radius:.875rem;padding:2rem;box-shadow:0 1px 2px rgb(0 0 0/.05),0 12px 32px rgb(0 0 0/.06)}
.over{margin:0 0 .375rem;color:var(--soft);font-size:.875rem;overflow-wrap:anywhere}
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.3;letter-spacing:-.01em;text-wrap:balance}
p{margin:0 0 1rem}
.soft{color:var(--soft);font-size:.9375rem}
.note{padding:.75rem 1rem;border-radius:.5rem;background:var(--warnbg);color:var(--warn)}
.account{display:block;padding:.875rem 1rem;margin:0 0 1rem;border:1px solid var(--line);border-radius:.5rem;font-weight:600;overflow-wrap:anywhere}
.row{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.5rem}
.row form{margin:0;flex:1 1 auto}
button,.button{display:block;flex:1 1 auto;padding:.6875rem 1.125rem;white-space:nowrap;border:1px solid var(--accent);border-radius:.5rem;background:var(--accent);color:var(--on);font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer}
button{width:100%}
.quiet{background:transparent;color:var(--text);border-color:var(--line)}
button:hover,.button:hover{filter:brightness(1.07)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
@media (max-width:30rem){body{place-items:start stretch}main{padding:1.5rem}}
`;
const STYLE_SOURCE = `'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`;

export interface Page {
  readonly title: string;
  /** The instance's host, above the title. */
  readonly over?: string | undefined;
  readonly paragraphs: readonly string[];
  /** Something that went wrong, set off from the rest. */
  readonly note?: string | undefined;
  readonly account?: string | undefined;
  readonly actions?: readonly Action[];
}

export type Action =
  | {
      readonly kind: 'post';
      readonly label: string;
      readonly to: string;
      readonly fields?: Readonly<Record<string, string>>;
      readonly quiet?: boolean;
    }
  | { readonly kind: 'link'; readonly label: string; readonly to: string; readonly quiet?: boolean };

export interface PageResponseOptions {
  readonly status?: number;
  /** Where the page's forms may lead, beside the application itself. */
  readonly formTargets?: string;
  /** `no-referrer` where the address holds a code; otherwise `same-origin`, which keeps `Origin` in form posts. */
  readonly referrerPolicy?: 'no-referrer' | 'same-origin';
}

/** A small page of its own: no script, nothing loaded, not to be framed. */
export function pageResponse(page: Page, options: PageResponseOptions = {}): Response {
  return new Response(render(page), {
    status: options.status ?? 200,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Cache-Control': 'no-store',
      'Referrer-Policy': options.referrerPolicy ?? 'same-origin',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': [
        "default-src 'none'",
        `style-src ${STYLE_SOURCE}`,
        `form-action 'self' ${options.formTargets ?? ''}`.trim(),
        "frame-ancestors 'none'",
        "base-uri 'none'",
      ].join('; '),
    },
  });
}

function render(page: Page): string {
  const { title, over, paragraphs, note, account, actions = [] } = page;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${over ? `<p class="over">${escapeHtml(over)}</p>` : ''}
<h1>${escapeHtml(title)}</h1>
${note ? `<p class="note" role="alert">${escapeHtml(note)}</p>` : ''}
${account ? `<strong class="account">${escapeHtml(account)}</strong>` : ''}
${paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join('\n')}
${actions.length > 0 ? `<div class="row">${actions.map(renderAction).join('\n')}</div>` : ''}
</main>
</body>
</html>
`;
}

function renderAction(action: Action): string {
  const look = action.quiet ? ' class="quiet"' : '';
  switch (action.kind) {
    case 'link':
      return `<a class="button${action.quiet ? ' quiet' : ''}" href="${escapeHtml(action.to)}">${escapeHtml(action.label)}</a>`;
    case 'post': {
      const fields = Object.entries(action.fields ?? {}).map(
        ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
      );
      return `<form method="post" action="${escapeHtml(action.to)}">${fields.join('')}<button${look}>${escapeHtml(action.label)}</button></form>`;
    }
    default:
      return action satisfies never;
  }
}
