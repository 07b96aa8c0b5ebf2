import { ERRORS_PAGE } from '../errors-page.ts';
import type { ConnectionState, ConnectionStatus, HistoryEntry } from '../status.ts';
import type { Notice } from './status-notice.ts';

/** How serious something is; colours go by it, and never say anything that the words do not. */
export type Tone = 'good' | 'soon' | 'doubt' | 'bad' | 'none';

export interface StateWords {
  readonly tone: Tone;
  readonly title: string;
  /** What it means for the person, and what they have to do. */
  readonly meaning: string;
}

/** A state in a word or two, for the list of all connections. */
export const STATE_TITLES: Readonly<
  Record<ConnectionState, { readonly tone: Tone; readonly title: string }>
> = {
  active: { tone: 'good', title: 'Connected' },
  expiring: { tone: 'soon', title: 'Connected, renewal is due' },
  expired: { tone: 'soon', title: 'Connected, token has run out' },
  uncertain: { tone: 'doubt', title: 'In doubt' },
  reauth_required: { tone: 'bad', title: 'Sign-in needed' },
  pending: { tone: 'doubt', title: 'Waiting for confirmation' },
  disconnected: { tone: 'none', title: 'Not connected' },
};

/** `now`: store's clock. */
export function stateWords(status: ConnectionStatus, now: number): StateWords {
  return { ...STATE_TITLES[status.state], meaning: meaningOf(status, now) };
}

function meaningOf({ state, reason, pending, access }: ConnectionStatus, now: number): string {
  const served = access !== null && access.expiresAt > now;
  switch (state) {
    case 'active':
      return 'Calls to HighQ work. The access is renewed by itself while it is used; nothing has to be done.';
    case 'expiring':
      return 'Calls to HighQ work. The access token nears its end, and the next call renews it in the background.';
    case 'expired':
      return 'Nothing is lost. The access token has run out, so the next call renews it first and takes a moment longer.';
    case 'uncertain':
      return `${DOUBTS[reason ?? ''] ?? DOUBTS.outcome_unknown}${served ? ' Until the access token ends, calls to HighQ work.' : ''}`;
    case 'reauth_required':
      return `${ENDS[reason ?? ''] ?? 'The connection has ended.'} ${served ? 'Calls work until the access token ends, and then no more' : 'Calls to HighQ do not work'} until somebody signs in at HighQ again.`;
    case 'pending':
      return `Somebody signed in at HighQ${pending?.userEmail ? ` as ${pending.userEmail}` : ''}, and the account has not been confirmed yet. Calls to HighQ do not work until then.`;
    case 'disconnected':
      return reason === 'tombstone'
        ? 'This connection was disconnected, and its tokens are gone. Calls to HighQ do not work until somebody connects again.'
        : 'Nobody has signed in at HighQ on this connection yet. Calls to HighQ do not work until then.';
    default:
      return state satisfies never;
  }
}

const DOUBTS: Readonly<Record<string, string>> = {
  outcome_unknown:
    'A renewal was sent and its answer did not arrive, so nobody knows yet which token counts. It is looked into by itself; signing in again settles it at once.',
  quarantine:
    "HighQ's answer to a renewal could not be read. It is kept safe and read again after each start and upgrade; signing in again settles it at once.",
  record_unreadable:
    'What is stored about this connection cannot be opened here. It was left as it is, and an administrator has to look at it.',
};

const ENDS: Readonly<Record<string, string>> = {
  revoked_or_expired: 'HighQ no longer accepts this connection: it was revoked, or it has expired.',
  rotation_outcome_lost:
    'The answer to a renewal was lost on its way, and HighQ no longer accepts what was there before.',
  refresh_token_expired: 'The refresh token has reached the end of its year.',
  refused_unrecognized:
    'HighQ has refused to renew this connection for over an hour, without saying why in a way that can be read.',
};

export interface Advice {
  readonly text: string;
  readonly docsUrl: string;
}

/** What to do about an error, in short what `docs/errors.md` says under its heading. */
export function adviceOn(code: string, reason = ''): Advice {
  const heading = HEADINGS[code] ?? code;
  const known = ADVICE[`${code}.${reason}`] ?? ADVICE[code];
  return {
    text: known ?? 'The log of this application says more.',
    docsUrl: ERRORS_PAGE + (known === undefined ? '' : heading),
  };
}

