import type { FirmUser } from '../firm-users.ts';
import { type Html, html } from './html.ts';

export type Section = 'matters' | 'people' | 'connection';

const SECTIONS: readonly { section?: Section; path: string; name: string }[] = [
  { section: 'matters', path: '/matters', name: 'Matters' },
  { section: 'people', path: '/people', name: 'People' },
  { section: 'connection', path: '/connection', name: 'Connection' },
  // A page of hq-oauth's own, with its own looks.
  { path: '/highq/status', name: 'Status' },
];

/** Where the same program serves another HighQ instance. */
export interface Place {
  readonly name: string;
  readonly url: string;
  readonly here: boolean;
}

export interface Frame {
  readonly title: string;
  readonly user: FirmUser | null;
  readonly section?: Section;
  /** All of them, where there are several. */
  readonly places?: readonly Place[];
}

export function layout({ title, user, section, places = [] }: Frame, content: Html): string {
  const links = SECTIONS.map(
    ({ section: one, path, name }) =>
      html`<a href="${path}"${one && one === section ? html` aria-current="page"` : ''}>${name}</a>`,
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Hartwell Lyle</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header><div class="bar">
<a class="firm" href="/"><span class="mark" aria-hidden="true">HL</span>Hartwell Lyle</a>
${places.length > 1 && html`<nav class="places" aria-label="HighQ instance">${places.map(placeView)}</nav>`}
${
  user &&
  html`<nav aria-label="Main">${links}</nav>
<div class="who"><span>${user.name}</span><form method="post" action="/logout"><button class="quiet">Sign out</button></form></div>`
}
</div></header>
<main id="content">
${content}
</main>
</body>
</html>
`.text;
}

function placeView({ name, url, here }: Place): Html {
  return html`<a href="${url}/"${here ? html` aria-current="true"` : ''}>${name}</a>`;
}
