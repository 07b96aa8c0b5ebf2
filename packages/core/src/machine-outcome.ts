import type {
  EventTime,
  Flight,
  FlightContext,
  FlightEffect,
  FlightEvent,
  Keepsake,
  Snapshot,
  Step,
  Unreadable,
} from './flight.ts';
import { clear, done, forgotten, hasAnswer, isOurs, openSibling, settled } from './machine-parts.ts';
import { pairOf, refreshOnly } from './new-pair.ts';
import { compareGrants, type GrantRecord, type Intent } from './record.ts';
import { carried } from './restoring.ts';
import type { TokenOutcome } from './token-outcome.ts';
import {
  authorized,
  contestedBy,
  died,
  givenWay,
  placeOf,
  quarantined,
  refusedOnce,
  rotated,
  swapped,
  TAKES_PLACE,
  withSibling,
} from './transitions.ts';

type Persisting = Extract<Flight, { at: 'persisting' }>;

/** Refusals that nobody recognizes end a grant when there were this many of them over this long. */
const UNRECOGNIZED_LIMIT = 3;
const UNRECOGNIZED_SPAN_MS = 60 * 60_000;
const SPEAKS_OF_GRANT = /^(?=[a-z_]+$).*(?:token|grant|expired|revoked|denied|account|user|consent)/;

/** Step 8: what the answer of the token endpoint means for the record. */
export function concluded(
  context: FlightContext,
  flight: Extract<Flight, { at: 'sending' }>,
  outcome: TokenOutcome,
  time: EventTime,
): Step {
  const [next, effects] = meant(context, flight, outcome, time);
  return [next, [...effects, { type: 'report', outcome }]];
}

export function meant(
  context: FlightContext,
  flight: Extract<Flight, { at: 'sending' }>,
  outcome: TokenOutcome,
  time: EventTime,
): Step {
  const { snapshot, intent } = flight;
  const { record } = snapshot;
  switch (outcome.kind) {
    case 'ok': {
      const old = { pair: snapshot.pair, refresh: record.refresh };
      const dated = datesOf(context, intent);
      const { next, anomalies } = pairOf(outcome.response, dated, context.configuredLifeMs, old);
      const notes = anomalies.map((anomaly): FlightEffect => {
        return {
          type: 'anomaly',
          anomaly,
          detail: 'in the token response',
          generation: record.generation + 1,
        };
      });
      return keep(
        context,
        flight,
        { kind: 'pair', next, epoch: record.epoch, quarantine: null },
        time,
        notes,
      );
    }
    case 'unusable': {
      const quarantine = { text: outcome.body, problem: outcome.problem };
      const note: FlightEffect = {
        type: 'anomaly',
        anomaly: 'token_response_unusable',
        detail: outcome.problem,
        generation: record.generation,
      };
      if (outcome.refreshToken === null) {
        return keep(context, flight, { kind: 'quarantine', epoch: record.epoch, quarantine }, time, [note]);
      }
      const { refreshFrom } = datesOf(context, intent);
      const next = refreshOnly(outcome.refreshToken, outcome.refreshExpiresInSeconds, refreshFrom);
      return keep(context, flight, { kind: 'pair', next, epoch: record.epoch, quarantine }, time, [note]);
    }
    case 'not_sent': {
      if (outcome.reason === 'lease_too_short') return clear(snapshot, intent, 'read');
      if (outcome.reason === 'closing') return clear(snapshot, intent, { kind: 'closing' });
      const { reason, retryAfterMs, detail } = outcome;
      return clear(snapshot, intent, { kind: 'not_sent', reason, retryAfterMs, detail });
    }
    case 'rejected':
      if (outcome.error === 'invalid_grant') return [{ at: 'rechecking', intent }, [{ type: 'read' }]];
      return clear(snapshot, intent, { kind: 'registration_refused', error: outcome.error });
    case 'unrecognized': {
      const retryAfterMs = context.timings.unrecognizedMs;
      const { status, error } = outcome;
      const works = (since: number): boolean =>
        speaksOfGrant(error) || (flight.lastOkAt !== null && flight.lastOkAt >= since);
      const refuse = (current: GrantRecord): GrantRecord => {
        const refused = refusedOnce(current, time.store, retryAfterMs, { status, error });
        const { count, since } = refused.refused ?? { count: 0, since: time.store };
        const often = count >= UNRECOGNIZED_LIMIT && time.store - since >= UNRECOGNIZED_SPAN_MS;
        if (often && works(since) && !hasAnswer(current))
          return died(refused, 'refused_unrecognized', time.store);
        // Nobody knows what was refused: the other pair has its turn, and this one stays beside it.
        const other = openSibling(context, current, time.store);
        const mine = current.generation === record.generation ? snapshot.pair : null;
        return other && mine
          ? swapped(refused, other, { pair: mine, attemptId: context.attemptId, at: time.store })
          : refused;
      };
      // Before a grant is given up, the second pair of the same parent is tried.
      const sibling = refuse(record).dead ? siblingFirst(context, intent, snapshot, time) : null;
      return (
        sibling ?? clear(snapshot, intent, { kind: 'refused_unrecognized', status, retryAfterMs }, refuse)
      );
    }
    case 'unknown': {
      // The intent stays and runs out: until then nobody presents this refresh token again (T11).
      const retryAfterMs = Math.max(1, intent.leaseUntil - time.store);
      return done({ kind: 'uncertain', reason: outcome.reason, retryAfterMs });
    }
    default:
      return outcome satisfies never;
  }
}

