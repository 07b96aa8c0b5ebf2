import { describe, expect, it } from 'vitest';
import type { RefreshYear } from '../expiry.ts';
import type { ConnectionStatus } from '../status.ts';
import { accessBar, refreshBar } from './status-bars.ts';
import { durationInWords, instant, relative, timeHtml } from './status-time.ts';
import { horizonOf } from './status-view.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.UTC(2026, 0, 1);

function statusWith(members: Partial<ConnectionStatus> = {}): ConnectionStatus {
  return {
    connectionId: 'ann',
    instanceUrl: 'https://acme.highq.com/acme',
    state: 'active',
    authorizedAt: START,
    generation: 1,
    access: { issuedAt: START, expiresAt: START + 5 * HOUR, fingerprint: 'a' },
    refresh: { issuedAt: START, expiresAt: START + 365 * DAY, fingerprint: 'r' },
    nextRefreshAt: START + 4 * HOUR,
    lastRefresh: null,
    lastError: null,
    ...members,
  };
}

/** `[x, width]` of the parts of a bar that have this class, in percent; `now`: where the line is. */
function parts(html: string, kind: string): number[][] {
  const rects = html.matchAll(new RegExp(`<rect class="${kind}" x="([\\d.]+)%"[^>]*width="([\\d.]+)%"`, 'g'));
  return [...rects].map(([, x, width]) => [Number(x), Number(width)]);
}
const nowLine = (html: string): number => Number(/class="now" x1="([\d.]+)%"/.exec(html)?.[1]);

describe('the bar of the access token', () => {
  it('puts now, the renewal point and the end where they are', () => {
    const html = accessBar(statusWith(), START + HOUR);
    expect(nowLine(html)).toBe(20);
    expect(parts(html, 'left')).toEqual([[0, 80]]);
    expect(parts(html, 'renew')).toEqual([[80, 20]]);
    expect(parts(html, 'gone')).toEqual([[0, 20]]);
    expect(html).toContain(
      'aria-label="Access token: 4 hours left. Issued 1 Jan 2026, 00:00 UTC, ends 1 Jan 2026, 05:00 UTC. Renewal point 1 Jan 2026, 04:00 UTC. Now it is 1 Jan 2026, 01:00 UTC."',
    );
  });

  it.each([
    [START - DAY, 0],
    [START, 0],
    [START + 5 * HOUR, 100],
    [START + 400 * DAY, 100],
  ])('stays inside itself at %i', (now, place) => {
    expect(nowLine(accessBar(statusWith(), now))).toBe(place);
  });

  it('marks the renewal point from its instant on, and the end likewise', () => {
    const due = /<div class="due"><dt>(?:<i[^>]*><\/i>)?([^<]+)/;
    const at = (now: number) => due.exec(accessBar(statusWith(), now))?.[1];
    expect(at(START + 4 * HOUR - 1)).toBeUndefined();
    expect(at(START + 4 * HOUR)).toBe('Renewal point');
    expect(at(START + 5 * HOUR - 1)).toBe('Renewal point');
    expect(at(START + 5 * HOUR)).toBe('Ended');
  });

  it('says that there is none', () => {
    expect(accessBar(statusWith({ access: null }), START)).toContain('the next call gets one');
    expect(accessBar(statusWith({ access: null, state: 'disconnected' }), START)).toContain('<p>None</p>');
  });

  it('shows a token without a length', () => {
    const access = { issuedAt: START, expiresAt: START, fingerprint: 'a' };
    expect(accessBar(statusWith({ access, nextRefreshAt: null }), START)).not.toContain('NaN');
  });
});

