import { leftMs, PROBE_BEFORE_EXPIRY_MS, refreshEndsAt } from './expiry.ts';
import type {
  EventTime,
  Flight,
  FlightContext,
  FlightEvent,
  FlightResult,
  Snapshot,
  Step,
} from './flight.ts';
import { concluded, persisting, siblingFirst } from './machine-outcome.ts';
import { clear, done, isOurs, settled, takeOff } from './machine-parts.ts';
import { compareGrants, type GrantRecord, type Intent, type IntentKind } from './record.ts';
import { died, repaired, withIntent } from './transitions.ts';

export { takeOff } from './machine-parts.ts';

type Read = Extract<FlightEvent, { type: 'read' | 'refused' | 'written' }>;

/**
 * One step of the refresh protocol: pure. The shell carries out the effects and answers with the next event. An event
 * that does not belong to the flight's place is a defect of the shell and throws.
 */
export function step(context: FlightContext, flight: Flight, event: FlightEvent): Step {
  if (event.type === 'read_failed' && flight.at !== 'announcing' && flight.at !== 'persisting') {
    // A refusal cannot be checked while the store is down: nothing is marked, the intent runs out.
    return done({ kind: 'store_down', error: event.error }, [{ type: 'hang_up' }]);
  }
  if (event.type === 'unreadable' && flight.at !== 'persisting') {
    return done({ kind: 'unreadable', error: event.error }, [{ type: 'hang_up' }]);
  }
  switch (flight.at) {
    case 'reading':
      if (event.type === 'read') return decide(context, event);
      break;
    case 'waiting':
      if (event.type === 'timer') return [flight, [{ type: 'read' }]];
      if (event.type === 'read') return decide(context, event, flight.polls + 1);
      if (event.type === 'closing') return done({ kind: 'closing' });
      break;
    case 'repairing':
      if (event.type === 'written' || event.type === 'refused') return decide(context, event);
      if (event.type === 'write_failed') return done({ kind: 'store_down', error: event.error });
      break;
    case 'announcing':
      return announcing(context, flight, event);
    case 'connecting':
      return connecting(context, flight, event);
    case 'intending':
      return intending(context, flight, event);
    case 'sending':
      if (event.type === 'outcome') return concluded(context, flight, event.outcome, event.time);
      break;
    case 'clearing':
      return clearing(flight, event);
    case 'persisting':
      return persisting(context, flight, event);
    case 'rechecking':
      if (event.type === 'read') return recheck(context, flight.intent, event);
      break;
    case 'burying':
      if (event.type === 'written') return settled(event.snapshot, false);
      if (event.type === 'refused') return decide(context, event);
      if (event.type === 'write_failed') return done({ kind: 'store_down', error: event.error });
      break;
    case 'done':
      break;
    default:
      return flight satisfies never;
  }
  throw new Error(`A flight at "${flight.at}" cannot take the event "${event.type}".`);
}

/** Step 3 to 5 of the protocol: what the record asks for, now. */
function decide(context: FlightContext, event: Read, polls = 0): Step {
  const { snapshot, leaseLeftMs, time } = event;
  const { known } = context;
  if (known && (!snapshot || compareGrants(snapshot.record, known.record) < 0)) {
    return repair(context, known, snapshot, time);
  }
  if (!snapshot) return settled(null, false);
  const { record } = snapshot;
  const moved = known !== null && compareGrants(record, known.record) > 0;
  if (moved || record.tokens === null || record.dead !== null) return settled(snapshot, false);

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
  if (record.quarantine?.generation === record.generation) {
    return done({ kind: 'uncertain', reason: 'quarantine', retryAfterMs: context.timings.probeMaxMs });
  }
  if (record.refused && record.refused.notBefore > time.store) {
    const retryAfterMs = record.refused.notBefore - time.store;
    return done({ kind: 'refused_unrecognized', status: 0, retryAfterMs });
  }
  if (!record.refresh || !snapshot.pair?.refresh) return settled(snapshot, false);
  if (refreshEndsAt(record.refresh, record.authorizedAt ?? 0, context.refreshYear) <= time.store) {
    return bury(snapshot, died(record, 'refresh_token_expired', time.store));
  }
  if (!uncertain(record)) return [{ at: 'connecting', snapshot, kind: 'refresh' }, [{ type: 'connect' }]];

  const probe = probeNotBefore(context, record);
  if (probe > time.store) {
    return done({ kind: 'uncertain', reason: 'outcome_unknown', retryAfterMs: probe - time.store });
  }
  return announce(context, snapshot, time);
}

