import type { Flight, FlightContext, FlightEvent, Step } from '../flight.ts';
import { step } from '../machine.ts';
import { withSibling } from '../transitions.ts';
import { configOf, OLD_IDEA_OF_TIME, REAL } from './system.fixture.ts';
import { type Config, type System, TICKS, timingsOf } from './world.fixture.ts';

/** Machines and shells that lack one rule, built around the real ones. */

type Stepper = System['step'];
type At<Name extends Flight['at']> = Extract<Flight, { at: Name }>;
type Found = Extract<FlightEvent, { type: 'read' | 'refused' | 'written' }>;

export interface Mutant {
  /** The rule that is missing. */
  readonly name: string;
  /** What the checker finds broken. */
  readonly invariant: string;
  readonly config: Config;
}

function mutant(
  name: string,
  invariant: string,
  system: Partial<System>,
  change: Partial<Omit<Config, 'system'>>,
): Mutant {
  return { name, invariant, config: configOf({ ...change, system: { ...REAL, ...system } }) };
}

const found = (event: FlightEvent): event is Found =>
  event.type === 'read' || event.type === 'refused' || event.type === 'written';

/** Goes on as if what the flight asked for had been done. */
const skipWrite = (context: FlightContext, flight: At<'intending'>, { time }: FlightEvent): Step => {
  const { snapshot } = flight;
  return step(context, flight, { type: 'written', snapshot, leaseLeftMs: context.timings.leaseMs, time });
};

const noIntent: Stepper = (context, flight, event) => {
  const [next, effects] = step(context, flight, event);
  return next.at === 'intending' && !next.checking ? skipWrite(context, next, event) : [next, effects];
};

const ownIntentIgnored: Stepper = (context, flight, event) => {
  const intent = found(event) ? event.snapshot?.record.intent : null;
  const earlier = intent?.owner === context.owner && intent.attemptId !== context.attemptId;
  if (!earlier || !found(event) || !event.snapshot) return step(context, flight, event);
  const { snapshot } = event;
  const record = { ...snapshot.record, intent: null };
  return step(context, flight, { ...event, snapshot: { ...snapshot, record }, leaseLeftMs: 0 });
};

const fencedByLease: Stepper = (context, flight, event) => {
  const late = flight.at === 'sending' && event.time.store >= flight.intent.leaseUntil;
  if (!late || event.type !== 'outcome' || event.outcome.kind !== 'ok') return step(context, flight, event);
  return [{ at: 'done', result: { kind: 'uncertain', reason: 'lease_over', retryAfterMs: 1 } }, []];
};

const noHold: Stepper = (context, flight, event) => {
  const failed = event.type === 'write_failed' || event.type === 'read_failed';
  if (flight.at !== 'persisting' || !failed) return step(context, flight, event);
  return [{ at: 'done', result: { kind: 'store_down', error: event.error } }, []];
};

/** A refusal is believed at once: neither the record nor a journal is looked at again. */
const noReRead: Stepper = (context, flight, event) => {
  const refused = step(context, flight, event);
  if (flight.at !== 'sending' || refused[0].at !== 'rechecking') return refused;
  const { time } = event;
  const { snapshot } = flight;
  const read = step(context, refused[0], { type: 'read', snapshot, leaseLeftMs: 1, time });
  return read[0].at === 'replaying'
    ? step(context, read[0], { type: 'replayed', entry: null, answer: null, pending: null, time })
    : read;
};

const noReplay: Stepper = (context, flight, event) => {
  const [next, effects] = step(context, flight, event);
  if (next.at !== 'replaying') return [next, effects];
  return step(context, next, {
    type: 'replayed',
    entry: null,
    answer: null,
    pending: null,
    time: event.time,
  });
};

/** A journal is looked into before the announcement, and not again when the settle time is over. */
const looksOnce: Stepper = (context, flight, event) => {
  const [next, effects] = step(context, flight, event);
  if (next.at !== 'replaying' || next.then.kind !== 'probe') return [next, effects];
  return step(context, next, {
    type: 'replayed',
    entry: null,
    answer: null,
    pending: null,
    time: event.time,
  });
};

const unannounced: Stepper = (context, flight, event) => {
  const [next, effects] = step(context, flight, event);
  if (next.at !== 'announcing' || next.settling) return [next, effects];
  const { snapshot, lastOkAt } = next;
  return [{ at: 'connecting', snapshot, kind: 'probe', lastOkAt }, [{ type: 'connect' }]];
};

/** T1: a failed read while settling is as good as one that found nothing. */
const settlesThroughOutages: Stepper = (context, flight, event) => {
  if (flight.at !== 'announcing' || event.type !== 'read_failed') return step(context, flight, event);
  return [flight, [{ type: 'timer', ms: context.timings.pollMs }]];
};

/** T2: the announcement itself is the lease of the probe. */
const announcementIsLease: Stepper = (context, flight, event) => {
  const [next, effects] = step(context, flight, event);
  const probes = next.at === 'intending' && !next.checking && next.intent.kind === 'probe';
  return probes ? skipWrite(context, next, event) : [next, effects];
};

/** T4: a sibling of a dead record is put beside it. */
const siblingStays: Stepper = (context, flight, event) => {
  const record = found(event) ? event.snapshot?.record : null;
  if (flight.at !== 'persisting' || flight.keep.kind !== 'pair' || !found(event) || !event.snapshot)
    return step(context, flight, event);
  if (
    event.type === 'written' ||
    !record?.dead ||
    record.generation <= flight.intent.generation ||
    record.sibling
  )
    return step(context, flight, event);
  const beside = withSibling(record, flight.keep.next, flight.intent.generation + 1);
  return [flight, [{ type: 'write', expectedRev: event.snapshot.rev, record: beside }]];
};

