import { html } from 'hono/html';
import type { Html } from './pages.ts';
import type { Registration } from './seed.ts';
import { splitExpiration } from './ui-forms.ts';
import type { World } from './world.ts';

const UI = '/_emulator/ui';

export function expirationText(tokenExpirationMs: number): string {
  const { amount, unit } = splitExpiration(tokenExpirationMs);
  return `${amount} ${amount === 1 ? unit.slice(0, -1) : unit}`;
}

export function registrationList(world: World): Html {
  const rows = world.registrations.list().map(
    (
      registration,
    ) => html`<tr><td><a href="${UI}/registrations/${registration.clientId}">${registration.displayName}</a></td>
<td><code>${registration.clientId}</code></td><td>${expirationText(registration.tokenExpirationMs)}</td>
<td>${registration.redirectUrl ?? 'any'}</td><td>${registration.status}</td></tr>`,
  );
  return html`<div class="card"><div class="scroll"><table><thead><tr><th>Application</th><th>Client id</th><th>Token expiration</th><th>Redirect URL</th><th>Status</th></tr></thead><tbody>${rows}</tbody></table></div>
<p></p><p><a href="${UI}/registrations/new">Register an application</a></p></div>
<div class="card"><h2>For a program</h2><dl><dt>Instance URL</dt><dd><code>${world.url}${world.base}</code></dd>
<dt>Clock</dt><dd><code>${world.url}/_emulator/clock</code></dd></dl></div>`;
}

interface FieldValues {
  name: string;
  displayName: string;
  description: string;
  redirectUrl: string;
  expiration: string;
  expirationUnit: string;
  showAllowDeny: boolean;
}

const EMPTY: FieldValues = {
  name: '',
  displayName: '',
  description: '',
  redirectUrl: '',
  expiration: '5',
  expirationUnit: 'hours',
  showAllowDeny: true,
};

function valuesOf(registration: Registration | null, sent: URLSearchParams | null): FieldValues {
  if (sent) {
    const text = (name: string): string => sent.get(name) ?? '';
    return {
      name: text('name'),
      displayName: text('displayName'),
      description: text('description'),
      redirectUrl: text('redirectUrl'),
      expiration: text('expiration'),
      expirationUnit: text('expirationUnit'),
      showAllowDeny: sent.has('showAllowDeny'),
    };
  }
  if (!registration) return EMPTY;
  const { amount, unit } = splitExpiration(registration.tokenExpirationMs);
  const { name, displayName, description, redirectUrl, showAllowDeny } = registration;
  return {
    name,
    displayName,
    description,
    redirectUrl: redirectUrl ?? '',
    expiration: String(amount),
    expirationUnit: unit,
    showAllowDeny,
  };
}

/** The provider's form. `sent`: what a person filled in before it was refused. */
export function registrationForm(registration: Registration | null, sent: URLSearchParams | null): Html {
  const values = valuesOf(registration, sent);
  const action = registration ? `${UI}/registrations/${registration.clientId}` : `${UI}/registrations`;
  const units = ['minutes', 'hours', 'days'].map((unit) =>
    unit === values.expirationUnit ? html`<option selected>${unit}</option>` : html`<option>${unit}</option>`,
  );
  const checkbox = values.showAllowDeny
    ? html`<input type="checkbox" name="showAllowDeny" checked>`
    : html`<input type="checkbox" name="showAllowDeny">`;
  return html`<form class="card" method="post" action="${action}"><div class="grid">
<div class="field"><label for="name">Application name</label><input id="name" name="name" type="text" required value="${values.name}"></div>
<div class="field"><label for="displayName">Display name</label><input id="displayName" name="displayName" type="text" value="${values.displayName}"></div></div>
<div class="field"><label for="description">Description</label><textarea id="description" name="description" rows="2">${values.description}</textarea></div>
<div class="field"><label for="redirectUrl">Redirect URL</label><input id="redirectUrl" name="redirectUrl" type="url" value="${values.redirectUrl}" aria-describedby="redirectHint"><p class="hint" id="redirectHint">Optional. Limits where authorization codes are sent.</p></div>
<div class="grid"><div class="field"><label for="expiration">Token expiration time</label><input id="expiration" name="expiration" type="text" inputmode="decimal" required value="${values.expiration}" aria-describedby="expirationHint"><p class="hint" id="expirationHint">30 minutes to 1 month (31 days).</p></div>
<div class="field"><label for="expirationUnit">Unit</label><select id="expirationUnit" name="expirationUnit">${units}</select></div></div>
<div class="field"><label>${checkbox} Show allow/deny screen</label></div>
<button type="submit">${registration ? 'Save' : 'Register'}</button></form>`;
}

export function registrationPage(
  world: World,
  registration: Registration,
  sent: URLSearchParams | null,
): Html {
  const path = `${UI}/registrations/${registration.clientId}`;
  const archived = registration.status === 'archived';
  return html`<div class="card"><dl><dt>Instance URL</dt><dd><code>${world.url}${world.base}</code></dd>
<dt>Client id</dt><dd><code>${registration.clientId}</code></dd><dt>Secret key</dt><dd><code>${registration.clientSecret}</code></dd>
<dt>Token expiration</dt><dd>${expirationText(registration.tokenExpirationMs)}</dd><dt>Status</dt><dd>${registration.status}</dd></dl>
<div class="row"><form method="post" action="${path}/secret"><button class="plain" type="submit">Generate a new secret key</button></form>
<form method="post" action="${path}/status"><input type="hidden" name="status" value="${archived ? 'active' : 'archived'}"><button class="plain" type="submit">${archived ? 'Activate' : 'Archive'}</button></form></div></div>
${registrationForm(registration, sent)}<p><a href="${UI}">All applications</a></p>`;
}
