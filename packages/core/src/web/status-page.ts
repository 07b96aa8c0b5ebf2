import type { ConnectionStatus } from '../status.ts';
import { cut, document, documentHeaders, escapeHtml } from './html.ts';
import { hostOf } from './places.ts';
import { accessBar, refreshBar } from './status-bars.ts';
import { listHtml } from './status-list.ts';
import { SCRIPT } from './status-script.ts';
import { timeHtml } from './status-time.ts';
import { type StatusSight, type StatusView, seenAs } from './status-view.ts';
import { adviceOn, eventWords, noticeWords, stateWords } from './status-words.ts';
import type { Visit } from './visit.ts';

/** How often the page asks for itself. With a list of connections less often: that is more to read. */
const EVERY_MS = 5_000;
const EVERY_WITH_LIST_MS = 15_000;
const MOST_DETAIL = 160;

export function statusPage(visit: Visit, sight: StatusSight): Response {
  const { view, list, notice, now } = sight;
  const title = view ? `${stateWords(view.status, now).title} · HighQ connection` : 'HighQ connections';
  const body = `<main>
<header class="top">
<p class="over">${escapeHtml(hostOf(visit.inside.instanceUrl))}</p>
<h1>${view ? 'HighQ connection' : 'HighQ connections'}</h1>
${backHtml(visit.settings)}
</header>
${notice ? noticeHtml(notice) : ''}
${view ? viewHtml(visit, sight, view) : ''}
${list ? listHtml(visit, list, now) : ''}
<footer>
<p id="asof" data-live>As of ${timeHtml(now, now, { seconds: true, away: false })}, by the clock of the store.</p>
<p id="updates" role="status" data-every="${list ? EVERY_WITH_LIST_MS : EVERY_MS}">Reload the page to see how it stands now.</p>
</footer>
</main>`;
  return new Response(document({ title, body, look: 'wide', script: SCRIPT }), {
    headers: documentHeaders({ script: SCRIPT }),
  });
}

function backHtml({ statusBackTo }: Visit['settings']): string {
  return statusBackTo === null
    ? ''
    : `<p class="back"><a href="${escapeHtml(statusBackTo)}">Back to the application</a></p>`;
}

function noticeHtml(notice: NonNullable<StatusSight['notice']>): string {
  const { tone, text, advice } = noticeWords(notice);
  const more = advice ? ` ${escapeHtml(advice.text)} ${docsLink(advice.docsUrl)}` : '';
  return tone === 'good'
    ? `<p class="done" role="status">${escapeHtml(text)}</p>`
    : `<p class="note" role="alert"><strong>${escapeHtml(text)}</strong>${more}</p>`;
}

function docsLink(url: string): string {
  return `<a href="${escapeHtml(url)}" rel="noreferrer">More about this</a>`;
}

function viewHtml(visit: Visit, sight: StatusSight, view: StatusView): string {
  const { status, now, explain, history, horizon } = view;
  const stale =
    history === null
      ? '<p class="note"><strong>The store does not answer.</strong> This is what this process knew before. A token that is valid goes on being used.</p>'
      : '';
  const tokens =
    status.access === null && status.refresh === null
      ? '<p class="soft">There are no tokens.</p>'
      : `<div class="token">${accessBar(status, now)}</div><div class="token">${refreshBar(status.refresh, horizon, now)}</div>`;
  return `<div id="stale" data-live>${stale}</div>
<section class="card" aria-labelledby="state-title">
<div id="state" data-live aria-live="polite">${stateHtml(view, sight.own)}</div>
<div id="next-step" data-live>${sight.may.connect ? nextStepHtml(visit, status) : ''}</div>
</section>
<div id="warning" data-live>${warningHtml(view)}</div>
<div id="problem" data-live>${problemHtml(view)}</div>
<section class="card" aria-labelledby="tokens-title"><h2 id="tokens-title">Tokens</h2>
<div id="tokens" data-live>${tokens}</div></section>
<section class="card" aria-labelledby="facts-title"><h2 id="facts-title">Details</h2>
<dl class="facts" id="facts" data-live>${factsHtml(view)}</dl></section>
<section class="card" aria-labelledby="why-title"><h2 id="why-title">What the next call does</h2>
<ul id="why" role="list" data-live>${explain
    .filter((line) => !line.startsWith('Last problem:'))
    .map((line) => `<li>${escapeHtml(line)}</li>`)
    .join('')}</ul></section>
<section class="card" aria-labelledby="history-title"><h2 id="history-title">History</h2>
<div id="history" data-live>${historyHtml(view)}</div></section>
<div id="actions" data-live>${actionsHtml(visit, status, sight.may)}</div>`;
}

function stateHtml({ status, now }: StatusView, own: boolean): string {
  const { tone, title, meaning } = stateWords(status, now);
  const who = own ? '' : `<p class="account">${escapeHtml(cut(status.connectionId, MOST_DETAIL))}</p>`;
  return `${who}<h2 class="state ${tone}" id="state-title"><i class="dot" aria-hidden="true"></i>${escapeHtml(title)}</h2><p>${escapeHtml(meaning)}</p>`;
}

