import type { Found } from './grant-repository.ts';
import type { GrantRecord } from './record.ts';

/** What of a journal's entries has a place beside, or above, what the store has. Pure. */

export const SIGN_INS: ReadonlySet<string> = new Set(['authorized', 'imported', 'confirmed']);

export interface Place {
  readonly epoch: number;
  readonly generation: number;
}

/** What the store has. `authorizationId`: whose sign-in stands there. */
export interface Above extends Place {
  readonly authorizationId?: string | null;
  /** How far the sign-ins have come that stand there, or beside. */
  readonly reached?: readonly {
    readonly authorizationId: string | null;
    readonly generation: number;
    readonly fingerprint: string | undefined;
    /** When its pair was asked for, store's clock. */
    readonly issuedAt: number;
  }[];
  /** As in the record. */
  readonly rejectedIds?: readonly string[];
  readonly gaveWay?: GrantRecord['gaveWay'];
  readonly leftAt?: number | null;
}

/** Of two sign-ins that are known. */
export function areTwo(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && one !== other;
}

export function standingOf(record: GrantRecord): Above {
  const { epoch, generation, authorizationId, refresh, sibling, rejectedIds, gaveWay, leftAt } = record;
  const issuedAt = refresh?.issuedAt ?? 0;
  const reached = [{ authorizationId, generation, fingerprint: refresh?.fingerprint, issuedAt }];
  if (sibling?.authorizationId) {
    const { authorizationId: other, generation: theirs, refresh } = sibling;
    const { fingerprint, issuedAt } = refresh;
    reached.push({ authorizationId: other, generation: theirs, fingerprint, issuedAt });
  }
  return { epoch, generation, authorizationId, reached, rejectedIds, gaveWay, leftAt };
}

/** Somebody has left after that, and who wrote this record did not know of it. */
export function hasLeftSince(
  record: Pick<GrantRecord, 'leftAt' | 'history'>,
  begunAt: number | null | undefined,
  { leftAt: left = null }: Above,
): boolean {
  const isKnown =
    record.leftAt === left || record.history.some(({ event, at }) => event === 'disconnected' && at === left);
  return left !== null && !isKnown && (begunAt ?? Number.POSITIVE_INFINITY) <= left;
}

/** The same of a sign-in under way. `begun`: the row as it was before anything was sent. */
export function hasLeftMeanwhile(
  now: GrantRecord,
  begun: { readonly record: GrantRecord; readonly at: number; readonly epochBefore: number },
): boolean {
  if (now.disconnectedAt !== null) return now.epoch > begun.epochBefore;
  const { leftAt } = now;
  return leftAt !== null && leftAt !== begun.record.leftAt && leftAt >= Math.floor(begun.at);
}

/** Only who leaves from here on undoes a sign-in: a tombstone that a repair writes again tells of an earlier time. */
export function newestBefore({ snapshot, time }: Pick<Found, 'snapshot' | 'time'>): number {
  // One of this very millisecond is later.
  return Math.max(snapshot?.record.epoch ?? 0, Math.floor(time.store) - 1);
}

/** Its person left while its code was on the way (T8). */
function wasLeft(record: GrantRecord, above: Above): boolean {
  const { access, refresh, authorizedAt, generation, history } = record;
  // An import sends nothing, and its tokens may be older than itself.
  const by = history.findLast(({ event }) => SIGN_INS.has(event))?.event;
  const begunAt = (by === 'authorized' ? (access ?? refresh)?.issuedAt : null) ?? authorizedAt;
  return generation === 1 && hasLeftSince(record, begunAt, above);
}

/** Of the sign-in that stands, and written before that took the place of one that it had crossed. */
export function hasMoved(record: GrantRecord, { epoch, generation }: Place, above: Above): boolean {
  if (!above.authorizationId || epoch >= above.epoch || generation < above.generation) return false;
  return record.authorizationId === above.authorizationId;
}

/**
 * Below the sign-in that stands, or of the same millisecond: the next pair of the one beside it, or of one that gave way to it; or a sign-in that no store
 * took, as long as the one that stands has not proved itself by rotating.
 */
export function mayHaveCrossed({ authorizationId, epoch, generation }: GrantRecord, above: Above): boolean {
  const [own, other] = above.reached ?? [];
  if (!own?.authorizationId || !authorizationId || authorizationId === own.authorizationId) return false;
  if (epoch > above.epoch) return false;
  if (other) return authorizationId === other.authorizationId && generation > other.generation;
  const gaveWay = above.gaveWay ?? [];
  const itself = gaveWay.find((before) => before.authorizationId === authorizationId);
  if (itself) return generation > itself.generation;
  return generation === 1 && (own.generation === 1 || gaveWay.length > 0);
}

/** It had its turn, this pair or a later one of it, and was refused. */
export function hasGivenWay(
  { gaveWay = [] }: Pick<Above, 'gaveWay'>,
  { authorizationId, generation }: Pick<GrantRecord, 'authorizationId' | 'generation'>,
): boolean {
  return gaveWay.some((other) => other.authorizationId === authorizationId && other.generation >= generation);
}

/** The sign-in stands there, or beside, or was refused and has given its place to another. */
export function hasBeen(record: GrantRecord, authorizationId: string): boolean {
  const stands = record.authorizationId === authorizationId;
  const isBeside = record.sibling?.authorizationId === authorizationId;
  return stands || isBeside || hasGivenWay(record, { authorizationId, generation: 1 });
}

/**
 * Written down by a sign-in under a place of its own, while the store had taken that under another, or its person had rejected
 * it, or left: what was made of it since must not be undone. Or the one beside which it was to stand has been renewed since.
 */
export function isPassed(record: GrantRecord, above: Above): boolean {
  const { authorizationId, authorizedAt, generation, refresh, sibling } = record;
  if (authorizationId === null) return false;
  if (above.rejectedIds?.includes(authorizationId)) return true;
  if (hasGivenWay(above, record) || wasLeft(record, above)) return true;
  const [own] = above.reached ?? [];
  const proved =
    own && sibling?.authorizationId === own.authorizationId && sibling.generation < own.generation;
  if (proved && own.authorizationId !== null && own.issuedAt > (authorizedAt ?? 0)) return true;
  return (above.reached ?? []).some(
    (reached) =>
      reached.authorizationId === authorizationId &&
      (generation < reached.generation ||
        (generation === reached.generation && refresh?.fingerprint === reached.fingerprint)),
  );
}
