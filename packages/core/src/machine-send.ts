import type {
  EventTime,
  Flight,
  FlightContext,
  FlightEvent,
  FlightResult,
  Snapshot,
  Step,
} from './flight.ts';
import { decide, makeIntent, replay } from './machine-decide.ts';
import { clear, deathOf, done, hasAnswer, isBehind, isOurs, settled, takeOff } from './machine-parts.ts';
import { withIntent } from './transitions.ts';

export function announcing(
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
      // An answer to this generation has come to light meanwhile.
      if (hasAnswer(snapshot.record)) return clear(snapshot, flight.intent, 'read');
      if (event.time.mono - flight.settling.sinceMono < settleMs) {
        return settle(snapshot, flight.settling.sinceMono, event.time);
      }
      const { lastOkAt } = flight;
      if (context.journaled) {
        return replay({ snapshot, leaseLeftMs: event.leaseLeftMs }, { kind: 'probe', lastOkAt });
      }
      return [{ at: 'connecting', snapshot, kind: 'probe', lastOkAt }, [{ type: 'connect' }]];
    }
    case 'closing':
      return clear(flight.snapshot, flight.intent, { kind: 'closing' });
    default:
      throw new Error(`An announcing flight cannot take the event "${event.type}".`);
  }
}

export function connecting(
  context: FlightContext,
  flight: Extract<Flight, { at: 'connecting' }>,
  event: FlightEvent,
): Step {
  const { snapshot, kind } = flight;
  switch (event.type) {
    case 'connected': {
      if (isBehind(context, snapshot.record)) return hangUp(takeOff());
      const intent = makeIntent(context, snapshot.record, kind, event.time.store, context.timings.leaseMs);
      const record = withIntent(snapshot.record, intent);
      return [
        { at: 'intending', snapshot, record, intent, checking: false, lastOkAt: flight.lastOkAt },
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

export function intending(
  context: FlightContext,
  flight: Extract<Flight, { at: 'intending' }>,
  event: FlightEvent,
): Step {
  const send = (snapshot: Snapshot): Step => {
    const refreshToken = flight.snapshot.pair?.refresh;
    if (!refreshToken) throw new Error('An intent was written for a record without a refresh token.');
    return [
      { at: 'sending', snapshot, intent: flight.intent, lastOkAt: flight.lastOkAt },
      [{ type: 'send', refreshToken, intent: flight.intent }],
    ];
  };
  switch (event.type) {
    case 'written':
      if (isBehind(context, flight.record)) return clear(event.snapshot, flight.intent, 'read');
      return send({ ...event.snapshot, pair: flight.snapshot.pair });
    case 'refused':
    case 'read': {
      // A refusal after a lost answer may be this flight's own write (F118).
      if (event.snapshot && isOurs(event.snapshot.record, flight.intent)) {
        if (isBehind(context, flight.record)) return clear(event.snapshot, flight.intent, 'read');
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

export function clearing(
  context: FlightContext,
  flight: Extract<Flight, { at: 'clearing' }>,
  event: FlightEvent,
): Step {
  const end = (): Step => (flight.then === 'read' ? takeOff() : done(flight.then));
  switch (event.type) {
    case 'written':
      return deathOf(event.snapshot.record, context.refreshYear, event.time.store) &&
        event.snapshot.record.dead
        ? settled(event.snapshot, false)
        : end();
    case 'write_failed':
      // It runs out by itself; what came of the request stays true.
      return flight.then === 'read' ? done({ kind: 'store_down', error: event.error }) : end();
    case 'refused': {
      const { snapshot } = event;
      if (flight.tries >= 3 || !snapshot || !isOurs(snapshot.record, flight.intent)) {
        // What stood in the way may be newer than what a store that falls back shows the next time.
        return flight.then === 'read' ? decide(context, event) : end();
      }
      return [
        { ...flight, tries: flight.tries + 1 },
        [{ type: 'write', expectedRev: snapshot.rev, record: flight.change(snapshot.record) }],
      ];
    }
    default:
      throw new Error(`A clearing flight cannot take the event "${event.type}".`);
  }
}
