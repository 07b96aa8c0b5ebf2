import { step, takeOff } from '../machine.ts';
import { type Config, type System, TICKS, timingsOf } from './world.fixture.ts';

/** The real machine, and the shell as it is. */
export const REAL: System = {
  step,
  takeOff,
  // `leaseLeftMs` is by the store's time, which came with the answer to the write.
  maySend: (passedMs, leaseLeftMs, { leaseMs, responseMs, lingerMs }) =>
    Math.min(leaseLeftMs, leaseMs - passedMs) >= responseMs + lingerMs,
  expects: (_, expectedRev) => expectedRev,
  authorized: (_, after) => after,
  disconnected: (_, after) => after,
};

/** Counts the lease from the write alone, however old the time was that it was reckoned from. */
export const OLD_IDEA_OF_TIME: System['maySend'] = (
  passedMs,
  _leaseLeftMs,
  { leaseMs, responseMs, lingerMs },
) => leaseMs - passedMs >= responseMs + lingerMs;

export function configOf(change: Partial<Config> = {}): Config {
  const ticks = change.ticks ?? TICKS;
  return {
    processes: 2,
    generations: 2,
    faults: 1,
    kinds: ['store_error', 'crash', 'pause', 'request_lost', 'answer_lost', 'slow'],
    journal: 'none',
    reuse: 'family',
    ticks,
    believed: timingsOf(ticks),
    system: REAL,
    owners: false,
    revisions: 'unique',
    strictLabels: true,
    ...change,
  };
}