/**
 * Whether an `error` member is a code about the grant. `Not Found` and `temporarily_unavailable` are what a gateway says of a
 * whole hour; `invalid_request` is what this program has got wrong (F17).
 */
function speaksOfGrant(error: string | null): boolean {
  return error !== null && SPEAKS_OF_GRANT.test(error) && !error.startsWith('unsupported');
}

function keep(
  context: FlightContext,
  { snapshot, intent }: { readonly snapshot: Snapshot; readonly intent: Intent },
  keepsake: Keepsake,
  time: EventTime,
  notes: readonly FlightEffect[],
): Step {
  const record = applied(context, snapshot.record, intent, keepsake, time.store);
  const flight: Persisting = {
    at: 'persisting',
    base: snapshot.record,
    rev: snapshot.rev,
    intent,
    keep: keepsake,
    journaled: !context.journaled,
    tries: 0,
  };
  // Nothing but sealing comes between the answer and its first durable write.
  if (!flight.journaled) return [flight, [{ type: 'journal', record }, ...notes]];
  return [flight, [{ type: 'write', expectedRev: snapshot.rev, record }, ...notes]];
}

/** The record with what is kept written into it, as the next generation or beside the present one. */
function applied(
  context: FlightContext,
  record: GrantRecord,
  intent: Intent,
  keepsake: Keepsake,
  at: number,
  kind: 'refresh' | 'probe' | 'sibling' = intent.kind === 'probe' ? 'probe' : 'refresh',
): GrantRecord {
  if (keepsake.kind === 'quarantine') {
    return quarantined(record, kept(context, record, intent, keepsake.quarantine, at));
  }
  const { attemptId, jitter } = context;
  // A probe that was answered came after what was unknown before; another one may still be under way.
  const other = record.intent !== null && record.intent.attemptId !== attemptId;
  // Whatever took the refused one may have taken this one, too.
  const inherited = kind === 'sibling' && record.contested;
  const contested = kind === 'probe' ? other : inherited || contestedBy(record, attemptId);
  const { sibling } = record;
  const isBeside =
    kind === 'sibling' &&
    sibling !== null &&
    sibling.refresh.fingerprint === keepsake.next.refresh?.fingerprint;
  if (isBeside && sibling.authorizationId) {
    const { authorizationId } = sibling;
    const named = { ...keepsake.next, userEmail: keepsake.next.userEmail ?? record.userEmail };
    const by = { event: 'authorized', authorizationId, at, jitter, detail: TAKES_PLACE } as const;
    const taken = authorized(record, named, by);
    // No person has signed in now: whoever waits to be confirmed goes on waiting.
    const { authorizedAt, pending, pendingOver } = record;
    const stands = {
      ...placeOf(record, sibling),
      gaveWay: givenWay(record),
      authorizedAt,
      pending,
      pendingOver,
    };
    return { ...taken, ...stands, contested, lastAttemptId: attemptId, attemptIds: [attemptId] };
  }
  const rotation = rotated(record, keepsake.next, { attemptId, kind, contested, at, jitter });
  const next = kind === 'sibling' ? revived(rotation, sibling, isBeside) : rotation;
  if (!keepsake.quarantine) return next;
  const quarantine = kept(context, record, intent, keepsake.quarantine, at);
  // The pair's other half may be in there. A pause keeps a provider that answers so from rotating on every call.
  return {
    ...quarantined(record, quarantine),
    ...next,
    quarantine,
    refused: { count: 0, since: at, notBefore: at + context.timings.probeMs },
  };
}

