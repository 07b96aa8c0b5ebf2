import type { ConnectionState, ConnectionStatus, HistoryEntry } from '@hq-oauth/core';
import { type Html, html } from './html.ts';

const STATES: Readonly<Record<ConnectionState, { readonly text: string; readonly look: string }>> = {
  active: { text: 'Connected', look: 'good' },
  expiring: { text: 'Connected', look: 'good' },
  expired: { text: 'Connected, renews with the next call', look: 'good' },
  pending: { text: 'Waits for you to confirm the account', look: 'warn' },
  uncertain: { text: 'In doubt after an interrupted renewal', look: 'warn' },
  reauth_required: { text: 'Sign in again', look: 'warn' },
  disconnected: { text: 'Not connected', look: '' },
};

const EVENTS: Readonly<Record<HistoryEntry['event'], string>> = {
  authorized: 'Signed in at HighQ',
  imported: 'Tokens imported',
  refreshed: 'Access renewed',
  probed: 'Interrupted renewal settled',
  refused: 'Renewal refused',
  uncertain: 'Renewal interrupted',
  died: 'Access ended',
  disconnected: 'Disconnected',
  repaired: 'Record repaired',
  confirmed: 'Account confirmed',
  rejected: 'Account not used',
};

export function connectionView(status: ConnectionStatus, history: readonly HistoryEntry[]): Html {
  const { text, look } = STATES[status.state];
  const connected = status.access !== null || status.refresh !== null;
  return html`<h1>Your connection to HighQ</h1>
<p class="lead">${new URL(status.instanceUrl).host}</p>
<dl class="card pad">
<dt>State</dt><dd><span class="pill ${look}">${text}</span></dd>
${status.userEmail && html`<dt>Account</dt><dd>${status.userEmail}</dd>`}
${status.access && html`<dt>Access token</dt><dd>until ${instant(status.access.expiresAt)} <code>${status.access.fingerprint}</code></dd>`}
${status.nextRefreshAt !== null && html`<dt>Next renewal</dt><dd>from ${instant(status.nextRefreshAt)}, when it is used</dd>`}
${status.refresh && html`<dt>Refresh token</dt><dd>until ${instant(status.refresh.expiresAt)}</dd>`}
${connected && html`<dt>Renewals so far</dt><dd>${status.generation - 1}</dd>`}
</dl>
<div class="actions">
${
  connected
    ? html`<form method="post" action="/highq/disconnect"><input type="hidden" name="returnTo" value="/connection"><button class="quiet">Disconnect</button></form>`
    : html`<a class="button" href="/highq/connect?returnTo=/connection">Connect to HighQ</a>`
}
</div>
${history.length > 0 && html`<h2>History</h2><ul class="card list">${history.map(entry)}</ul>`}`;
}

function entry({ at, event, detail }: HistoryEntry): Html {
  return html`<li><div class="line"><strong>${EVENTS[event]}</strong><span class="size">${instant(at)}</span>${detail && html`<span class="ref">${detail}</span>`}</div></li>`;
}

function instant(at: number): Html {
  const date = new Date(at);
  const shown = date.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
  return html`<time datetime="${date.toISOString()}">${shown} UTC</time>`;
}
