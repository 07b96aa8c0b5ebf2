import type { JournalledPair } from './flight.ts';
import { areTwo, hasGivenWay, SIGN_INS } from './journal-standing.ts';
import type { GrantRecord, TokenPair } from './record.ts';
import type { HistoryEntry } from './status.ts';
import {
  beside,
  contestedBy,
  givenWay,
  HISTORY_LENGTH,
  REJECTED_LENGTH,
  TAKES_PLACE,
  withHistory,
} from './transitions.ts';

/** How a record takes the place of another, and what was written down the place of what the store has: pure. */

/** A pair that waited longer than this in a journal is not trusted without a person. */
export const JOURNAL_LIFE_MS = 30 * 86_400_000;

/** What the history says of a grant that was brought in from where it was written down. */
const FROM_JOURNAL = 'from a journal';

/**
 * What is not about the pair, in a record that takes the place of `found`: an account that waits to be confirmed, the
 * hour's guess, and whatever a later version wrote.
 */
export function carried(next: GrantRecord, found: GrantRecord | null): GrantRecord {
  if (!found) return next;
  const { pending } = found;
  const rejectedIds = together(found, next);
  const pendingOver = Math.max(next.pendingOver, found.pendingOver);
  const waits =
    pending !== null &&
    pending.epoch > Math.max(next.epoch, next.pending?.epoch ?? 0, pendingOver) &&
    !rejectedIds.includes(pending.id);
  const guessed = next.tokens !== null && (found.guessAt ?? 0) > (next.guessAt ?? 0) ? found : next;
  const { guessAt, guessedGeneration } = guessed;
  // A tombstone's own, though a clock may have been ahead when somebody left before.
  const leftAt = next.disconnectedAt ?? lastLeft(found, next);
  const kept = { pendingOver, rejectedIds, leftAt, guessAt, guessedGeneration };
  return { ...found, ...next, ...(waits ? { pending } : {}), ...kept };
}

/** Whom either of the two knows to be rejected. */
function together(one: GrantRecord, other: GrantRecord): readonly string[] {
  // Who knows more comes last.
  const inOrder = one.pendingOver > other.pendingOver ? [other, one] : [one, other];
  return [...new Set(inOrder.flatMap(({ rejectedIds }) => rejectedIds))].slice(-REJECTED_LENGTH);
}

/** When somebody left last, as far as either of the two knows: a store that fell back has forgotten it, or a rescue file was never told. */
function lastLeft(one: GrantRecord | null, other: GrantRecord): number | null {
  return Math.max(one?.leftAt ?? 0, other.leftAt ?? 0) || null;
}

/**
 * With what journals know of who left: the store may have forgotten it, and journals forget it once this record has rotated. What
 * lies ahead was dated by a clock that has been set back since, and would turn away who signs in now.
 */
export function withLeft(record: GrantRecord, leftAt: number | null, storeNow: number): GrantRecord {
  const isNews = leftAt !== null && leftAt > (record.leftAt ?? 0) && leftAt <= storeNow;
  return isNews && record.disconnectedAt === null ? { ...record, leftAt } : record;
}

/** What a record says of accounts to be confirmed, with what another one of the same grant knows of them. */
function withDecided(current: GrantRecord, later: GrantRecord): GrantRecord {
  const rejectedIds = together(current, later);
  const pendingOver = Math.max(current.pendingOver, later.pendingOver);
  const { pending } = current;
  const isDecided = pending !== null && (pending.epoch <= pendingOver || rejectedIds.includes(pending.id));
  return { ...current, rejectedIds, pendingOver, pending: isDecided ? null : pending };
}

/**
 * What a journal holds, written over what the store has. A newer grant replaces the record; a newer pair of the same
 * grant leaves what is not about the pair. `standing`: the pair that the store has.
 */