/** What the person can do about the state, by the routes that are there anyway. */
function nextStepHtml({ settings }: Visit, { state }: ConnectionStatus): string {
  const { connect, confirm, status } = settings.paths;
  const link = (to: string, label: string, look = ''): string =>
    `<p class="row"><a class="button${look}" href="${escapeHtml(to)}">${escapeHtml(label)}</a></p>`;
  const back = connect && `${connect}?returnTo=${encodeURIComponent(status ?? settings.returnTo)}`;
  switch (state) {
    case 'disconnected':
    case 'reauth_required':
      return back ? link(back, state === 'disconnected' ? 'Connect to HighQ' : 'Sign in at HighQ again') : '';
    case 'uncertain':
      return back ? link(back, 'Sign in at HighQ again', ' quiet') : '';
    case 'pending':
      return confirm ? link(confirm, 'See the account that waits') : '';
    case 'active':
    case 'expiring':
    case 'expired':
      return '';
    default:
      return state satisfies never;
  }
}

function warningHtml({ horizon, status, now }: StatusView): string {
  if (!horizon || horizon.due === null || status.state === 'reauth_required') return '';
  const over = horizon.endsAt <= now;
  const what = over
    ? 'The refresh token may have ended.'
    : `The refresh token ${horizon.endsAt === horizon.latestAt ? 'ends' : 'may end'} within ${horizon.due === 1 ? 'a day' : `${horizon.due} days`}.`;
  return `<p class="note"><strong>${what}</strong> Signing in at HighQ again before then starts a new year, without an interruption.</p>`;
}

function problemHtml({ status: { lastError }, now }: StatusView): string {
  if (!lastError) return '';
  const { at, code, message } = lastError;
  const { text, docsUrl } = adviceOn(code);
  return `<section class="card problem" aria-labelledby="problem-title"><h2 id="problem-title">Last problem</h2>
<p>${escapeHtml(cut(message, 2 * MOST_DETAIL))}</p><p>${escapeHtml(text)} ${docsLink(docsUrl)}</p>
<p class="soft">${timeHtml(at, now)} · <code>${escapeHtml(cut(code, MOST_DETAIL))}</code></p></section>`;
}

function factsHtml({ status, now }: StatusView): string {
  const { userEmail, nextRefreshAt, lastRefresh, authorizedAt, generation, access, refresh, pending } =
    status;
  const due = nextRefreshAt !== null && nextRefreshAt <= now;
  const rows: (readonly [string, string])[] = [
    ['HighQ account', escapeHtml(userEmail ?? 'not known')],
    ...(pending ? [['Confirm the account by', timeHtml(pending.until, now)] as const] : []),
    [
      'Next renewal',
      nextRefreshAt === null ? 'none' : due ? 'with the next call' : timeHtml(nextRefreshAt, now),
    ],
    [
      'Last renewal',
      lastRefresh === null
        ? 'none yet'
        : `${timeHtml(lastRefresh.at, now)}, to generation ${lastRefresh.generation}`,
    ],
    ['Signed in', authorizedAt === null ? 'never' : timeHtml(authorizedAt, now)],
    ['Generation', String(generation)],
    ...(access ? [['Access token', fingerprint(access.fingerprint)] as const] : []),
    ...(refresh ? [['Refresh token', fingerprint(refresh.fingerprint)] as const] : []),
    ['Connection', `<code>${escapeHtml(cut(status.connectionId, MOST_DETAIL))}</code>`],
  ];
  return rows.map(([title, html]) => `<div><dt>${title}</dt><dd>${html}</dd></div>`).join('');
}

function fingerprint(text: string): string {
  return `<code>${escapeHtml(text)}</code> <span class="away">fingerprint</span>`;
}

function historyHtml({ history, now }: StatusView): string {
  if (history === null)
    return '<p class="soft">The store does not answer, so the history cannot be read.</p>';
  if (history.length === 0) return '<p class="soft">Nothing has happened yet.</p>';
  const items = history.map((entry) => {
    const { tone, title } = eventWords(entry);
    const detail = entry.detail
      ? `<span class="detail">${escapeHtml(cut(entry.detail, MOST_DETAIL))}</span>`
      : '';
    const what = `<strong>${escapeHtml(cut(title, 40))}</strong> <span class="gen">generation ${entry.generation}</span>`;
    return `<li><i class="dot ${tone}" aria-hidden="true"></i><span>${what}</span><span class="when">${timeHtml(entry.at, now)}</span>${detail}</li>`;
  });
  return `<ol class="history" role="list" reversed>${items.join('')}</ol>`;
}

/** `seen` says which grant the button was shown for. */
function actionsHtml({ settings }: Visit, status: ConnectionStatus, may: StatusSight['may']): string {
  const { state } = status;
  if (state === 'disconnected') return '';
  const form = (action: string, button: string): string =>
    `<form method="post" action="${escapeHtml(settings.paths.status ?? '')}"><input type="hidden" name="seen" value="${seenAs(status)}"><button name="action" value="${action}"${button}</button></form>`;
  const renewable =
    state === 'active' || state === 'expiring' || state === 'expired' || state === 'uncertain';
  const renew =
    may.renew && renewable
      ? `<p>A renewal replaces both tokens at once. It happens by itself; there is no need to press this.</p><div class="row">${form('renew', ' class="quiet">Renew now')}</div>`
      : '';
  const disconnect = may.disconnect
    ? `<details><summary>Disconnect</summary><p>The tokens are forgotten here, at once and for every process. To connect again, somebody has to sign in at HighQ.</p>
<div class="row">${form('disconnect', ' class="danger">Disconnect from HighQ')}</div></details>`
    : '';
  if (renew === '' && disconnect === '') return '';
  return `<section class="card" aria-labelledby="actions-title"><h2 id="actions-title">Actions</h2>${renew}
${disconnect}</section>`;
}
