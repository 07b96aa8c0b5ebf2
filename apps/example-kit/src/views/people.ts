import type { Person } from '../highq-api.ts';
import { type Html, html } from './html.ts';

export function peopleView({
  email = '',
  found,
  note,
}: {
  email?: string;
  found?: Person;
  note?: string;
}): Html {
  return html`<h1>People</h1>
<p class="lead">Look somebody up in HighQ by e-mail address.</p>
<form class="search" method="get" action="/people" role="search">
<div><label for="email">E-mail address</label><input id="email" name="email" type="email" required value="${email}"></div>
<button>Look up</button>
</form>
<div class="actions">
${note && html`<p class="note" role="status">${note}</p>`}
${
  found &&
  html`<dl class="card pad"><dt>Name</dt><dd>${found.name}</dd><dt>E-mail address</dt><dd>${found.email}</dd><dt>HighQ user</dt><dd>${found.id}</dd></dl>`
}
</div>`;
}
