import { CLOCK_DRIFT_MS, datedAhead, isAhead, leftMs, PROBE_BEFORE_EXPIRY_MS } from './expiry.ts';
import type {
  AfterReplay,
  DecisionBase,
  EventTime,
  Flight,
  FlightContext,
  FlightEvent,
  Snapshot,
  Step,
} from './flight.ts';
import { standingOf } from './journal-standing.ts';
import { meant, siblingFirst } from './machine-outcome.ts';
import { clear, deathOf, done, hasAnswer, isOurs, settled, siblingUnreadable } from './machine-parts.ts';
import { compareGrants, EMPTY_RECORD, type GrantRecord, type Intent, type IntentKind } from './record.ts';
import { carried, JOURNAL_LIFE_MS, restored, withCrossed, withLeft } from './restoring.ts';
import type { TokenOutcome } from './token-outcome.ts';
import { beside, died, repaired, uncertain, unknownOf, withAnswer, withIntent } from './transitions.ts';

type Read = Extract<FlightEvent, { type: 'read' | 'refused' | 'written' }>;

/** Step 3 to 5 of the protocol: what the record asks for, now. */
export function decide(context: FlightContext, event: Read, polls = 0): Step {
  const { snapshot, leaseLeftMs, time } = event;
  const { known, newest } = context;
  if (newest && (!snapshot || compareGrants(snapshot.record, newest.record) < 0)) {
    return repair(context, newest, snapshot, time);
  }
  if (!snapshot) {
    // A store that came back empty has forgotten a grant that a journal may still hold.
    return context.journaled
      ? replay({ snapshot, leaseLeftMs }, { kind: 'decide', polls })
      : settled(null, false);
  }
  if (context.purpose === 'look') {
    return context.journaled ? replay({ snapshot, leaseLeftMs }, { kind: 'look' }) : settled(snapshot, false);
  }
  const { record } = snapshot;
  const moved = known !== null && compareGrants(record, known.record) > 0;
  if (moved || record.tokens === null) return settled(snapshot, false);
  if (context.journaled) return replay({ snapshot, leaseLeftMs }, { kind: 'decide', polls });
  return decideOn(context, { snapshot, leaseLeftMs }, time, polls);
}

export function replay(found: DecisionBase, then: AfterReplay): Step {
  const record = found.snapshot?.record ?? EMPTY_RECORD;
  // What was refused, here or by somebody who cannot look into this journal, may not be the only pair of its generation.
  const beside = then.kind === 'bury' || record.dead ? (record.refresh?.fingerprint ?? null) : null;
  const above = standingOf(record);
  return [{ at: 'replaying', found, then }, [{ type: 'replay', above, beside }]];
}

/** Step 4: a higher pair than the record's is written in; one that is too old needs a person. */
export function replayed(
  context: FlightContext,
  { found, then }: Extract<Flight, { at: 'replaying' }>,
  event: Extract<FlightEvent, { type: 'replayed' }>,
): Step {
  const { entry, answer, pending, crossed = null, below = false, leftAt = null, time } = event;
  const told = (record: GrantRecord): GrantRecord => withLeft(record, leftAt, time.store);
  const snapshot = found.snapshot && { ...found.snapshot, record: told(found.snapshot.record) };
  const restore = (what: Extract<Flight, { at: 'restoring' }>['what'], record: GrantRecord): Step => [
    { at: 'restoring', what },
    [{ type: 'write', expectedRev: snapshot?.rev ?? null, record: told(record) }],
  ];
  // An account that waits is written with it: what the store has is forgotten there.
  const withWaiting = (next: GrantRecord): GrantRecord =>
    pending && pending.until > time.store ? carried(next, { ...next, pending }) : next;
  // However long ago a person left: nobody has come back since.
  if (entry?.pair === null)
    return restore('tombstone', withWaiting(carried(entry.record, snapshot?.record ?? null)));
  if (entry && time.store - entry.at <= JOURNAL_LIFE_MS) {
    const { record = null, pair: standing = null } = snapshot ?? {};
    // Another one that was written down may have crossed it, and goes before what the store has.
    const alone = restored(record, { ...entry, pair: entry.pair });
    const both = crossed ? withCrossed(alone, crossed, time.store) : alone;
    if (both !== alone) return restore('pair', withWaiting(both));
    // Who has the key of the other one will look at it: nothing is forgotten.
    const what = below && !crossed ? 'crossed' : 'pair';
    return restore(what, withWaiting(restored(record, { ...entry, pair: entry.pair }, standing)));
  }
  const current = snapshot?.record ?? EMPTY_RECORD;
  const waiting = withWaiting(current);
  if (waiting.pending !== current.pending) return restore('pending', waiting);
  if (!snapshot) return settled(null, false);
  const held = hasAnswer(snapshot.record);
  if (answer && time.store - answer.at <= JOURNAL_LIFE_MS && !held) {
    return restore('answer', withAnswer(snapshot.record, answer.quarantine, time.store));
  }
  const both = crossed ? withCrossed(snapshot.record, crossed, time.store) : snapshot.record;
  if (both !== snapshot.record && (then.kind === 'look' || then.kind === 'decide'))
    return restore('crossed', both);
  if (snapshot.record !== found.snapshot?.record && (then.kind === 'look' || then.kind === 'decide'))
    return restore('left', snapshot.record);
  if (then.kind === 'look') {
    // Whoever left elsewhere leaves nothing behind here, either.
    const { disconnectedAt, epoch } = snapshot.record;
    // An account that was proposed since may be written down under the tombstone's own place.
    const forget = { type: 'forget', below: { epoch, generation: -1 } } as const;
    return done({ kind: 'settled', snapshot, refreshed: false }, disconnectedAt === null ? [] : [forget]);
  }
  // It proves the record's own token spent: presenting that again could only do harm. Too old to be written in itself.
  if ((entry || (answer && !held)) && then.kind !== 'bury') {
    if (snapshot.record.dead) return settled(snapshot, false);
    return bury(snapshot, died(snapshot.record, 'rotation_outcome_lost', time.store), null);
  }
  switch (then.kind) {
    case 'decide':
      return decideOn(context, { snapshot, leaseLeftMs: found.leaseLeftMs }, time, then.polls);
    case 'probe':
      return [{ at: 'connecting', snapshot, kind: 'probe', lastOkAt: then.lastOkAt }, [{ type: 'connect' }]];
    case 'bury':
      return believe(context, then.intent, { ...snapshot, record: both }, time);
    default:
      return then satisfies never;
  }
}