function revived(next: GrantRecord, sibling: GrantRecord['sibling'], isBeside: boolean): GrantRecord {
  // It may have been the grant's own before, and a refresh of it lost.
  if (isBeside) return { ...next, unknown: sibling?.unknown ?? null };
  // What comes late to a dead grant proves nothing about a sign-in that crossed it.
  return sibling?.authorizationId ? { ...next, sibling } : next;
}

/**
 * An access token counts from the first intent of its generation: a server with grace may hand out the one that it made
 * then. A refresh token counts from this request: it is tried once too often rather than given up while it lives.
 */
function datesOf({ timings }: FlightContext, intent: Intent): { accessFrom: number; refreshFrom: number } {
  const refreshFrom = Math.max(intent.firstAt, intent.leaseUntil - timings.leaseMs);
  return { accessFrom: intent.firstAt, refreshFrom };
}

function kept(
  { attemptId }: FlightContext,
  { generation }: GrantRecord,
  { firstAt }: Intent,
  { text, problem }: Unreadable,
  at: number,
): NonNullable<GrantRecord['quarantine']> {
  return { body: { text }, generation, problem, at, issuedAt: firstAt, attemptId };
}

/** Writes until it stands: nothing that was received is given up for a store that does not answer. */
export function persisting(context: FlightContext, flight: Persisting, event: FlightEvent): Step {
  const { newest } = context;
  // A later sign-in, or a person who has left, whatever a store that fell back shows of it.
  if (newest && newest.record.epoch > flight.keep.epoch && !placeIn(newest.record, flight.base))
    return over(newest);
  switch (event.type) {
    case 'journaled': {
      const record = applied(context, flight.base, flight.intent, flight.keep, event.time.store);
      return [{ ...flight, journaled: true }, [{ type: 'write', expectedRev: flight.rev, record }]];
    }
    case 'written':
      return over(event.snapshot, event.snapshot.record.lastAttemptId === context.attemptId);
    case 'refused':
    case 'read':
      return merge(context, flight, event.snapshot, event.time);
    case 'write_failed':
    case 'read_failed':
    case 'unreadable': {
      const tries = flight.tries + 1;
      const ms = Math.min(
        context.timings.persistRetryMs,
        (context.timings.persistRetryMs / 40) * 2 ** flight.tries,
      );
      const record = applied(context, flight.base, flight.intent, flight.keep, event.time.store);
      const hold: FlightEffect =
        flight.keep.kind === 'pair'
          ? { type: 'hold', snapshot: { rev: 0, record, pair: flight.keep.next.pair }, tries }
          : { type: 'hold_answer', record, tries };
      return [{ ...flight, tries }, [{ type: 'timer', ms }, hold]];
    }
    case 'timer':
      return [flight, [{ type: 'read' }]];
    case 'closing':
      return done({ kind: 'closing' });
    default:
      throw new Error(`A persisting flight cannot take the event "${event.type}".`);
  }
}

/** What is in hand stands already, or has no place any more; in a journal neither. */
function over(snapshot: Snapshot, refreshed = false): Step {
  const { record } = snapshot;
  // Nobody has looked for what may have crossed a sign-in that has not proved itself.
  const isNew = record.generation === 1 && record.tokens !== null;
  return done({ kind: 'settled', snapshot, refreshed }, isNew ? [] : forgotten(record));
}

