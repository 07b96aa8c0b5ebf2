import * as v from 'valibot';

/** Every name that an option may have, per group, to catch a misspelt one. */
export const KNOWN_OPTIONS = {
  '': [
    'instanceUrl',
    'clientId',
    'clientSecret',
    'redirectUri',
    'accessTokenLifetimeMs',
    'store',
    'encryption',
    'journal',
    'canary',
    'refresh',
    'http',
    'clock',
    'random',
    'logger',
    'provider',
  ],
  encryption: ['keys'],
  refresh: ['waitMs', 'revalidateMs', 'idleRereadMs', 'background', 'timeScale'],
  http: ['proxy', 'ca', 'connectTimeoutMs'],
  provider: ['allowLoopback', 'tokenFormat', 'refusals', 'refreshYear'],
} as const;

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** What HighQ's registration form accepts: 30 minutes to one month, of which the longest has 31 days. */
export const LIFETIME_MS = { min: 30 * MINUTE, max: 31 * DAY } as const;

/** Messages of our own throughout: valibot's would repeat the value, and a value may be a secret in the wrong place. */
const between = (min: number, max: number, text: string) =>
  v.pipe(v.number(text), v.finite(text), v.minValue(min, text), v.maxValue(max, text));

const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `must be one of ${values.map((value) => `'${value}'`).join(', ')}`);

const wait = between(0, DAY, 'must be a number of milliseconds, 0 to 86400000 (1 day)');

export const schemas = {
  accessTokenLifetimeMs: between(
    LIFETIME_MS.min,
    LIFETIME_MS.max,
    `must be the token expiration time of the registration in milliseconds, ${LIFETIME_MS.min} (30 minutes) to ` +
      `${LIFETIME_MS.max} (31 days); leave it out if you do not know it`,
  ),
  wait,
  connectTimeoutMs: between(1, MINUTE, 'must be a number of milliseconds, 1 to 60000 (1 minute)'),
  timeScale: between(0.001, 10, 'must be a number, 0.001 to 10'),
  background: v.union(
    [v.picklist(['detached', 'await']), v.function()],
    "must be 'detached', 'await' or a function that takes a promise (a platform's waitUntil)",
  ),
  boolean: v.boolean('must be true or false'),
  tokenFormat: oneOf(['xml', 'json', 'any']),
  refusals: v.array(
    oneOf(['xml-403', '401', 'error-200']),
    "must be a list of 'xml-403', '401', 'error-200'",
  ),
  refreshYear: oneOf(['unknown', 'sliding', 'absolute']),
} as const;

/** The known name that a misspelt one is nearest to, if it is near enough to be meant. */
export function nearestName(name: string, known: readonly string[]): string | null {
  const wanted = name.toLowerCase().replace(/[-_]/g, '').slice(0, 40);
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let line = 1; line <= a.length; line += 1) {
    const above = row;
    row = [line];
    for (let column = 1; column <= b.length; column += 1) {
      const change = (above[column - 1] ?? 0) + (a[line - 1] === b[column - 1] ? 0 : 1);
      row.push(Math.min(change, (above[column] ?? 0) + 1, (row[column - 1] ?? 0) + 1));
    }
  }
  return row[b.length] ?? 0;
}