export function restored(
  current: GrantRecord | null,
  entry: { readonly record: GrantRecord; readonly pair: TokenPair },
  standing: TokenPair | null = null,
): GrantRecord {
  const { record, pair } = entry;
  const sameEpoch = current !== null && current.epoch === record.epoch;
  const sameGrant = sameEpoch && !areTwo(current.authorizationId, record.authorizationId);
  const taken = sameGrant && current.generation >= record.generation;
  const generation = taken ? current.generation + 1 : record.generation;
  const base = sameGrant
    ? withDecided(current, record)
    : { ...carried(record, current), history: current?.history ?? record.history };
  // A sign-in's own, written down because no store took it, may hold one that it crossed.
  const crossed = sameGrant ? current.sibling : record.sibling;
  const next: GrantRecord = {
    ...base,
    // Two sign-ins of one millisecond, each written down by itself, have one place.
    epoch: sameEpoch && !sameGrant ? record.epoch + 1 : record.epoch,
    // Another pair of a generation that is there already becomes the next one.
    generation,
    authorizedAt: record.authorizedAt,
    tokens: pair,
    access: record.access,
    refresh: record.refresh,
    userEmail: record.userEmail ?? base.userEmail,
    disconnectedAt: null,
    dead: null,
    intent: null,
    // It may have been presented before it was written down.
    unknown: record.unknown,
    refused: null,
    quarantine: null,
    // It says nothing about a sign-in that crossed this one.
    sibling: !taken && crossed?.authorizationId ? crossed : null,
    lastError: null,
    leftAt: lastLeft(current, record),
    gaveWay: record.gaveWay,
    lastAttemptId: record.lastAttemptId,
    attemptIds: record.attemptIds,
    authorizationId: record.authorizationId,
    contested: record.contested || taken || (sameGrant && contestedBy(current, record.lastAttemptId)),
    nextDueAt: record.nextDueAt,
    history: withHistory(base, {
      // Not before its own sign-in, whose token counts from its request.
      at: Math.max(record.authorizedAt ?? 0, record.access?.issuedAt ?? record.refresh?.issuedAt ?? 0),
      event: 'repaired',
      generation,
      detail: FROM_JOURNAL,
    }),
  };
  // It was written down without a word of the store: it may have crossed the one that stands.
  const isOther = current !== null && current.authorizationId !== record.authorizationId;
  if (generation !== 1 || !isOther) return next;
  // Of the one beside it the row may show what came of it since.
  const hasThird = next.sibling !== null && next.sibling.authorizationId !== current.authorizationId;
  const stands = { ...next, gaveWay: current.dead ? givenWay(current) : current.gaveWay };
  return hasThird || !standing || isOlder(current, record)
    ? stands
    : beside({ ...stands, sibling: null }, current, standing);
}

/** A sign-in that the store took, or one that was brought in from where it was written down. */
function isSignIn({ event, detail }: HistoryEntry): boolean {
  if (event === 'repaired') return detail === FROM_JOURNAL;
  return SIGN_INS.has(event) && detail !== TAKES_PLACE;
}

/** All that stands in the row was there before the other one's code was sent, from where that one's access token counts. */
function isOlder({ authorizedAt, history, refresh, sibling }: GrantRecord, { access }: GrantRecord): boolean {
  const signIn = history.findLast(isSignIn) ?? history[0];
  const pairs = Math.max(refresh?.issuedAt ?? 0, sibling?.refresh.issuedAt ?? 0);
  return Math.max(authorizedAt ?? 0, signIn?.at ?? 0, pairs) < (access?.issuedAt ?? 0);
}

/** The sign-in that stands, in its history; `repaired`: it was written down, and brought in from there. */
function isStanding(record: GrantRecord, entry: HistoryEntry): boolean {
  if (!isSignIn(entry)) return false;
  return entry.event === 'repaired' ? entry.generation === 1 : entry.at === record.authorizedAt;
}

/**
 * Which of two sign-ins the provider made last is not known where the one that stands is the first since the other was written
 * down, and nobody has left: how a grant fared that stood there before says nothing. Nor is it known whether a refresh of the
 * other was ever sent.
 */
export function withCrossed(
  record: GrantRecord,
  { record: other, pair, at }: JournalledPair,
  storeNow: number,
): GrantRecord {
  if (storeNow - at > JOURNAL_LIFE_MS) return record;
  if (other.authorizationId === record.sibling?.authorizationId) return beside(record, other, pair);
  const since = other.authorizedAt ?? at;
  const { history } = record;
  const standing = history.findLastIndex((entry) => isStanding(record, entry));
  const before = history.slice(0, Math.max(0, standing)).findLast((entry) => {
    const isOther = isSignIn(entry) && entry.at !== record.authorizedAt;
    return isOther || entry.event === 'disconnected';
  });
  // A history that has lost its beginning tells nothing.
  const isFirst = before ? before.at < since : history.length < HISTORY_LENGTH;
  // Its answer had come before the code of the one that stands was sent, or its last refresh, and that was made after it.
  const isEarlier = other.generation === 1 && since < (record.access?.issuedAt ?? 0);
  if (standing < 0 || !isFirst || isEarlier || hasGivenWay(record, other)) return record;
  return beside(record, { ...other, unknown: { count: 1, since, lastAt: at } }, pair);
}
