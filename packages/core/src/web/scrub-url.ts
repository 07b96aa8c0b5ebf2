const SECRET_PARAMETERS = /([?&](?:code|state|access_token|refresh_token)(?:\[[^\]=&#]*\])?=)[^&#\s]*/gi;

/**
 * An address fit for an access log: the values of `code` and its like are left out. A code is good for 30 minutes, and
 * the callback's address holds one (F98).
 * @example morgan.token('url', (req) => scrubUrl(req.url))
 */
export function scrubUrl(url: string): string {
  return url.replace(SECRET_PARAMETERS, '$1[redacted]');
}
