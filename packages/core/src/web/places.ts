import type { Visit } from './visit.ts';

export function hostOf(instanceUrl: string): string {
  return new URL(instanceUrl).host;
}

/**
 * Where the connect form may lead. Browsers hold redirects after a form to this list as well, and an instance sends
 * people on to the firm's own identity provider: so any https origin, not the instance's alone.
 */
export function formTargetsOf(instanceUrl: string): string {
  const { protocol, origin } = new URL(instanceUrl);
  return protocol === 'https:' ? 'https:' : origin;
}

export function publicOriginOf({ inside }: Pick<Visit, 'inside'>): string | null {
  return inside.redirectUri === undefined ? null : new URL(inside.redirectUri).origin;
}