/**
 * Where the pair that a refresh stood on has gone, when a sign-in that crossed its own was written over it: beside that one, or
 * in its place once that one was refused. `null`: it is gone.
 */
function placeIn(record: GrantRecord, base: GrantRecord): 'record' | 'sibling' | null {
  const { authorizationId, refresh } = base;
  if (authorizationId === null || !refresh) return null;
  const { sibling } = record;
  if (record.authorizationId === authorizationId)
    return record.refresh?.fingerprint === refresh.fingerprint ? 'record' : null;
  const isBeside =
    sibling?.authorizationId === authorizationId && sibling.refresh.fingerprint === refresh.fingerprint;
  return isBeside ? 'sibling' : null;
}

function merge(context: FlightContext, flight: Persisting, found: Snapshot | null, time: EventTime): Step {
  const { intent, keep: keepsake, base } = flight;
  const write = (record: GrantRecord): Step => {
    return [flight, [{ type: 'write', expectedRev: found?.rev ?? null, record }]];
  };
  const mine = { epoch: keepsake.epoch, generation: intent.generation };
  // None, or a lower pair: the store fell back to an older state, and what this flight stood on is newer (T5).
  if (!found || compareGrants(found.record, mine) < 0) {
    const fell = found?.record ?? null;
    return write(carried(applied(context, base, intent, keepsake, time.store), fell));
  }
  const { record } = found;
  const place = record.epoch > keepsake.epoch ? placeIn(record, base) : 'record';
  // Another grant has begun, or the person has left.
  if (place === null) return over(found);
  if (place === 'sibling') {
    const { sibling } = record;
    if (keepsake.kind !== 'pair' || !keepsake.next.refresh || !sibling) return over(found);
    const { refresh, access, pair } = keepsake.next;
    const generation = sibling.generation + 1;
    const next = { ...sibling, tokens: pair, access, refresh, generation, unknown: null };
    return write({ ...record, sibling: next });
  }
  // Written although the answer was lost; others may have rotated on since.
  if (record.attemptIds.includes(context.attemptId)) return over(found, true);
  if (record.quarantine?.attemptId === context.attemptId) return settled(found, false);
  if (record.epoch > keepsake.epoch) {
    const next = applied(context, record, intent, keepsake, time.store);
    // Sent before the other sign-in took its place and gave it back: it proves nothing about that one.
    const { gaveWay } = record;
    return write({
      ...next,
      gaveWay,
      ...(record.sibling?.authorizationId ? { sibling: record.sibling } : {}),
    });
  }
  if (record.generation === intent.generation)
    return write(applied(context, record, intent, keepsake, time.store));
  if (keepsake.kind === 'quarantine') return settled(found, false);
  // Another success for the same parent has landed. Which of the two lives is not known.
  if (record.dead) return write(applied(context, record, intent, keepsake, time.store, 'sibling'));
  // Further on, the other pair has proved itself by rotating; two that change places after refusals prove nothing.
  if (record.generation > intent.generation + 1 && record.refused === null) return settled(found, false);
  const ours = keepsake.next.refresh?.fingerprint;
  if (ours === record.refresh?.fingerprint || ours === record.sibling?.refresh.fingerprint) {
    return settled(found, false);
  }
  return write(withSibling(record, keepsake.next, record.generation));
}

/** After a refusal: the second pair of the same parent (F27) may be the one that lives. */
export function siblingFirst(
  context: FlightContext,
  intent: Intent,
  snapshot: Snapshot,
  time: EventTime,
): Step | null {
  const { record, rev } = snapshot;
  const next = openSibling(context, record, time.store);
  if (!next) return null;
  const keepsake: Keepsake = { kind: 'pair', next, epoch: record.epoch, quarantine: null };
  const taken = applied(context, record, intent, keepsake, time.store, 'sibling');
  // It is in the store, and not in hand: a write that fails loses nothing, and after a refused one it is looked at anew.
  const flight: Flight = { at: 'burying', intent: isOurs(record, intent) ? intent : null };
  return [flight, [{ type: 'write', expectedRev: rev, record: taken }]];
}
