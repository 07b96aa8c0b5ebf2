import { html } from 'hono/html';
import { DAY_MS, HOUR_MS, MINUTE_MS } from './durations.ts';
import { FAULT_KINDS } from './faults.ts';
import type { Html } from './pages.ts';
import { SWITCH_POSITIONS } from './switches.ts';
import type { World } from './world.ts';

const UI = '/_emulator/ui';
/** A page with 100,000 rows would help nobody; the JSON surface has them all. */
const MOST_ROWS = 300;

function instant(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').replace('Z', ' UTC');
}

function table(heads: readonly string[], rows: readonly Html[], empty: string): Html {
  if (rows.length === 0) return html`<p class="soft">${empty}</p>`;
  const cells = heads.map((head) => html`<th scope="col">${head}</th>`);
  return html`<div class="scroll"><table><thead><tr>${cells}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function options(values: readonly string[], selected?: string): Html[] {
  return values.map((value) =>
    value === selected ? html`<option selected>${value}</option>` : html`<option>${value}</option>`,
  );
}

function newestFirst<T>(entries: readonly T[]): T[] {
  return entries.slice(-MOST_ROWS).reverse();
}

function cut(shown: number, total: number): Html | '' {
  return shown < total ? html`<p class="soft">The newest ${shown} of ${total}.</p>` : '';
}

export function usersView(world: World): Html {
  const rows = world.users.list().map(
    (
      user,
    ) => html`<tr><td>${user.firstName} ${user.lastName}</td><td>${user.email}</td><td><code>${user.password}</code></td>
<td>${user.restricted ? 'restricted' : 'full'}</td><td>${user.disabled ? 'disabled' : 'active'}</td></tr>`,
  );
  return html`<div class="card">${table(['Name', 'E-mail address', 'Password', 'Access', 'Status'], rows, 'No users.')}</div>
<form class="card" method="post" action="${UI}/users"><h2>Add a user, or change the one with this address</h2><div class="grid">
<div class="field"><label for="email">E-mail address</label><input id="email" name="email" type="email" required></div>
<div class="field"><label for="password">Password</label><input id="password" name="password" type="text"></div>
<div class="field"><label for="firstName">First name</label><input id="firstName" name="firstName" type="text" required></div>
<div class="field"><label for="lastName">Last name</label><input id="lastName" name="lastName" type="text" required></div></div>
<div class="field"><label><input type="checkbox" name="restricted"> Restricted: may not read organisations or other users</label></div>
<div class="field"><label><input type="checkbox" name="disabled"> Disabled</label></div><button type="submit">Save user</button></form>`;
}

const STEPS = [
  ['30 minutes', 30 * MINUTE_MS],
  ['5 hours', 5 * HOUR_MS],
  ['1 day', DAY_MS],
  ['30 days', 30 * DAY_MS],
] as const;

export function clockView(world: World): Html {
  const { at, mode, rate } = world.clock.read();
  const told = html`<dl><dt>Now</dt><dd><strong>${instant(at)}</strong></dd><dt>Kind</dt><dd>${mode}</dd><dt>Rate</dt><dd>${rate === 0 ? 'frozen' : `${rate} ms per ms`}</dd></dl>`;
  if (mode !== 'virtual') return html`<div class="card">${told}<p>This clock cannot be moved here.</p></div>`;
  const steps = STEPS.map(
    ([name, ms]) => html`<button type="submit" name="advanceMs" value="${ms}">Advance ${name}</button>`,
  );
  return html`<div class="card">${told}<form method="post" action="${UI}/clock"><div class="row">${steps}</div></form>
<p></p><form method="post" action="${UI}/clock"><div class="row"><button class="plain" type="submit" name="rate" value="0">Freeze</button>
<button class="plain" type="submit" name="rate" value="1">Let it run</button></div></form></div>`;
}

export function ledgerView(world: World): Html {
  const { ledger } = world;
  const shown = newestFirst(ledger.entries);
  const rows = shown.map(
    (
      entry,
    ) => html`<tr><td>${entry.seq}</td><td>${instant(entry.at)}</td><td>${entry.kind}</td><td>${entry.tokenType}</td>
<td><code>${entry.fingerprint}</code></td><td><code>${entry.parent ?? ''}</code></td><td>${entry.generation ?? ''}</td><td>${entry.user ?? ''}</td>
<td class="${entry.verdict === 'ok' || entry.verdict === 'grace' ? 'good' : 'bad'}">${entry.verdict}</td><td>${entry.answered === false ? 'not answered' : ''}</td></tr>`,
  );
  const heads = [
    'No.',
    'At',
    'What',
    'Token',
    'Fingerprint',
    'Parent',
    'Generation',
    'User',
    'Verdict',
    'Answer',
  ];
  return html`<div class="card"><dl><dt>Refreshes</dt><dd>${ledger.refreshes()}</dd><dt>Presented twice</dt><dd>${ledger.presentedTwice()}</dd><dt>Issued, not answered</dt><dd>${ledger.unread().length}</dd></dl>
${table(heads, rows, 'No token was issued yet.')}${cut(shown.length, ledger.entries.length)}</div>`;
}

export function requestsView(world: World): Html {
  const shown = newestFirst(world.requests.entries);
  const rows = shown.map(
    (
      entry,
    ) => html`<tr><td>${entry.seq}</td><td>${instant(entry.at)}</td><td>${entry.method}</td><td class="wrap"><code>${entry.path}</code></td>
<td class="${entry.status >= 200 && entry.status < 400 ? 'good' : 'bad'}">${entry.status === 0 ? 'reset' : entry.status}</td><td>${entry.user ?? ''}</td><td><code>${entry.fingerprint ?? ''}</code></td><td>${entry.faults.join(', ')}</td></tr>`,
  );
  const heads = ['No.', 'At', 'Method', 'Path', 'Answer', 'User', 'Token', 'Faults'];
  return html`<div class="card">${table(heads, rows, 'Nothing was asked yet.')}${cut(shown.length, world.requests.count())}</div>`;
}

export function faultsView(world: World): Html {
  const rows = world.faults.list().map(
    (
      fault,
    ) => html`<tr><td>${fault.kind}</td><td>${fault.match.endpoint ?? 'everything'} ${fault.match.grantType ?? ''} ${fault.match.connection ?? ''}</td>
<td>${fault.struck} of ${fault.times ?? 'any number'}</td><td><form method="post" action="${UI}/faults/${fault.id}/remove"><button class="plain" type="submit">Remove</button></form></td></tr>`,
  );
  return html`<div class="card">${table(['Kind', 'Where', 'Struck', ''], rows, 'Nothing goes wrong.')}</div>
<form class="card" method="post" action="${UI}/faults"><h2>Add a fault</h2><div class="grid">
<div class="field"><label for="kind">Kind</label><select id="kind" name="kind">${options(FAULT_KINDS)}</select></div>
<div class="field"><label for="endpoint">Where</label><select id="endpoint" name="endpoint"><option value="">everything</option>${options(['token', 'authorize', 'api'])}</select></div>
<div class="field"><label for="grantType">Grant type</label><select id="grantType" name="grantType"><option value="">any</option>${options(['authorization_code', 'refresh_token'])}</select></div>
<div class="field"><label for="connection">User</label><input id="connection" name="connection" type="text"></div>
<div class="field"><label for="times">Times (empty: until removed)</label><input id="times" name="times" type="number" min="1"></div>
<div class="field"><label for="status">Status</label><input id="status" name="status" type="number" min="200" max="599"></div>
<div class="field"><label for="delayMs">Delay, ms</label><input id="delayMs" name="delayMs" type="number" min="0"></div>
<div class="field"><label for="retryAfter">Retry-After</label><input id="retryAfter" name="retryAfter" type="text"></div>
<div class="field"><label for="field">Member to omit</label><input id="field" name="field" type="text"></div></div><button type="submit">Add fault</button></form>`;
}

export function switchesView(world: World): Html {
  const current: Readonly<Record<string, unknown>> = { ...world.switches };
  const fields = Object.entries(SWITCH_POSITIONS).map(
    ([name, positions]) =>
      html`<div class="field"><label for="${name}">${name}</label><select id="${name}" name="${name}">${options(positions, String(current[name]))}</select></div>`,
  );
  return html`<form class="card" method="post" action="${UI}/switches"><p class="soft">What nobody outside the provider knows. The first position of each is the default.</p><div class="grid">${fields}
<div class="field"><label for="graceMs">graceMs</label><input id="graceMs" name="graceMs" type="number" min="0" value="${world.switches.graceMs}"></div></div><button type="submit">Set</button></form>
<form class="card" method="post" action="${UI}/reset"><p>Forget all grants, faults and entries, and begin again with the seed.</p><button class="plain" type="submit">Reset the emulator</button></form>`;
}
