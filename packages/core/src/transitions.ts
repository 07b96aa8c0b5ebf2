import { idleDueAt } from './expiry.ts';
import type { GrantRecord, Intent, RecordTokens, StoredToken, TokenPair } from './record.ts';
import type { DeathReason, HistoryEntry } from './status.ts';

/**
 * How a record changes: pure, and each from the record that stands in the store, so that members which a change is
 * not about (`pending`, `guessAt`, history, members of later versions) are carried over.
 */

export const HISTORY_LENGTH = 20;
const ATTEMPTS_LENGTH = 8;
const GAVE_WAY_LENGTH = 8;
export const REJECTED_LENGTH = 8;
/** What the history says of a sign-in that takes the place of one that it crossed. */
export const TAKES_PLACE = 'takes the place of one that it crossed';
export function withHistory(record: GrantRecord, entry: HistoryEntry): readonly HistoryEntry[] {
  return [...record.history, entry].slice(-HISTORY_LENGTH);
}

/** A new pair, ready to be written: facts in the open, tokens in hand. */
export interface NewPair {
  readonly pair: TokenPair;
  readonly access: StoredToken | null;
  readonly refresh: StoredToken | null;
  readonly userEmail: string | null;
}

export function withIntent(record: GrantRecord, intent: Intent, unknown = record.unknown): GrantRecord {
  return { ...record, intent, unknown };
}

export function withoutIntent(record: GrantRecord): GrantRecord {
  return { ...record, intent: null };
}

/** The next generation. Also revives a record that was marked dead meanwhile: this pair proves it alive. */
export function rotated(
  record: GrantRecord,
  next: NewPair,
  by: {
    readonly attemptId: string;
    readonly kind: 'refresh' | 'probe' | 'sibling';
    readonly contested: boolean;
    readonly at: number;
    readonly jitter: number;
  },
): GrantRecord {
  const generation = record.generation + 1;
  return {
    ...record,
    generation,
    tokens: next.pair,
    access: next.access,
    refresh: next.refresh,
    userEmail: next.userEmail ?? record.userEmail,
    dead: null,
    intent: null,
    unknown: null,
    refused: null,
    quarantine: null,
    sibling: null,
    lastError: null,
    lastAttemptId: by.attemptId,
    attemptIds: [...record.attemptIds, by.attemptId].slice(-ATTEMPTS_LENGTH),
    gaveWay: [],
    contested: by.contested,
    nextDueAt: next.refresh ? idleDueAt(next.refresh, by.jitter) : null,
    history: withHistory(record, {
      at: by.at,
      event: by.kind === 'probe' ? 'probed' : 'refreshed',
      generation,
    }),
  };
}

/** A new grant: by sign-in, by import, or a pending one that its person confirmed. Starts a new epoch. */
export function authorized(
  record: GrantRecord,
  next: NewPair,
  by: {
    readonly event: 'authorized' | 'imported' | 'confirmed';
    readonly authorizationId: string;
    readonly at: number;
    readonly jitter: number;
    readonly detail?: string;
  },
): GrantRecord {
  const detail = by.detail === undefined ? {} : { detail: by.detail };
  return {
    ...withoutWaiting(record),
    epoch: nextEpoch(record, by.at),
    generation: 1,
    authorizedAt: by.at,
    tokens: next.pair,
    access: next.access,
    refresh: next.refresh,
    userEmail: next.userEmail,
    disconnectedAt: null,
    dead: null,
    intent: null,
    unknown: null,
    refused: null,
    quarantine: null,
    sibling: null,
    lastError: null,
    guessAt: null,
    guessedGeneration: null,
    lastAttemptId: null,
    attemptIds: [],
    authorizationId: by.authorizationId,
    contested: false,
    nextDueAt: next.refresh ? idleDueAt(next.refresh, by.jitter) : null,
    history: withHistory(record, { at: by.at, event: by.event, generation: 1, ...detail }),
  };
}

/** Two grants never share an epoch, also after a store fell back to an older state (T6). */
export function nextEpoch(record: GrantRecord, storeNow: number): number {
  return Math.max(record.epoch + 1, Math.floor(storeNow));
}

export function withPending(
  record: GrantRecord,
  next: NewPair,
  by: { readonly id: string; readonly epoch: number; readonly until: number; readonly begunAt: number },
): GrantRecord {
  const tokens: RecordTokens = next.pair;
  const { access, refresh, userEmail } = next;
  return { ...withoutWaiting(record), pending: { ...by, tokens, access, refresh, userEmail } };
}