/** T5: any other epoch drops what was received. */
const otherEpochDrops: Stepper = (context, flight, event) => {
  const other =
    flight.at === 'persisting' && found(event) && event.snapshot?.record.epoch !== flight.keep.epoch;
  if (!other || event.type === 'written') return step(context, flight, event);
  return [{ at: 'done', result: { kind: 'settled', snapshot: event.snapshot, refreshed: false } }, []];
};

/** T7: what is repaired counts as nobody's. */
const repairsWithoutIntent: Stepper = (context, flight, event) => {
  const [next, effects] = step(context, flight, event);
  if (next.at !== 'repairing') return [next, effects];
  const bare = effects.map((effect) =>
    effect.type === 'write'
      ? { ...effect, record: { ...effect.record, intent: null, unknown: null } }
      : effect,
  );
  return [next, bare];
};

/** T10: after two outcomes that nobody knows, nothing is tried any more. */
const probesEnd: Stepper = (context, flight, event) => {
  const [next, effects] = step(context, flight, event);
  if (next.at !== 'gating' || next.kind !== 'probe' || (next.snapshot.record.unknown?.count ?? 0) < 1)
    return [next, effects];
  return [{ at: 'done', result: { kind: 'uncertain', reason: 'given_up', retryAfterMs: 1 } }, []];
};

const always = (): boolean => true;
/** Leaves time for a second request while the first one is still on its way. */
const LONG = { ...TICKS, lease: 5, response: 3, settle: 1 };

/** One for each rule that keeps a grant from being lost. */
export const MUTANTS: readonly Mutant[] = [
  mutant('no intent', 'I4', { step: noIntent, maySend: always }, { faults: 0 }),
  mutant(
    'own intent ignored',
    'I1',
    { step: ownIntentIgnored },
    { kinds: ['slow'], owners: true, ticks: LONG },
  ),
  mutant(
    'blind write',
    'I2',
    { expects: (flight, expected, actual) => (flight.at === 'persisting' ? actual : expected) },
    { kinds: ['reauthorize'] },
  ),
  mutant('write fenced by lease', 'I5', { step: fencedByLease }, { kinds: ['pause'] }),
  mutant('no hold', 'I5', { step: noHold }, { kinds: ['store_error'] }),
  mutant('no re-read', 'I7', { step: noReRead }, { kinds: ['pause'], journal: 'shared', reuse: 'refused' }),
  mutant('probe before replay', 'I6', { step: noReplay }, { kinds: ['crash'], journal: 'shared' }),
  mutant('one look into journals', 'I6', { step: looksOnce }, { kinds: ['pause'], journal: 'shared' }),
  mutant('unannounced probe', 'I6', { step: unannounced }, { kinds: ['answer_lost'] }),
  mutant(
    'lease shorter than deadline',
    'I1',
    {},
    { faults: 0, ticks: { ...TICKS, response: 6 }, believed: timingsOf(TICKS) },
  ),
  mutant(
    'no epoch',
    'I2',
    { authorized: (before, after) => ({ ...after, epoch: before.epoch }) },
    { kinds: ['reauthorize'] },
  ),
];

/** What a shell must not do, found by this checker. */
export const SHELLS: readonly Mutant[] = [
  mutant(
    'the lease is reckoned from an old idea of the time',
    'I1',
    { maySend: OLD_IDEA_OF_TIME },
    { kinds: ['pause'], ticks: LONG },
  ),
  mutant(
    'a store that fell back gives the same revisions again',
    'I2',
    {},
    { kinds: ['fallback'], generations: 3, revisions: 'counted' },
  ),
];

/** Rules that stop a run of `traces.md`. */
export const TRACES: readonly Mutant[] = [
  mutant(
    'T1 settles through an outage',
    'I10',
    { step: settlesThroughOutages },
    { kinds: ['outage'], faults: 2 },
  ),
  mutant(
    'T2 the announcement is the lease',
    'I1',
    { step: announcementIsLease, maySend: always },
    { kinds: ['request_lost', 'slow'], faults: 2, ticks: LONG },
  ),
  mutant(
    'T3 no look at the lease before the first byte',
    'I4',
    { maySend: always },
    { kinds: ['pause'], ticks: LONG },
  ),
  mutant(
    'T4 the sibling of a dead record is not tried',
    'stuck',
    { step: siblingStays },
    { kinds: ['pause'], reuse: 'replace' },
  ),
  mutant(
    'T5 an older epoch drops a pair',
    'I5',
    { step: otherEpochDrops },
    { kinds: ['reauthorize', 'fallback'], faults: 2 },
  ),
  mutant(
    'T6 epochs are only counted',
    'I2',
    { authorized: (before, after) => ({ ...after, epoch: before.epoch + 1 }) },
    { kinds: ['reauthorize', 'fallback'], faults: 3 },
  ),
  mutant(
    'T7 a repair without an intent',
    'I1',
    { step: repairsWithoutIntent },
    { kinds: ['fallback'], generations: 3 },
  ),
  mutant('T10 probes come to an end', 'stuck', { step: probesEnd }, { kinds: ['request_lost'], faults: 2 }),
  mutant(
    'T14 a pair is retried less often than a probe settles',
    'I10',
    {},
    { kinds: ['outage'], ticks: { ...TICKS, persistRetry: 6 } },
  ),
  mutant('T15 a disconnect deletes the row', 'I2', { disconnected: () => null }, { kinds: ['disconnect'] }),
];