describe('the bar of the refresh token', () => {
  const renewed = statusWith({
    generation: 5,
    refresh: { issuedAt: START + 100 * DAY, expiresAt: START + 465 * DAY, fingerprint: 'r' },
  });
  const at = (now: number, refreshYear: RefreshYear = 'unknown', status = renewed) => {
    const horizon = horizonOf(status, { refreshYear, storeNow: () => now });
    return { horizon, html: refreshBar(status.refresh, horizon, now) };
  };

  it('counts from the sign-in while nobody knows, and shows both ends', () => {
    const { horizon, html } = at(START + 200 * DAY);
    expect(horizon).toMatchObject({
      startsAt: START,
      endsAt: START + 365 * DAY,
      latestAt: START + 465 * DAY,
    });
    expect(html).toContain('at least 165 days left');
    expect(html).toContain('Ends at the latest');
    expect(html).toContain('HighQ does not say');
    expect(parts(html, 'warn30')[0]?.[0]).toBeCloseTo((335 / 465) * 100, 1);
    expect(parts(html, 'warn7')[0]?.[0]).toBeCloseTo((358 / 465) * 100, 1);
    expect(parts(html, 'warn1')[0]?.[0]).toBeCloseTo((364 / 465) * 100, 1);
    expect(parts(html, 'maybe')[0]?.[0]).toBeCloseTo((365 / 465) * 100, 1);
  });

  it.each([
    ['sliding', START + 100 * DAY, START + 465 * DAY],
    ['absolute', START, START + 365 * DAY],
  ] as const)('has one end where it is known to be %s', (year, startsAt, endsAt) => {
    const { horizon, html } = at(START + 200 * DAY, year);
    expect(horizon).toMatchObject({ startsAt, endsAt, latestAt: endsAt });
    expect(html).not.toContain('HighQ does not say');
    expect(parts(html, 'maybe')).toEqual([]);
  });

  it.each([
    [30, 335],
    [7, 358],
    [1, 364],
  ])('warns from %i days before the end on', (days, day) => {
    const due = `Warning, ${days} day${days === 1 ? '' : 's'} before`;
    const marked = (now: number) => new RegExp(`<div class="due"><dt><i[^>]*></i>${due}`).test(at(now).html);
    expect(marked(START + day * DAY - 1)).toBe(false);
    expect(marked(START + day * DAY)).toBe(true);
    expect(at(START + day * DAY).horizon?.due).toBe(days);
  });

  it('says what is over, and what is not certain to be', () => {
    expect(at(START + 365 * DAY).html).toContain('may end at any time');
    expect(at(START + 465 * DAY + HOUR).html).toContain('ran out 1 hour ago');
  });

  it('has no horizon once the token was refused, and one when its time was simply up', () => {
    const over = { state: 'reauth_required', reason: 'revoked_or_expired' } as const;
    expect(at(START, 'unknown', { ...renewed, ...over }).horizon).toBeNull();
    expect(
      at(START, 'unknown', { ...renewed, ...over, reason: 'refresh_token_expired' }).horizon,
    ).not.toBeNull();
  });
});

describe('time in words', () => {
  it.each([
    [0, '0 seconds'],
    [MINUTE - 1, '59 seconds'],
    [MINUTE, '1 minute'],
    [MINUTE + 1_000, '1 minute 1 second'],
    [10 * MINUTE + 59_999, '10 minutes'],
    [HOUR - 1, '59 minutes'],
    [HOUR, '1 hour'],
    [DAY - 1, '23 hours 59 minutes'],
    [DAY + HOUR, '1 day 1 hour'],
    [14 * DAY - 1, '13 days 23 hours'],
    [14 * DAY + 5 * HOUR, '14 days'],
  ])('%i ms: %s', (ms, words) => {
    expect(durationInWords(ms)).toBe(words);
  });

  it('says how far away an instant is', () => {
    expect(relative(START + 999, START)).toBe('now');
    expect(relative(START + 1_000, START)).toBe('in 1 second');
    expect(relative(START - HOUR, START)).toBe('1 hour ago');
  });

  it.each([[Number.NaN], [Number.POSITIVE_INFINITY], [8.64e15 + 1]])('does not fail on %d', (at) => {
    expect(instant(at)).toBe('an unknown time');
    expect(timeHtml(at, START)).toBe('an unknown time');
  });
});