export function withoutPending(record: GrantRecord, at: number): GrantRecord {
  const history = withHistory(record, { at, event: 'rejected', generation: record.generation });
  const { pending, rejectedIds } = record;
  const ids = pending ? [...rejectedIds, pending.id].slice(-REJECTED_LENGTH) : rejectedIds;
  return { ...withoutWaiting(record), rejectedIds: ids, history };
}

function withoutWaiting(record: GrantRecord): GrantRecord {
  return { ...record, pending: null, pendingOver: Math.max(record.pendingOver, record.pending?.epoch ?? 0) };
}

/** Never a deletion: a process that still knows the old grant must not take the gap for a store that forgot (T15). */
export function tombstone(record: GrantRecord, at: number): GrantRecord {
  return {
    ...withoutWaiting(record),
    epoch: nextEpoch(record, at),
    generation: 0,
    authorizedAt: null,
    tokens: null,
    access: null,
    refresh: null,
    userEmail: null,
    disconnectedAt: at,
    leftAt: at,
    dead: null,
    intent: null,
    unknown: null,
    refused: null,
    quarantine: null,
    sibling: null,
    lastError: null,
    guessAt: null,
    guessedGeneration: null,
    lastAttemptId: null,
    attemptIds: [],
    authorizationId: null,
    gaveWay: [],
    contested: false,
    nextDueAt: null,
    history: withHistory(record, { at, event: 'disconnected', generation: record.generation }),
  };
}

/** The grant has ended. The tokens stay, sealed: a late success still revives it. */
export function died(record: GrantRecord, reason: DeathReason, at: number): GrantRecord {
  return {
    ...record,
    dead: { reason, at },
    intent: null,
    nextDueAt: null,
    history: withHistory(record, { at, event: 'died', generation: record.generation, detail: reason }),
  };
}

export function quarantined(
  record: GrantRecord,
  quarantine: NonNullable<GrantRecord['quarantine']>,
): GrantRecord {
  const { at, problem } = quarantine;
  return {
    ...record,
    // What is in there may live, whatever was concluded without it.
    dead: null,
    intent: null,
    quarantine,
    lastError: {
      at,
      code: 'quarantine',
      message: `The token endpoint's answer could not be read: ${problem}.`,
    },
    history: withHistory(record, { at, event: 'uncertain', generation: record.generation, detail: problem }),
  };
}

/** A journal holds an answer to this generation that could not be read, and the store does not. */
export function withAnswer(
  record: GrantRecord,
  quarantine: NonNullable<GrantRecord['quarantine']>,
  at: number,
): GrantRecord {
  const detail = 'an unreadable answer, from a journal';
  return {
    ...record,
    dead: null,
    quarantine,
    history: withHistory(record, { at, event: 'repaired', generation: record.generation, detail }),
  };
}

/**
 * The two pairs of one parent, or of two sign-ins that crossed, change places, under a generation or an epoch of its own: what
 * is presented next is never unclear.
 */
export function swapped(
  record: GrantRecord,
  other: NewPair,
  by: { readonly pair: TokenPair; readonly attemptId: string; readonly at: number },
): GrantRecord {
  const { access, refresh, authorizationId, unknown, attemptIds, sibling } = record;
  const crossed = sibling?.authorizationId ? sibling : null;
  const generation = crossed ? crossed.generation : record.generation + 1;
  // What is not known of this one's refreshes goes with it.
  const mine = refresh && { tokens: by.pair, access, refresh, generation, unknown };
  const detail = `the second pair of ${crossed ? 'two sign-ins' : 'the same answer'} is tried next`;
  return {
    ...record,
    // An answer that is kept belongs to the other epoch, and could never be opened in this one.
    ...(crossed ? { ...placeOf(record, crossed), quarantine: null } : { generation }),
    tokens: other.pair,
    access: other.access,
    refresh: other.refresh,
    sibling: mine && crossed ? { ...mine, generation: record.generation, authorizationId } : mine,
    lastAttemptId: by.attemptId,
    attemptIds: [...(crossed ? [] : attemptIds), by.attemptId].slice(-ATTEMPTS_LENGTH),
    history: withHistory(record, { at: by.at, event: 'repaired', generation, detail }),
  };
}

