import type { Flight, FlightContext, FlightEvent, Step } from './flight.ts';
import { announce, decide, recheck, reparsed, replayed } from './machine-decide.ts';
import { concluded, persisting } from './machine-outcome.ts';
import { done, forgotten, settled } from './machine-parts.ts';
import { announcing, clearing, connecting, intending } from './machine-send.ts';

export { probeNotBefore } from './machine-decide.ts';
export { takeOff } from './machine-parts.ts';
export { uncertain } from './transitions.ts';

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
    case 'replaying':
      if (event.type === 'replayed') return replayed(context, flight, event);
      // A pair may be in there: without a look nothing is sent and nobody is declared dead.
      if (event.type === 'replay_failed') return done({ kind: 'store_down', error: event.error });
      break;
    case 'restoring':
      if (event.type === 'written' && flight.what === 'pair') {
        const { snapshot } = event;
        return done({ kind: 'settled', snapshot, refreshed: true }, forgotten(snapshot.record));
      }
      if (event.type === 'written' || event.type === 'refused') return decide(context, event);
      if (event.type === 'write_failed') return done({ kind: 'store_down', error: event.error });
      break;
    case 'reparsing':
      if (event.type === 'reparsed') return reparsed(context, flight, event.outcome, event.time);
      break;
    case 'gating':
      if (event.type === 'gate_open') {
        const { snapshot, kind } = flight;
        if (kind === 'probe') return announce(context, snapshot, event.time, event.lastOkAt);
        return [{ at: 'connecting', snapshot, kind, lastOkAt: event.lastOkAt }, [{ type: 'connect' }]];
      }
      if (event.type === 'gate_closed') {
        const { retryAfterMs, reason } = event;
        return done({ kind: 'not_sent', reason: 'breaker_open', retryAfterMs, detail: reason });
      }
      if (event.type === 'closing') return done({ kind: 'closing' });
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
      return clearing(context, flight, event);
    case 'persisting':
      return persisting(context, flight, event);
    case 'rechecking':
      if (event.type === 'read') return recheck(context, flight.intent, event);
      break;
    case 'burying':
      if (event.type === 'written')
        return settled(event.snapshot, event.snapshot.record.lastAttemptId === context.attemptId);
      // Somebody wrote beside it: the refusal stands, and is looked at once more before it is believed.
      if (event.type === 'refused')
        return flight.intent ? recheck(context, flight.intent, event) : decide(context, event);
      if (event.type === 'write_failed') return done({ kind: 'store_down', error: event.error });
      break;
    case 'done':
      break;
    default:
      return flight satisfies never;
  }
  throw new Error(`A flight at "${flight.at}" cannot take the event "${event.type}".`);
}
