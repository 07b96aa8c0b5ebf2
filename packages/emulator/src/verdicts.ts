import { createHash } from 'node:crypto';
import type { Verdict } from './ledger.ts';
import type { Registration, User } from './seed.ts';
import type { AccessRecord, CodeRecord, GrantRecord, RefreshRecord } from './state.ts';
import type { TokenWorld } from './tokens.ts';

function verifierFits(challenge: CodeRecord['challenge'], verifier: string | null): boolean {
  if (!challenge) return true;
  if (verifier === null) return false;
  if (challenge.method === 'plain') return verifier === challenge.value;
  return createHash('sha256').update(verifier).digest('base64url') === challenge.value;
}

/** The refresh token that was given for `record` last. */
export function newestSuccessor(world: TokenWorld, record: RefreshRecord): RefreshRecord | undefined {
  const token = record.successors.at(-1);
  return token === undefined ? undefined : world.data.refresh.get(token);
}

function inGrace(world: TokenWorld, record: RefreshRecord, replacedAt: number, now: number): boolean {
  const { reuse, grace, graceMs } = world.switches;
  if (reuse !== 'grace' || now >= replacedAt + graceMs) return false;
  if (grace !== 'same') return true;
  // The same pair can be given again only while it is still the pair to use.
  const successor = newestSuccessor(world, record);
  return successor !== undefined && successor.replacedAt === null && successor.endedAt === null;
}

/** What becomes of a code; `undefined`: there is none. */
export function judgeCode(
  world: TokenWorld,
  record: CodeRecord | undefined,
  registration: Registration,
  verifier: string | null,
): Verdict {
  if (!record) return 'unknown';
  if (record.clientId !== registration.clientId) return 'wrong-client';
  if (record.used) return 'reused';
  if (world.clock.now() >= record.expiresAt) return 'expired';
  if (world.data.users.get(record.user)?.disabled !== false) return 'disabled';
  if (world.switches.pkce === 'enforced' && !verifierFits(record.challenge, verifier))
    return 'wrong-verifier';
  return 'ok';
}

/** What becomes of a refresh token. That it was replaced is told before that its grant was revoked. */
export function judgeRefresh(
  world: TokenWorld,
  record: RefreshRecord | undefined,
  grant: GrantRecord | undefined,
  registration: Registration,
): Verdict {
  if (!record || !grant) return 'unknown';
  if (grant.clientId !== registration.clientId) return 'wrong-client';
  const now = world.clock.now();
  const graced = record.replacedAt !== null && inGrace(world, record, record.replacedAt, now);
  if (record.replacedAt !== null && !graced) return 'reused';
  if (grant.revokedAt !== null) return 'revoked';
  if (record.endedAt !== null) return 'ended';
  if (now >= record.expiresAt) return 'expired';
  if (world.data.users.get(grant.user)?.disabled !== false) return 'disabled';
  return graced ? 'grace' : 'ok';
}

/** What becomes of an access token. That it expired is told before anything else. */
export function judgeAccess(
  world: TokenWorld,
  record: AccessRecord | undefined,
  grant: GrantRecord | undefined,
  user: User | null,
): Verdict {
  if (!record || !grant || !user) return 'unknown';
  if (world.clock.now() >= record.expiresAt) return 'expired';
  if (grant.revokedAt !== null) return 'revoked';
  if (record.endedAt !== null) return 'ended';
  if (user.disabled) return 'disabled';
  return 'ok';
}
