import type { ConnectionStatus, TokenFacts } from '../status.ts';
import { escapeHtml } from './html.ts';
import { durationInWords, instant, timeHtml } from './status-time.ts';
import type { Horizon } from './status-view.ts';

interface Zone {
  readonly from: number;
  readonly to: number;
  /** A class of the style, which gives the colour. */
  readonly kind: 'gone' | 'left' | 'renew' | 'warn30' | 'warn7' | 'warn1' | 'maybe';
}

interface Bar {
  readonly id: string;
  /** The whole bar in words, for those who do not see it. */
  readonly label: string;
  readonly startsAt: number;
  readonly endsAt: number;
  readonly now: number;
  readonly zones: readonly Zone[];
  /** Instants with a line across the bar. */
  readonly lines: readonly number[];
}

/** A bar is a picture of instants that stand below it as text as well. */
function barHtml({ id, label, startsAt, endsAt, now, zones, lines }: Bar): string {
  const place = (at: number): number => {
    const share = endsAt > startsAt ? (at - startsAt) / (endsAt - startsAt) : 1;
    return Math.round(Math.min(1, Math.max(0, share)) * 10_000) / 100;
  };
  const rects = zones.map(({ from, to, kind }) => {
    const [x, end] = [place(from), place(to)];
    return end > x ? `<rect class="${kind}" x="${x}%" y="5" width="${round(end - x)}%" height="12"/>` : '';
  });
  const ticks = lines.map(
    (at) => `<line class="tick" x1="${place(at)}%" x2="${place(at)}%" y1="5" y2="17"/>`,
  );
  const here = place(now);
  return `<svg class="bar" role="img" aria-label="${escapeHtml(label)}" width="100%" height="22" focusable="false">
<clipPath id="${id}-shape"><rect y="5" width="100%" height="12" rx="6"/></clipPath>
<g clip-path="url(#${id}-shape)"><rect class="track" y="5" width="100%" height="12"/>${rects.join('')}${ticks.join('')}</g>
<line class="halo" x1="${here}%" x2="${here}%" y1="2" y2="20"/><line class="now" x1="${here}%" x2="${here}%" y1="2" y2="20"/>
</svg>`;
}

function round(share: number): number {
  return Math.round(share * 100) / 100;
}

interface Mark {
  readonly title: string;
  readonly at: number;
  /** The colour of the bar that it explains. */
  readonly swatch?: Zone['kind'];
  /** Its turn has come. */
  readonly due?: boolean;
}

function marksHtml(marks: readonly Mark[], now: number): string {
  const items = marks.map(({ title, at, swatch, due }) => {
    const key = swatch ? `<i class="swatch ${swatch}" aria-hidden="true"></i>` : '';
    return `<div${due ? ' class="due"' : ''}><dt>${key}${escapeHtml(title)}</dt><dd>${timeHtml(at, now)}</dd></div>`;
  });
  return `<dl class="marks">${items.join('')}</dl>`;
}

function headHtml(title: string, left: string): string {
  return `<div class="barhead"><h3>${escapeHtml(title)}</h3><p>${escapeHtml(left)}</p></div>`;
}