/** What a record keeps as its last error is not always the code of an error that is thrown. */
const HEADINGS: Readonly<Record<string, string>> = {
  quarantine: 'rotation_uncertain',
  refused_unrecognized: 'token_endpoint',
};

const ADVICE: Readonly<Record<string, string>> = {
  not_connected: 'Nobody is signed in at HighQ on this connection. Connect it first.',
  reauthorization_required: 'The connection has ended. Sign in at HighQ again.',
  refresh_in_progress:
    'The renewal is under way and takes longer than usual. It goes on by itself; look again in a moment.',
  rotation_uncertain:
    'The renewal was sent and its outcome is not known yet. It is tried again when that can do no harm; signing in again settles it at once.',
  token_endpoint:
    'HighQ did not renew the access, and nothing was lost. It is tried again by itself; if this lasts, an administrator should look at the log.',
  'token_endpoint.connect_failed':
    'HighQ could not be reached, and nothing was lost. Check the network, the proxy and its certificates; it is tried again by itself.',
  'token_endpoint.rate_limited':
    'HighQ asks to wait before the next renewal. Nothing was lost; try again later.',
  'token_endpoint.breaker_open':
    'Several renewals failed in a row, so they rest for a while. Nothing was lost; if this lasts, an administrator should look at the log.',
  'token_endpoint.invalid_client':
    "HighQ refuses this application's registration. An administrator has to check the client id, the client secret and that the registration is active. No connection was touched.",
  'token_endpoint.unauthorized_client':
    "HighQ refuses this application's registration. An administrator has to check the client id, the client secret and that the registration is active. No connection was touched.",
  'token_endpoint.client_secret_unavailable':
    'The client secret could not be had, so nothing was sent. An administrator has to look at where it comes from.',
  'token_endpoint.client_secret_unusable':
    'The configured client secret cannot be one, so nothing was sent. An administrator has to look at where it comes from.',
  store_unavailable:
    'The store did not answer, so nothing was sent to HighQ and nothing was lost. Once it is back, all goes on by itself.',
  record_unreadable:
    'What is stored cannot be opened with the keys that are here. An administrator has to give this process all keys in use, or restore the record.',
  refused_unrecognized:
    'HighQ refused a renewal in a form that is not an OAuth error. It is tried again by itself; if it goes on for an hour, a sign-in is needed.',
  quarantine:
    'The answer is kept, sealed. Upgrade hq-oauth if there is a newer version, or sign in again, which settles it at once.',
};

export interface NoticeWords {
  readonly tone: 'good' | 'bad';
  readonly text: string;
  readonly advice?: Advice;
}

export function noticeWords(notice: Notice): NoticeWords {
  const done = DONE[notice];
  if (done) return done;
  const [, code = '', reason] = notice.split('.');
  return { tone: 'bad', text: 'The access was not renewed.', advice: adviceOn(code, reason) };
}

const DONE: Readonly<Record<string, NoticeWords>> = {
  renewed: { tone: 'good', text: 'The access was renewed.' },
  disconnected: { tone: 'good', text: 'The connection was disconnected, and its tokens are gone.' },
  changed: {
    tone: 'bad',
    text: 'The connection had changed since the page was loaded, so nothing was done. This is how it stands now.',
  },
};

const EVENTS: Readonly<Record<HistoryEntry['event'], { readonly tone: Tone; readonly title: string }>> = {
  authorized: { tone: 'good', title: 'Signed in' },
  imported: { tone: 'good', title: 'Tokens taken over' },
  confirmed: { tone: 'good', title: 'Account confirmed' },
  rejected: { tone: 'none', title: 'Account turned down' },
  refreshed: { tone: 'good', title: 'Renewed' },
  probed: { tone: 'good', title: 'Renewed, after doubt' },
  repaired: { tone: 'soon', title: 'Repaired' },
  refused: { tone: 'doubt', title: 'Renewal refused' },
  uncertain: { tone: 'doubt', title: 'Outcome unknown' },
  died: { tone: 'bad', title: 'Connection ended' },
  disconnected: { tone: 'none', title: 'Disconnected' },
};

/** A record may hold events that a later version wrote. */
export function eventWords({ event }: HistoryEntry): { readonly tone: Tone; readonly title: string } {
  return Object.hasOwn(EVENTS, event) ? EVENTS[event] : { tone: 'none', title: event };
}
