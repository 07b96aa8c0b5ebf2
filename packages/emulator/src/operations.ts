import { RefusedError } from './refusal.ts';
import type { CodeRecord } from './state.ts';
import type { World } from './world.ts';

export interface AuthorizeInput {
  /** Default: the first registration. */
  clientId?: string | undefined;
  /** E-mail address; default: the first user. */
  user?: string | undefined;
  codeChallenge?: string | undefined;
  /** `S256` (default) or `plain`. */
  codeChallengeMethod?: string | undefined;
}

export interface RevokeInput {
  clientId?: string | undefined;
  user?: string | undefined;
  /** `grant` (default): the grant with all its tokens; `access`: only access tokens, before their time. */
  what?: string | undefined;
}

function challengeOf({
  codeChallenge: value,
  codeChallengeMethod: method = 'S256',
}: AuthorizeInput): CodeRecord['challenge'] {
  if (value === undefined) return null;
  if (method !== 'S256' && method !== 'plain')
    throw new RefusedError('codeChallengeMethod takes S256 or plain');
  return { value, method };
}

/** A code as if the user had signed in and allowed it. Throws {@link RefusedError}. */
export function authorize(world: World, input: AuthorizeInput): string {
  const clientId = input.clientId ?? world.registrations.list()[0]?.clientId ?? '';
  const registration = world.registrations.get(clientId);
  if (!registration) throw new RefusedError(`there is no registration ${clientId}`, 404);
  if (registration.status === 'archived') throw new RefusedError(`registration ${clientId} is archived`, 409);
  const email = input.user ?? world.users.list()[0]?.email ?? '';
  const user = world.users.get(email);
  if (!user) throw new RefusedError(`there is no user ${email}`, 404);
  if (user.disabled) throw new RefusedError(`user ${email} is disabled`, 409);
  return world.tokens.issueCode(registration, user, challengeOf(input), null);
}

/** Ends grants or access tokens before their time, and returns how many. Throws {@link RefusedError}. */
export function revoke(world: World, { clientId, user, what = 'grant' }: RevokeInput): number {
  if (what !== 'grant' && what !== 'access') throw new RefusedError('what takes grant or access');
  return world.tokens.revoke({ clientId, user, what });
}
