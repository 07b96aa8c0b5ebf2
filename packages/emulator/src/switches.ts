import { isObject, RefusedError, refuseUnknownMembers } from './refusal.ts';

/** What nobody outside the provider knows, and the positions it can take. The first position is the default. */
export const SWITCH_POSITIONS = {
  /** Does an access token outlive the refresh that replaces it? */
  previousAccessToken: ['survives', 'ends'],
  /** A refresh token that was replaced is presented again. */
  reuse: ['refused', 'family-revoked', 'grace'],
  /** With `reuse: 'grace'`: the same successor again, a second one beside it, or a second one that ends the first. */
  grace: ['same', 'fork', 'replace'],
  /** Does the refresh token's year start anew with each refresh, or run from the authorization? */
  refreshYear: ['sliding', 'absolute'],
  /** How many grants may a user hold for one registration? */
  grants: ['many', 'newest'],
  /** What the token endpoint answers to a refresh token or code that it does not take. */
  refusal: ['json-400', 'xml-400', '401', 'xml-403', 'error-200'],
  /** Does `state` come back on the callback? */
  state: ['dropped', 'echoed'],
  pkce: ['ignored', 'enforced'],
  /** How a redirect URI is compared with the registered one, where one is registered. */
  redirectUri: ['exact', 'prefix', 'any'],
  /** By `Accept` with XML or JSON when it asks for neither, or one format always. */
  tokenFormat: ['accept-xml', 'accept-json', 'xml', 'json'],
  expiresIn: ['number', 'string', 'missing'],
  refreshExpiresIn: ['missing', 'number', 'string'],
  /** What an API call with a dead token is answered. */
  expiredAnswer: ['xml-403', 'json-403', 'html-403', '401'],
} as const;

type Positions = typeof SWITCH_POSITIONS;

export type Switches = { [Name in keyof Positions]: Positions[Name][number] } & {
  /** With `reuse: 'grace'`: for how long after its replacement a refresh token is still taken, in ms. */
  graceMs: number;
};

export const DEFAULT_SWITCHES: Switches = {
  previousAccessToken: 'survives',
  reuse: 'refused',
  grace: 'same',
  graceMs: 60_000,
  refreshYear: 'sliding',
  grants: 'many',
  refusal: 'json-400',
  state: 'dropped',
  pkce: 'ignored',
  redirectUri: 'exact',
  tokenFormat: 'accept-xml',
  expiresIn: 'number',
  refreshExpiresIn: 'missing',
  expiredAnswer: 'xml-403',
};

export const SWITCH_NAMES: readonly string[] = [...Object.keys(SWITCH_POSITIONS), 'graceMs'];

/** Puts the members of `patch` over `current`. Throws {@link RefusedError}, listing what is allowed. */
export function mergeSwitches(current: Switches, patch: unknown): Switches {
  if (!isObject(patch)) throw new RefusedError('switches: an object is expected');
  refuseUnknownMembers(patch, SWITCH_NAMES, 'switches');
  const positions: Readonly<Record<string, readonly unknown[]>> = SWITCH_POSITIONS;
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (name === 'graceMs') {
      if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
        throw new RefusedError('switches: graceMs takes milliseconds from 0');
      }
    } else if (!positions[name]?.includes(value)) {
      throw new RefusedError(`switches: ${name} takes ${positions[name]?.join(', ')}`);
    }
  }
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
  return { ...current, ...given };
}
