import { html, raw } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

const STYLE = `
:root{color-scheme:light dark;--ground:#f4f5f7;--paper:#fff;--ink:#1c2330;--soft:#5a6475;--line:#d8dde5;--mark:#1d4f91;--on-mark:#fff;--bad:#a32020;--good:#1f6b3a}
@media (prefers-color-scheme:dark){:root{--ground:#12161d;--paper:#1b212b;--ink:#e7ebf2;--soft:#a3adbd;--line:#343d4b;--mark:#8ab4f8;--on-mark:#10151c;--bad:#ff9a92;--good:#86d8a3}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
header{background:var(--paper);border-bottom:1px solid var(--line);padding:.75rem 1rem}
header .in,main{max-width:72rem;margin:0 auto}
header strong{margin-right:1rem}
nav{display:inline}
nav a{display:inline-block;margin:.25rem .9rem .25rem 0}
nav a[aria-current]{font-weight:600;text-decoration:none;color:var(--ink)}
main{padding:1.25rem 1rem 3rem}
main.narrow{max-width:28rem;padding-top:8vh}
.card{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:1.25rem;margin:0 0 1.25rem}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 1rem}
h2{font-size:1.1rem;margin:0 0 .75rem}
p{margin:0 0 1rem}
a{color:var(--mark)}
label{display:block;font-weight:600;margin:0 0 .25rem}
.field{margin:0 0 1rem}
.hint,.soft{color:var(--soft);font-size:.9rem}
.hint{margin:.25rem 0 0;font-weight:400}
input[type=text],input[type=email],input[type=password],input[type=number],input[type=url],select,textarea{width:100%;padding:.55rem .65rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--line);border-radius:6px}
button{font:inherit;font-weight:600;padding:.55rem 1rem;border-radius:6px;border:1px solid var(--mark);background:var(--mark);color:var(--on-mark);cursor:pointer}
button.plain{background:transparent;color:var(--mark)}
button.link{background:none;border:0;padding:0;font-weight:400;text-decoration:underline;color:var(--mark)}
:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
.row{display:flex;flex-wrap:wrap;gap:.6rem;align-items:center}
.row+.hint,form+form{margin-top:1rem}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:0 1.25rem}
.note{border-left:4px solid var(--good);padding:.5rem .75rem;margin:0 0 1rem;background:var(--ground)}
.note.bad{border-color:var(--bad)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.45rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
td.wrap{white-space:normal;min-width:12rem}
code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.9em;overflow-wrap:anywhere}
.good{color:var(--good)}.bad{color:var(--bad)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:0 0 1rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media (max-width:30rem){dl{grid-template-columns:1fr}dd{margin-bottom:.5rem}}
`;

async function render(title: string, body: Html): Promise<string> {
  const page = await html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><style>${raw(STYLE)}</style></head><body>${body}</body></html>`;
  return page.toString();
}

/** A page of its own: sign-in, allow or deny, an error. */
export function narrowPage(title: string, content: Html): Promise<string> {
  return render(
    title,
    html`<main class="narrow"><div class="card"><h1>${title}</h1>${content}</div>
<p class="soft">HighQ emulator. Nothing here is a real account.</p></main>`,
  );
}

export function errorPage(message: string): Promise<string> {
  return narrowPage('This request cannot be served', html`<p>${message}</p>`);
}

const SECTIONS = [
  ['', 'Applications'],
  ['users', 'Users'],
  ['clock', 'Clock'],
  ['ledger', 'Ledger'],
  ['requests', 'Requests'],
  ['faults', 'Faults'],
  ['switches', 'Switches'],
] as const;

export type Section = (typeof SECTIONS)[number][0];

export interface Notice {
  text: string;
  bad?: boolean;
}

/** A page for the administrator, with the menu of the emulator's sections. */
export function adminPage(
  instance: string,
  section: Section,
  title: string,
  content: Html,
  notice?: Notice,
): Promise<string> {
  const links = SECTIONS.map(([path, name]) => {
    const current = path === section ? raw(' aria-current="page"') : '';
    return html`<a href="/_emulator/ui${path === '' ? '' : `/${path}`}"${current}>${name}</a> `;
  });
  const told = notice
    ? html`<p class="note${notice.bad ? ' bad' : ''}" role="${notice.bad ? 'alert' : 'status'}">${notice.text}</p>`
    : '';
  return render(
    `${title} – HighQ emulator`,
    html`<header><div class="in"><strong>${instance} <span class="soft">emulator</span></strong><nav aria-label="Sections">${links}</nav></div></header>
<main><h1>${title}</h1>${told}${content}</main>`,
  );
}