/** Step 5: intents, pauses, probes. The record is the newest that anybody can show. */
function decideOn(
  context: FlightContext,
  { snapshot, leaseLeftMs }: DecisionBase & { readonly snapshot: Snapshot },
  time: EventTime,
  polls: number,
): Step {
  const { record } = snapshot;
  const kept = hasAnswer(record);
  const readable = kept && (!context.reparsed || compareGrants(context.reparsed, record) !== 0);
  // What is kept may revive what another process has given up meanwhile.
  const death = deathOf(record, context.refreshYear, time.store);
  const lastHope = (): Step => {
    const reader = makeIntent(context, record, 'refresh', time.store, context.timings.leaseMs);
    return siblingFirst(context, reader, snapshot, time) ?? settled(snapshot, false);
  };
  if (death && record.dead && !readable) return lastHope();
  const intent = record.intent;
  if (intent && leaseLeftMs > 0) {
    const ms = Math.min(leaseLeftMs, context.timings.pollMs, (context.timings.pollMs / 40) * 2 ** polls);
    const ageMs = Math.max(0, time.store - intent.firstAt);
    return [
      { at: 'waiting', polls },
      [
        { type: 'blocked', ageMs, leaseLeftMs },
        { type: 'timer', ms },
      ],
    ];
  }
  if (readable) {
    return [{ at: 'reparsing', found: { snapshot, leaseLeftMs } }, [{ type: 'reparse', snapshot }]];
  }
  if (kept) {
    return done({ kind: 'uncertain', reason: 'quarantine', retryAfterMs: context.timings.probeMaxMs });
  }
  if (
    !death &&
    record.refused &&
    isAhead(record.refused.notBefore, context.timings.unrecognizedMs, time.store)
  ) {
    const retryAfterMs = record.refused.notBefore - time.store;
    return done({ kind: 'refused_unrecognized', status: 0, retryAfterMs });
  }
  if (!record.refresh || !snapshot.pair?.refresh) return settled(snapshot, false);
  if (death) return lastHope();
  if (!uncertain(record)) return [{ at: 'gating', snapshot, kind: 'refresh' }, [{ type: 'gate' }]];

  const probe = probeNotBefore(context, record, time.store);
  if (probe > time.store) {
    return done({ kind: 'uncertain', reason: 'outcome_unknown', retryAfterMs: probe - time.store });
  }
  return [{ at: 'gating', snapshot, kind: 'probe' }, [{ type: 'gate' }]];
}

/** A kept answer that this version can read becomes the next generation (F105). */
export function reparsed(
  context: FlightContext,
  { found }: Extract<Flight, { at: 'reparsing' }>,
  outcome: TokenOutcome | null,
  time: EventTime,
): Step {
  const { snapshot } = found;
  const { quarantine } = snapshot.record;
  if (outcome?.kind !== 'ok' || !quarantine) {
    if (snapshot.record.dead) return settled(snapshot, false);
    return done({ kind: 'uncertain', reason: 'quarantine', retryAfterMs: context.timings.probeMaxMs });
  }
  const made = makeIntent(context, snapshot.record, 'refresh', quarantine.at, context.timings.leaseMs);
  const intent = { ...made, firstAt: Math.min(made.firstAt, quarantine.issuedAt) };
  // Nothing was asked now: it says nothing about how the registration fares.
  return meant(context, { at: 'sending', snapshot, intent, lastOkAt: null }, outcome, time);
}

