import { type RefreshYear, refreshEndsAt } from './expiry.ts';
import type { FlightContext, FlightEffect, FlightResult, Snapshot, Step } from './flight.ts';
import { compareGrants, type GrantRecord, type Intent } from './record.ts';
import type { DeathReason } from './status.ts';
import { type NewPair, withoutIntent } from './transitions.ts';

/** The first step of a refresh. */
export function takeOff(): Step {
  return [{ at: 'reading' }, [{ type: 'read' }]];
}

export function done(result: FlightResult, effects: readonly FlightEffect[] = []): Step {
  return [{ at: 'done', result }, effects];
}

export function settled(snapshot: Snapshot | null, refreshed: boolean): Step {
  return done({ kind: 'settled', snapshot, refreshed });
}

export function isOurs(record: GrantRecord, intent: Intent): boolean {
  const found = record.intent;
  return (
    found?.attemptId === intent.attemptId &&
    found.kind === intent.kind &&
    found.leaseUntil === intent.leaseUntil &&
    record.generation === intent.generation
  );
}

/** Takes this flight's intent back, on its own `rev` first; gives up when the record has moved on without it. */
export function clear(
  snapshot: Snapshot,
  intent: Intent,
  then: FlightResult | 'read',
  change: (record: GrantRecord) => GrantRecord = withoutIntent,
): Step {
  return [
    { at: 'clearing', intent, then, change, tries: 0 },
    [{ type: 'hang_up' }, { type: 'write', expectedRev: snapshot.rev, record: change(snapshot.record) }],
  ];
}

/** Something else has taken this process further than the flight is: it presents nothing below that (I3). */
export function isBehind(context: FlightContext, record: GrantRecord): boolean {
  const { newest } = context;
  return newest !== null && compareGrants(record, newest.record) < 0;
}

/** An answer to this very generation is kept that could not be read: nothing more is sent for it, nor is it given up. */
export function hasAnswer({ quarantine, generation }: GrantRecord): boolean {
  return quarantine?.generation === generation;
}

/**
 * Why a grant has ended, or `null`. That a year is over is never written down: a store's clock may show nonsense for a
 * moment, and what is under way would be forgotten with it.
 */
export function deathOf(
  { dead, refresh, authorizedAt }: GrantRecord,
  refreshYear: RefreshYear,
  storeNow: number,
): DeathReason | null {
  if (dead && (dead.reason !== 'refresh_token_expired' || !refresh)) return dead.reason;
  if (!refresh) return null;
  const isOver = refreshEndsAt(refresh, authorizedAt ?? 0, refreshYear) <= storeNow;
  return isOver ? 'refresh_token_expired' : null;
}

/** The second pair of the record's parent (F27), or of the sign-in that crossed its own, if it can be opened here and its time is not up. */
export function openSibling(
  { refreshYear }: Pick<FlightContext, 'refreshYear'>,
  { sibling, authorizedAt }: GrantRecord,
  storeNow: number,
): NewPair | null {
  if (!sibling || typeof sibling.tokens === 'string') return null;
  const { access, refresh, tokens } = sibling;
  if (refreshEndsAt(refresh, authorizedAt ?? 0, refreshYear) <= storeNow) return null;
  return { pair: tokens, access, refresh, userEmail: null };
}

/** To be told when a grant is given up for now that a process with another key may bring back. */
export function siblingUnreadable(record: GrantRecord): readonly FlightEffect[] {
  if (typeof record.sibling?.tokens !== 'string') return [];
  const detail =
    'a second pair of this grant is sealed with a key that is not here; a process that has it can use it';
  return [{ type: 'anomaly', anomaly: 'sibling_unreadable', detail, generation: record.generation }];
}

/**
 * What journals need no more now that the store has this record. They may hold the next pair of one that is beside it, or gave
 * way to it, and a sign-in that has not had its turn.
 */
export function forgotten({ epoch, generation, sibling, gaveWay }: GrantRecord): readonly FlightEffect[] {
  if (sibling?.authorizationId || gaveWay.length > 0) return [];
  return [{ type: 'forget', below: { epoch, generation } }];
}