/**
 * Where the pair of a crossed sign-in stands when it takes the other one's place. No sign-in of now: who has left since stays
 * away, though the store may have forgotten it (T8). It goes on counting its own generations: a journal may hold the next.
 */
export function placeOf(
  { epoch }: GrantRecord,
  { generation, authorizationId = null, unknown = null }: NonNullable<GrantRecord['sibling']>,
): Pick<GrantRecord, 'epoch' | 'generation' | 'authorizationId' | 'unknown'> {
  return { epoch: epoch + 1, generation, authorizationId, unknown };
}

/** The sign-in that stands has had its turn; what was written down of it and never presented has not. */
export function givenWay({
  gaveWay: others,
  authorizationId,
  generation,
}: GrantRecord): GrantRecord['gaveWay'] {
  const rest = others.filter((other) => other.authorizationId !== authorizationId);
  return authorizationId === null ? rest : [...rest, { authorizationId, generation }].slice(-GAVE_WAY_LENGTH);
}

/** Counts the lapsed intent of a record in; an announcement sends nothing and does not count. */
export function unknownOf({ unknown, intent }: GrantRecord): NonNullable<GrantRecord['unknown']> {
  if (intent && intent.kind !== 'announce') {
    const count = (unknown?.count ?? 0) + 1;
    return { count, since: unknown?.since ?? intent.firstAt, lastAt: intent.leaseUntil };
  }
  return unknown ?? { count: 1, since: intent?.firstAt ?? 0, lastAt: intent?.leaseUntil ?? 0 };
}

/** True when a refresh of this generation may have been sent and nobody knows what came of it. */
export function uncertain(record: GrantRecord): boolean {
  return record.intent !== null || record.unknown !== null;
}

/**
 * Two sign-ins of one person crossed, and a provider that keeps one grant has ended one of them: nobody knows which. The one
 * that does not stand waits beside the other, with whatever is under way for it.
 */
export function beside(record: GrantRecord, other: GrantRecord, pair: TokenPair | null): GrantRecord {
  const { refresh, access, authorizationId, generation, userEmail } = other;
  const isSame = (userEmail ?? '') === (record.userEmail ?? '');
  // It is spent, and the answer that says by what has no place beside a grant.
  if (other.quarantine?.generation === generation) return record;
  if (!pair || !refresh || other.dead || authorizationId === null || !isSame || record.tokens === null)
    return record;
  const unknown = uncertain(other) ? unknownOf(other) : null;
  return {
    ...record,
    sibling: { tokens: pair, access, refresh, generation, authorizationId, unknown },
  };
}

/** A second live pair of the same parent: kept, because whichever of the two lives is not known. */
export function withSibling(record: GrantRecord, next: NewPair, generation: number): GrantRecord {
  if (next.refresh === null) return record;
  const { access, refresh } = next;
  return { ...record, sibling: { tokens: next.pair, access, refresh, generation } };
}

/** A refusal that nobody recognizes; after three of them over an hour the grant is given up. */
export function refusedOnce(
  record: GrantRecord,
  at: number,
  retryMs: number,
  detail: { readonly status: number; readonly error: string | null },
): GrantRecord {
  const count = (record.refused?.count ?? 0) + 1;
  // A pause that was no refusal counts for nothing, in number and in time.
  const since = record.refused?.count ? record.refused.since : at;
  const message = `The token endpoint answered ${detail.status}${detail.error ? ` (${detail.error})` : ''} in a form that is not an OAuth error.`;
  return {
    ...record,
    intent: null,
    refused: { count, since, notBefore: at + retryMs },
    lastError: { at, code: 'refused_unrecognized', message },
    history: withHistory(record, {
      at,
      event: 'refused',
      generation: record.generation,
      detail: `${detail.status}${detail.error ? ` ${detail.error}` : ''}`,
    }),
  };
}

export function repaired(record: GrantRecord, intent: Intent, at: number): GrantRecord {
  const history = withHistory(record, { at, event: 'repaired', generation: record.generation });
  return { ...record, intent, history };
}

/** Whether somebody else than this attempt has presented the record's refresh token, or is about to. */
export function contestedBy(record: GrantRecord, attemptId: string | null): boolean {
  return record.unknown !== null || (record.intent !== null && record.intent.attemptId !== attemptId);
}
