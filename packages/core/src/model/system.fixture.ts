import { step, takeOff } from '../machine.ts';
import { type Config, type System, TICKS, timingsOf } from './world.fixture.ts';

/** The real machine, and the shell as it is. */
export const REAL: System = {
  step,
  takeOff,
  maySend: (passedMs, _leaseLeftMs, { leaseMs, responseMs, lingerMs }) =>
    leaseMs - passedMs >= responseMs + lingerMs,
  expects: (_, expectedRev) => expectedRev,
  authorized: (_, after) => after,
  disconnected: (_, after) => after,
};

/**
 * The real machine with a check of the lease that counts from the store's own time: the intent's end was reckoned from
 * what this process took for the store's time, which is behind when the answer that told it lay unread.
 */
export const AMENDED: System = {
  ...REAL,
  maySend: (passedMs, leaseLeftMs, { leaseMs, responseMs, lingerMs }) =>
    // The store's time came with the answer to the write, which is no older than the write.
    Math.min(leaseLeftMs, leaseMs) - passedMs >= responseMs + lingerMs,
};

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
    system: AMENDED,
    owners: false,
    revisions: 'unique',
    strictLabels: false,
    ...change,
  };
}
