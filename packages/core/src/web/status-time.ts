import { escapeHtml } from './html.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** The last instant that a date can show. */
const LAST_INSTANT = 8.64e15;

/** A duration in words: its two largest units, or the largest alone where the rest would say nothing. */
export function durationInWords(ms: number): string {
  const left = Math.max(0, ms);
  if (left >= 14 * DAY) return count(left, DAY, 'day');
  if (left >= DAY) return two(count(left, DAY, 'day'), left % DAY, HOUR, 'hour');
  if (left >= HOUR) return two(count(left, HOUR, 'hour'), left % HOUR, MINUTE, 'minute');
  if (left >= 10 * MINUTE) return count(left, MINUTE, 'minute');
  if (left >= MINUTE) return two(count(left, MINUTE, 'minute'), left % MINUTE, SECOND, 'second');
  return count(left, SECOND, 'second');
}

function two(first: string, rest: number, size: number, unit: string): string {
  return rest < size ? first : `${first} ${count(rest, size, unit)}`;
}

function count(ms: number, size: number, unit: string): string {
  const whole = Math.floor(ms / size);
  return `${whole} ${unit}${whole === 1 ? '' : 's'}`;
}

/** `in 4 hours 12 minutes`, `3 days ago`, `now`. */
export function relative(at: number, now: number): string {
  const ms = at - now;
  if (Math.abs(ms) < SECOND) return 'now';
  return ms > 0 ? `in ${durationInWords(ms)}` : `${durationInWords(-ms)} ago`;
}

/** `25 Nov 2026, 14:03 UTC`; with seconds where they matter. */
export function instant(at: number, options: { readonly seconds?: boolean } = {}): string {
  if (!isInstant(at)) return 'an unknown time';
  const date = new Date(at);
  const time = date.toISOString().slice(11, options.seconds ? 19 : 16);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}, ${time} UTC`;
}

/** As HTML: a `<time>` that says it in UTC, and how far away that is. */
export function timeHtml(
  at: number,
  now: number,
  options: { readonly seconds?: boolean; readonly away?: boolean } = {},
): string {
  if (!isInstant(at)) return instant(at);
  const iso = new Date(at).toISOString();
  const away = options.away === false ? '' : ` <span class="away">${escapeHtml(relative(at, now))}</span>`;
  return `<time datetime="${iso}">${instant(at, options)}</time>${away}`;
}

function isInstant(at: number): boolean {
  return Number.isFinite(at) && Math.abs(at) <= LAST_INSTANT;
}
