const SHORTEST_MS = 1_000;
const LONGEST_MS = 3_600_000;
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * `Retry-After` in milliseconds from now, held between a second and an hour; `null` where it says nothing. A date is
 * compared with the answer's own `Date`, so that the two machines' clocks need not agree; without one with `now`.
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
 */
export function retryAfterMs(
  headers: { readonly retryAfter: string | null; readonly date: string | null },
  now: number,
): number | null {
  const text = headers.retryAfter?.trim() ?? '';
  if (/^-?\d+$/.test(text)) return clamp(Number(text) * 1000);
  const at = readHttpDate(text);
  if (at === null) return null;
  return clamp(at - (readHttpDate(headers.date?.trim() ?? '') ?? now));
}

function readHttpDate(text: string): number | null {
  const at = HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

function clamp(ms: number): number {
  return Math.min(Math.max(ms, SHORTEST_MS), LONGEST_MS);
}
