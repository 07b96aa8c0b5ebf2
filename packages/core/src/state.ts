import { idleDueAt, leftMs, type RefreshYear, thresholds } from './expiry.ts';
import { uncertain } from './machine.ts';
import { deathOf } from './machine-parts.ts';
import type { GrantRecord, StoredToken } from './record.ts';
import type { ConnectionState, ConnectionStatus, TokenFacts } from './status.ts';

export interface DerivedState {
  readonly state: ConnectionState;
  readonly reason?: NonNullable<ConnectionStatus['reason']>;
}

/** Derives a connection's state at `now` (store's clock, epoch ms). Nothing stores a state that time alone can change. */
export function stateOf(
  record: GrantRecord | null,
  now: number,
  options: { readonly refreshYear?: RefreshYear; readonly jitter?: number } = {},
): DerivedState {
  if (!record) return { state: 'disconnected' };
  if (record.tokens === null) {
    if (record.pending && record.pending.until > now) return { state: 'pending' };
    return record.disconnectedAt === null
      ? { state: 'disconnected' }
      : { state: 'disconnected', reason: 'tombstone' };
  }
  const { refresh, access, dead } = record;
  const year = options.refreshYear ?? 'unknown';
  const death = deathOf(record, year, now);
  if (dead && death) return { state: 'reauth_required', reason: death };
  const left = access ? leftMs(access, now) : 0;
  if (left <= 0 && death) return { state: 'reauth_required', reason: death };
  if (left <= 0 && !refresh) return { state: 'reauth_required', reason: 'refresh_token_expired' };
  if (record.quarantine?.generation === record.generation)
    return { state: 'uncertain', reason: 'quarantine' };
  const intentLapsed = record.intent !== null && record.intent.leaseUntil <= now;
  if (record.unknown !== null || (intentLapsed && uncertain(record))) {
    return { state: 'uncertain', reason: 'outcome_unknown' };
  }
  if (left <= 0 || !access) return { state: 'expired' };
  return { state: left <= thresholds(access.lifeMs, options.jitter).shouldMs ? 'expiring' : 'active' };
}

/** A record as `ConnectionStatus`: fingerprints only. */
export function statusOf(
  record: GrantRecord | null,
  now: number,
  about: {
    readonly connectionId: string;
    readonly instanceUrl: string;
    readonly refreshYear: RefreshYear;
    readonly jitter: number;
  },
): ConnectionStatus {
  const { connectionId, instanceUrl, jitter } = about;
  const derived = stateOf(record, now, about);
  const renewed = record?.history.findLast(({ event }) => event === 'refreshed' || event === 'probed');
  const pending = record?.pending && record.pending.until > now ? record.pending : null;
  return {
    connectionId,
    instanceUrl,
    ...derived,
    ...(record?.userEmail ? { userEmail: record.userEmail } : {}),
    ...(pending ? { pending: { id: pending.id, userEmail: pending.userEmail, until: pending.until } } : {}),
    authorizedAt: record?.authorizedAt ?? null,
    generation: record?.generation ?? 0,
    access: factsOf(record?.access ?? null),
    refresh: factsOf(record?.refresh ?? null),
    nextRefreshAt: record ? nextRefreshAt(record, derived.state, jitter) : null,
    lastRefresh: renewed ? { at: renewed.at, generation: renewed.generation } : null,
    lastError: record?.lastError ?? null,
  };
}

function factsOf(token: StoredToken | null): TokenFacts | null {
  if (!token) return null;
  const { issuedAt, lifeMs, fingerprint } = token;
  return { issuedAt, expiresAt: issuedAt + lifeMs, fingerprint };
}

function nextRefreshAt(record: GrantRecord, state: ConnectionState, jitter: number): number | null {
  if (state === 'disconnected' || state === 'pending' || state === 'reauth_required') return null;
  const { access, refresh } = record;
  if (!refresh) return null;
  if (!access) return idleDueAt(refresh, jitter);
  return Math.ceil(access.issuedAt + access.lifeMs - thresholds(access.lifeMs, jitter).shouldMs);
}