/**
 * When the next probe is due, by the store's clock: the first one when the lease is over, then at doubling distances;
 * while the old access token works, not before its last five minutes: waiting costs nothing then.
 */
export function probeNotBefore(
  context: Pick<FlightContext, 'timings' | 'jitter' | 'deadToken'>,
  record: GrantRecord,
  storeNow: number,
): number {
  const { probeMs, probeMaxMs, leaseMs } = context.timings;
  const { count, lastAt } = unknownOf(record);
  const distance =
    count <= 1 ? 0 : Math.min(probeMs * 2 ** (count - 2), probeMaxMs) * (1 + 0.1 * context.jitter);
  const { access } = record;
  const works = access && access.fingerprint !== context.deadToken && !datedAhead(access, storeNow);
  const aliveMs = works ? leftMs(access, storeNow) - PROBE_BEFORE_EXPIRY_MS : 0;
  // A lease that ends further ahead than any can: the clock was set back, and the distance with it. Up to there it may last:
  // a crossed sign-in's refresh goes on when its pair has taken the other one's place.
  const setBack = lastAt > storeNow + leaseMs + CLOCK_DRIFT_MS;
  const distanceEnds = setBack ? storeNow : lastAt + distance;
  return Math.max(distanceEnds, storeNow + aliveMs);
}

function repair(context: FlightContext, known: Snapshot, found: Snapshot | null, time: EventTime): Step {
  const record = withNewer(known.record, found);
  const intent =
    record.tokens === null
      ? null
      : makeIntent(context, record, 'repair', time.store, context.timings.leaseMs);
  const next = carried(intent ? repaired(record, intent, time.store) : record, found?.record ?? null);
  return [{ at: 'repairing' }, [{ type: 'write', expectedRev: found?.rev ?? null, record: next }]];
}

/**
 * A crossed sign-in's refresh may have been written where a store had lost the row: that grant is older than the one in memory, and
 * its pair newer than what is known of it there.
 */
function withNewer(record: GrantRecord, found: Snapshot | null): GrantRecord {
  const id = found?.record.authorizationId ?? null;
  if (!found?.pair || id === null) return record;
  const { sibling, epoch } = record;
  const { pair, record: older } = found;
  if (record.authorizationId === id && older.generation > record.generation)
    return restored(record, { record: { ...older, epoch }, pair });
  if (sibling?.authorizationId !== id) return record;
  // Its refresh may be under way there, or have been lost.
  const isUncertain = uncertain(older) && older.refresh?.fingerprint === sibling.refresh.fingerprint;
  const isNewer = older.generation > sibling.generation || isUncertain;
  return isNewer ? beside(record, older, pair) : record;
}

export function makeIntent(
  context: FlightContext,
  record: GrantRecord,
  kind: IntentKind,
  storeNow: number,
  leaseMs: number,
): Intent {
  return {
    attemptId: context.attemptId,
    generation: record.generation,
    owner: context.owner,
    kind,
    // The first intent of a generation dates what comes of it: a server with grace may hand out that older token.
    firstAt: Math.floor(record.intent?.firstAt ?? record.unknown?.since ?? storeNow),
    leaseUntil: Math.floor(storeNow + leaseMs),
  };
}

export function announce(
  context: FlightContext,
  snapshot: Snapshot,
  time: EventTime,
  lastOkAt: number | null,
): Step {
  const { settleMs, announceSlackMs } = context.timings;
  const intent = makeIntent(context, snapshot.record, 'announce', time.store, settleMs + announceSlackMs);
  const record = withIntent(snapshot.record, intent, unknownOf(snapshot.record));
  return [
    { at: 'announcing', snapshot, intent, settling: null, lastOkAt },
    [{ type: 'write', expectedRev: snapshot.rev, record }],
  ];
}

/** Step 9: an `invalid_grant` is believed only when the record, read again, has not moved and nobody else is at it. */
export function recheck(context: FlightContext, intent: Intent, event: Read): Step {
  const { snapshot, time } = event;
  if (!snapshot || !isOurs(snapshot.record, intent)) return decide(context, event);
  if (hasAnswer(snapshot.record)) return clear(snapshot, intent, 'read');
  if (context.journaled)
    return replay({ snapshot, leaseLeftMs: event.leaseLeftMs }, { kind: 'bury', intent });
  return believe(context, intent, snapshot, time);
}

function believe(context: FlightContext, intent: Intent, snapshot: Snapshot, time: EventTime): Step {
  const sibling = siblingFirst(context, intent, snapshot, time);
  if (sibling) return sibling;
  const { record } = snapshot;
  const reason = record.unknown || record.contested ? 'rotation_outcome_lost' : 'revoked_or_expired';
  const [flight, effects] = bury(snapshot, died(record, reason, time.store), intent);
  return [flight, [...effects, ...siblingUnreadable(record)]];
}

function bury(snapshot: Snapshot, record: GrantRecord, intent: Intent | null): Step {
  return [{ at: 'burying', intent }, [{ type: 'write', expectedRev: snapshot.rev, record }]];
}