/** True when a refresh of this generation may have been sent and nobody knows what came of it. */
export function uncertain(record: GrantRecord): boolean {
  return record.intent !== null || record.unknown !== null;
}

/** Counts the lapsed intent of a record in; an announcement sends nothing and does not count. */
function unknownOf(record: GrantRecord): NonNullable<GrantRecord['unknown']> {
  const { unknown, intent } = record;
  if (intent && intent.kind !== 'announce') {
    const count = (unknown?.count ?? 0) + 1;
    return { count, since: unknown?.since ?? intent.firstAt, lastAt: intent.leaseUntil };
  }
  return unknown ?? { count: 1, since: intent?.firstAt ?? 0, lastAt: intent?.leaseUntil ?? 0 };
}

/**
 * When the next probe is due, by the store's clock: the first one when the lease is over, then at doubling distances;
 * while the old access token works, not before its last five minutes: waiting costs nothing then.
 */
export function probeNotBefore(
  context: Pick<FlightContext, 'timings' | 'jitter'>,
  record: GrantRecord,
): number {
  const { probeMs, probeMaxMs } = context.timings;
  const { count, lastAt } = unknownOf(record);
  const distance =
    count <= 1 ? 0 : Math.min(probeMs * 2 ** (count - 2), probeMaxMs) * (1 + 0.1 * context.jitter);
  const { access } = record;
  const aliveUntil = access ? access.issuedAt + access.lifeMs - PROBE_BEFORE_EXPIRY_MS : 0;
  return Math.max(lastAt + distance, aliveUntil);
}

function repair(context: FlightContext, known: Snapshot, found: Snapshot | null, time: EventTime): Step {
  const record = known.record;
  const intent =
    record.tokens === null
      ? null
      : makeIntent(context, record, 'repair', time.store, context.timings.leaseMs);
  const next = intent ? repaired(record, intent, time.store) : record;
  return [{ at: 'repairing' }, [{ type: 'write', expectedRev: found?.rev ?? null, record: next }]];
}

