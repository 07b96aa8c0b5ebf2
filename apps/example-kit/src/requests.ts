/** For each page of the examples: nothing foreign runs or is loaded, nobody frames it, no cache keeps it. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

/** A path of this program, whatever was asked for. */
export function pathIn(value: unknown): string {
  const here = 'http://here.invalid';
  if (typeof value !== 'string' || !value.startsWith('/') || !URL.canParse(value, here)) return '/';
  const url = new URL(value, here);
  return url.origin === here && !url.pathname.startsWith('//') ? url.pathname + url.search : '/';
}

/** Whether a form was sent from a page of this program. Browsers say so, and a page elsewhere cannot. */
export function sentFromHere(
  { 'sec-fetch-site': site, origin }: Readonly<Record<string, string | readonly string[] | undefined>>,
  publicUrl: string,
): boolean {
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  return origin === publicUrl;
}

/** The row that a page of a sheet begins with. */
export function offsetIn(value: unknown): number {
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : 0;
}