/** The access token from its issue to its end, with the point from which it is renewed. */
export function accessBar({ access, nextRefreshAt, state }: ConnectionStatus, now: number): string {
  if (access === null) {
    const none =
      state === 'disconnected' || state === 'pending' ? 'None' : 'None now: the next call gets one';
    return headHtml('Access token', none);
  }
  const { issuedAt, expiresAt } = access;
  const renews = nextRefreshAt !== null && nextRefreshAt < expiresAt ? nextRefreshAt : null;
  const over = expiresAt <= now;
  const left = over
    ? `ran out ${durationInWords(now - expiresAt)} ago`
    : `${durationInWords(expiresAt - now)} left`;
  const label = [
    `Access token: ${left}.`,
    `Issued ${instant(issuedAt)}, ends ${instant(expiresAt)}.`,
    ...(renews === null ? [] : [`Renewal point ${instant(renews)}.`]),
    `Now it is ${instant(now)}.`,
  ].join(' ');
  const bar = barHtml({
    id: 'access',
    label,
    startsAt: issuedAt,
    endsAt: expiresAt,
    now,
    zones: [
      { from: issuedAt, to: renews ?? expiresAt, kind: 'left' },
      ...(renews === null ? [] : [{ from: renews, to: expiresAt, kind: 'renew' as const }]),
      { from: issuedAt, to: now, kind: 'gone' },
    ],
    lines: renews === null ? [] : [renews],
  });
  const marks: Mark[] = [
    { title: 'Issued', at: issuedAt },
    ...(renews === null
      ? []
      : [{ title: 'Renewal point', at: renews, swatch: 'renew' as const, due: !over && now >= renews }]),
    { title: over ? 'Ended' : 'Ends', at: expiresAt, due: over },
  ];
  return headHtml('Access token', left) + bar + marksHtml(marks, now);
}

const WARNINGS: readonly { readonly days: number; readonly kind: Zone['kind'] }[] = [
  { days: 30, kind: 'warn30' },
  { days: 7, kind: 'warn7' },
  { days: 1, kind: 'warn1' },
];

/** The refresh token's year, with its warnings. What nobody knows about its end is drawn and said. */
export function refreshBar(refresh: TokenFacts | null, horizon: Horizon | null, now: number): string {
  if (refresh === null) return headHtml('Refresh token', 'None');
  if (horizon === null) return headHtml('Refresh token', 'No longer accepted');
  const { startsAt, endsAt, latestAt, warnings } = horizon;
  const sure = latestAt === endsAt;
  const left =
    now >= latestAt
      ? `ran out ${durationInWords(now - latestAt)} ago`
      : now >= endsAt
        ? 'may end at any time'
        : `${sure ? '' : 'at least '}${durationInWords(endsAt - now)} left`;
  const shown = WARNINGS.flatMap(({ days, kind }) => {
    const warning = warnings.find((one) => one.days === days);
    return warning ? [{ ...warning, kind }] : [];
  });
  const label = [
    `Refresh token: ${left}.`,
    `Its time began ${instant(startsAt)} and ${sure ? 'ends' : 'may end'} ${instant(endsAt)}${sure ? '' : `, at the latest ${instant(latestAt)}`}.`,
    `Warnings ${shown.map(({ days }) => days).join(', ')} ${shown.length > 0 ? 'days before' : ''}.`,
    `Now it is ${instant(now)}.`,
  ].join(' ');
  const bar = barHtml({
    id: 'refresh',
    label,
    startsAt,
    endsAt: latestAt,
    now,
    zones: [
      { from: startsAt, to: endsAt, kind: 'left' },
      ...shown.map(({ at, kind }) => ({ from: at, to: endsAt, kind })),
      ...(sure ? [] : [{ from: endsAt, to: latestAt, kind: 'maybe' as const }]),
      { from: startsAt, to: now, kind: 'gone' },
    ],
    lines: [],
  });
  const marks: Mark[] = [
    ...(startsAt === refresh.issuedAt ? [] : [{ title: 'Signed in', at: startsAt }]),
    { title: 'Issued', at: refresh.issuedAt },
    ...shown.map(({ days, at, kind }) => ({
      title: `Warning, ${days} day${days === 1 ? '' : 's'} before`,
      at,
      swatch: kind,
      due: now >= at,
    })),
    { title: sure ? 'Ends' : 'May end', at: endsAt, due: now >= endsAt },
    ...(sure ? [] : [{ title: 'Ends at the latest', at: latestAt, swatch: 'maybe' as const }]),
  ];
  const why = sure
    ? ''
    : '<p class="soft">HighQ does not say whether a renewal starts the year anew, so warnings count from the sign-in.</p>';
  return headHtml('Refresh token', left) + bar + marksHtml(marks, now) + why;
}