function makeIntent(
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

function announce(context: FlightContext, snapshot: Snapshot, time: EventTime): Step {
  const { settleMs, announceSlackMs } = context.timings;
  const intent = makeIntent(context, snapshot.record, 'announce', time.store, settleMs + announceSlackMs);
  const record = withIntent(snapshot.record, intent, unknownOf(snapshot.record));
  return [
    { at: 'announcing', snapshot, intent, settling: null },
    [{ type: 'write', expectedRev: snapshot.rev, record }],
  ];
}

function announcing(
  context: FlightContext,
  flight: Extract<Flight, { at: 'announcing' }>,
  event: FlightEvent,
): Step {
  const { settleMs, pollMs } = context.timings;
  const settle = (snapshot: Snapshot, sinceMono: number, time: EventTime): Step => {
    const ms = Math.min(pollMs, Math.max(1, sinceMono + settleMs - time.mono));
    return [{ ...flight, snapshot, settling: { sinceMono } }, [{ type: 'timer', ms }]];
  };
  switch (event.type) {
    case 'written':
      return settle(event.snapshot, event.time.mono, event.time);
    case 'refused':
      return decide(context, event);
    case 'write_failed':
      // The announcement may stand or not; it sends nothing, and lapses by itself.
      return done({ kind: 'store_down', error: event.error });
    case 'timer':
      return [flight, [{ type: 'read' }]];
    case 'read_failed':
      // A store that was away may have kept the holder of a pair from writing it: it gets its time anew (T1, F116).
      return settle(flight.snapshot, event.time.mono, event.time);
    case 'read': {
      const { snapshot } = event;
      if (
        !snapshot ||
        !isOurs(snapshot.record, flight.intent) ||
        event.leaseLeftMs <= 0 ||
        !flight.settling
      ) {
        return decide(context, event);
      }
      if (event.time.mono - flight.settling.sinceMono < settleMs) {
        return settle(snapshot, flight.settling.sinceMono, event.time);
      }
      return [{ at: 'connecting', snapshot, kind: 'probe' }, [{ type: 'connect' }]];
    }
    case 'closing':
      return clear(flight.snapshot, flight.intent, { kind: 'closing' });
    default:
      throw new Error(`An announcing flight cannot take the event "${event.type}".`);
  }
}

function connecting(
  context: FlightContext,
  flight: Extract<Flight, { at: 'connecting' }>,
  event: FlightEvent,
): Step {
  const { snapshot, kind } = flight;
  switch (event.type) {
    case 'connected': {
      const intent = makeIntent(context, snapshot.record, kind, event.time.store, context.timings.leaseMs);
      const record = withIntent(snapshot.record, intent);
      return [
        { at: 'intending', snapshot, record, intent, checking: false },
        [{ type: 'write', expectedRev: snapshot.rev, record }],
      ];
    }
    case 'connect_failed': {
      const result: FlightResult = {
        kind: 'not_sent',
        reason: 'connect_failed',
        retryAfterMs: null,
        detail: event.detail,
      };
      const announced = kind === 'probe' ? snapshot.record.intent : null;
      return announced ? clear(snapshot, announced, result) : done(result);
    }
    case 'closing': {
      const announced = kind === 'probe' ? snapshot.record.intent : null;
      return announced ? clear(snapshot, announced, { kind: 'closing' }) : done({ kind: 'closing' });
    }
    default:
      throw new Error(`A connecting flight cannot take the event "${event.type}".`);
  }
}

function intending(
  context: FlightContext,
  flight: Extract<Flight, { at: 'intending' }>,
  event: FlightEvent,
): Step {
  const send = (snapshot: Snapshot): Step => {
    const refreshToken = flight.snapshot.pair?.refresh;
    if (!refreshToken) throw new Error('An intent was written for a record without a refresh token.');
    return [
      { at: 'sending', snapshot, intent: flight.intent },
      [{ type: 'send', refreshToken, intent: flight.intent }],
    ];
  };
  switch (event.type) {
    case 'written':
      return send({ ...event.snapshot, pair: flight.snapshot.pair });
    case 'refused':
    case 'read': {
      // A refusal after a lost answer may be this flight's own write (F118).
      if (event.snapshot && isOurs(event.snapshot.record, flight.intent)) {
        return event.leaseLeftMs > 0 ? send(event.snapshot) : hangUp(decide(context, event));
      }
      return hangUp(decide(context, event));
    }
    case 'write_failed':
      return [{ ...flight, checking: true }, [{ type: 'read' }]];
    default:
      throw new Error(`An intending flight cannot take the event "${event.type}".`);
  }
}

function hangUp([flight, effects]: Step): Step {
  return [flight, [{ type: 'hang_up' }, ...effects]];
}

function clearing(flight: Extract<Flight, { at: 'clearing' }>, event: FlightEvent): Step {
  const end = (): Step => (flight.then === 'read' ? takeOff() : done(flight.then));
  switch (event.type) {
    case 'written':
      return end();
    case 'write_failed':
      // It runs out by itself; what came of the request stays true.
      return flight.then === 'read' ? done({ kind: 'store_down', error: event.error }) : end();
    case 'refused': {
      const { snapshot } = event;
      if (flight.tries >= 3 || !snapshot || !isOurs(snapshot.record, flight.intent)) return end();
      return [
        { ...flight, tries: flight.tries + 1 },
        [{ type: 'write', expectedRev: snapshot.rev, record: flight.change(snapshot.record) }],
      ];
    }
    default:
      throw new Error(`A clearing flight cannot take the event "${event.type}".`);
  }
}

/** Step 9: an `invalid_grant` is believed only when the record, read again, has not moved and nobody else is at it. */
function recheck(context: FlightContext, intent: Intent, event: Read): Step {
  const { snapshot, time } = event;
  if (!snapshot || !isOurs(snapshot.record, intent)) return decide(context, event);
  const { record } = snapshot;
  const sibling = siblingFirst(context, intent, snapshot, time);
  if (sibling) return sibling;
  const reason = record.unknown ? 'rotation_outcome_lost' : 'revoked_or_expired';
  return bury(snapshot, died(record, reason, time.store));
}

function bury(snapshot: Snapshot, record: GrantRecord): Step {
  return [{ at: 'burying' }, [{ type: 'write', expectedRev: snapshot.rev, record }]];
}

/** What is left of the record's access token at `storeNow`; `null`: there is none. */
export function accessLeftMs(record: GrantRecord, storeNow: number): number | null {
  return record.access ? leftMs(record.access, storeNow) : null;
}
