import type { ConnectionStatus } from '../status.ts';
import { cut, escapeHtml } from './html.ts';
import { timeHtml } from './status-time.ts';
import type { ConnectionPage } from './status-view.ts';
import { STATE_TITLES } from './status-words.ts';
import type { Visit } from './visit.ts';

const MOST_TEXT = 80;
/** An id may be any text of any length; one that is longer than this in an address, or cannot stand in one, has no link. */
const LONGEST_ADDRESS = 300;

/** All connections of the registration, for those who may see them. */
export function listHtml(
  { settings, url }: Visit,
  { connections, next }: ConnectionPage,
  now: number,
): string {
  const path = settings.paths.status ?? '';
  const shown = url.searchParams.get('connection');
  const items = connections.map((status) => itemHtml(status, path, now));
  const first = url.searchParams.has('after') ? pageLink(path, shown, null, 'First page') : '';
  const more = next === null ? '' : pageLink(path, shown, next, 'Next page');
  const pages = first || more ? `<nav class="row" aria-label="Pages of the list">${first}${more}</nav>` : '';
  return `<section class="card" aria-labelledby="list-title"><h2 id="list-title">All connections</h2>
<div id="list" data-live>${
    items.length > 0
      ? `<ul class="list" role="list">${items.join('')}</ul>`
      : '<p class="soft">There are none on this page.</p>'
  }${pages}</div></section>`;
}

function itemHtml(status: ConnectionStatus, path: string, now: number): string {
  const { connectionId, state, userEmail, access } = status;
  const { tone, title } = STATE_TITLES[state];
  const query = new URLSearchParams({ connection: connectionId }).toString();
  const name = escapeHtml(cut(connectionId, MOST_TEXT));
  const link =
    query.length > LONGEST_ADDRESS || !connectionId.isWellFormed()
      ? `<span>${name}</span>`
      : `<a href="${escapeHtml(`${path}?${query}`)}">${name}</a>`;
  const account = userEmail ? `<span class="away">${escapeHtml(cut(userEmail, MOST_TEXT))}</span>` : '';
  const ends = access
    ? `<span class="away ends">access ${access.expiresAt > now ? 'until' : 'ended'} ${timeHtml(access.expiresAt, now)}</span>`
    : '';
  return `<li>${link}<span class="state ${tone}"><i class="dot" aria-hidden="true"></i>${escapeHtml(title)}</span>${account}${ends}</li>`;
}

function pageLink(path: string, connection: string | null, after: string | null, label: string): string {
  const query = new URLSearchParams({ ...(connection ? { connection } : {}), ...(after ? { after } : {}) });
  const to = query.size > 0 ? `${path}?${query}` : path;
  return `<a class="button quiet" href="${escapeHtml(`${to}#list-title`)}">${label}</a>`;
}
