import type { Flight, FlightContext, FlightEffect, FlightEvent } from '../flight.ts';
import { compareGrants } from '../record.ts';
import type { TokenOutcome } from '../token-outcome.ts';
import { checkProbe, checkSend, checkWrite, tokenOf } from './invariants.fixture.ts';
import {
  pairIn,
  processAt,
  received,
  remembered,
  runningAt,
  snapshotOf,
  take,
  timeOf,
  withProcess,
  withStore,
  withTruth,
} from './memory.fixture.ts';
import { normal } from './parts.fixture.ts';
import { familyOf } from './provider.fixture.ts';
import {
  type Answer,
  type Config,
  NOW,
  type Op,
  type Outcome,
  type Process,
  type Running,
  type Store,
  TICK,
  type World,
} from './world.fixture.ts';

/**
 * The part of the shell: carries out what a flight asks for and answers it, as `run-flight`, the repository and the
 * refresher do. The gate is open, connections come up at once, and nothing is parsed or sealed.
 */

/** Loads the record into an idle process, in one step. */
export function load(config: Config, world: World, index: number): World {
  const [process] = received(config, processAt(world, index), snapshotOf(world), NOW);
  return withProcess(world, index, process);
}

/** In a store that gives no revision twice: any that nobody remembers, so that equal states look equal. */
export function nextRevision({ revisions }: Config, { store, processes }: World): number {
  if (revisions === 'counted') return (store.row?.rev ?? 0) + 1;
  const used = new Set([store.row?.rev, ...store.past.map(({ row }) => row?.rev)]);
  for (const { running } of processes) {
    if (!running) continue;
    const { flight, op } = running;
    if ('snapshot' in flight) used.add(flight.snapshot.rev);
    if ('rev' in flight) used.add(flight.rev);
    if ('found' in flight) used.add(flight.found.snapshot?.rev);
    if (op.kind === 'write') used.add(op.expectedRev ?? 0);
    if (op.kind === 'answered' && 'snapshot' in op.answer) used.add(op.answer.snapshot?.rev);
  }
  let rev = 1;
  while (used.has(rev)) rev += 1;
  return rev;
}

/** Carries out a read or write at the store. The answer has not reached the process. */
export function execute(config: Config, world: World, index: number): readonly [World, Answer] {
  const { op, flight } = runningAt(world, index);
  if (op.kind === 'read') return [world, { type: 'read', snapshot: snapshotOf(world), now: NOW }];
  if (op.kind !== 'write') throw new Error(`The store does not take "${op.kind}".`);
  const { row, family, past } = world.store;
  const actual = row?.rev ?? null;
  if (config.system.expects(flight, op.expectedRev, actual) !== actual) {
    return [world, { type: 'refused', snapshot: snapshotOf(world), now: NOW }];
  }
  const token = tokenOf(op.record);
  const to = token ? familyOf(token) : op.record.epoch <= 1 ? '1' : String(op.record.epoch - NOW + 1);
  checkWrite(config, world, index, op.record, to);
  const intent = op.record.intent;
  let next = world;
  if (intent?.kind === 'probe' && row?.record.intent?.kind !== 'probe') checkProbe(world, intent);
  if (intent?.kind === 'announce') {
    next = withTruth(next, { announced: { attemptId: intent.attemptId, lasts: config.ticks.settle } });
    next = withProcess(next, index, { running: { ...runningAt(next, index), replayed: null } });
  }
  const record = normal(op.record);
  const rev = nextRevision(config, world);
  const canFall = config.kinds.includes('fallback') && !world.truth.fell;
  const kept = canFall ? [...past, { row, family }].slice(-3) : past;
  next = withStore(next, { row: { rev, record }, family: to, past: kept });
  return [next, { type: 'written', snapshot: { rev, record, pair: pairIn(record) }, now: NOW }];
}

function tokenOutcome(outcome: Outcome): TokenOutcome {
  switch (outcome.kind) {
    case 'ok': {
      const { token } = outcome;
      const response = {
        accessToken: `access ${token}`,
        refreshToken: token,
        expiresInSeconds: 1,
        refreshExpiresInSeconds: null,
        userEmail: null,
        format: 'json',
        anomalies: [],
      } as const;
      return { kind: 'ok', response };
    }
    case 'invalid_grant':
      return { kind: 'rejected', error: 'invalid_grant' };
    case 'unknown':
      return { kind: 'unknown', reason: 'reset', status: null, retryAfterMs: null };
    case 'unrecognized':
      return { kind: 'unrecognized', status: 418, error: null };
    case 'rate_limited':
      return { kind: 'not_sent', reason: 'rate_limited', retryAfterMs: null, detail: '429' };
    default:
      return outcome satisfies never;
  }
}

const DOWN = new Error('The store did not answer.');

/** An answer reaches its flight, which goes on until it asks for something again. */
export function deliver(config: Config, world: World, index: number, answer: Answer): World {
  const process = processAt(world, index);
  const { op } = runningAt(world, index);
  switch (answer.type) {
    case 'failed': {
      const type = op.kind === 'write' ? 'write_failed' : 'read_failed';
      return proceed(config, world, index, { type, error: DOWN, time: timeOf(process) });
    }
    case 'outcome':
      return deliverOutcome(config, world, index, answer.outcome);
    case 'read':
    case 'refused':
    case 'written': {
      const [later, leaseLeftMs] = received(config, process, answer.snapshot, answer.now);
      const { snapshot } = answer;
      const running = runningAt(world, index);
      const refusal = running.refusal === 'unchecked' ? 'checked' : running.refusal;
      const next = withProcess(world, index, { ...later, running: { ...running, refusal } });
      const time = timeOf(later);
      if (answer.type !== 'written')
        return proceed(config, next, index, { type: answer.type, snapshot, leaseLeftMs, time });
      if (!snapshot) throw new Error('A write leaves a row.');
      return proceed(config, next, index, { type: 'written', snapshot, leaseLeftMs, time });
    }
    default:
      return answer satisfies never;
  }
}

function deliverOutcome(config: Config, world: World, index: number, outcome: Outcome): World {
  const running = runningAt(world, index);
  const { truth } = world;
  let next = world;
  if (outcome.kind === 'ok' && !truth.received.includes(outcome.token)) {
    next = withTruth(next, { received: [...truth.received, outcome.token].sort() });
  }
  if (outcome.kind === 'unrecognized' || outcome.kind === 'rate_limited') {
    const presented = truth.presented.filter(({ attemptId }) => attemptId !== running.attemptId);
    next = withTruth(next, { presented });
  }
  if (outcome.kind === 'invalid_grant')
    next = withProcess(next, index, { running: { ...running, refusal: 'unchecked', replayed: null } });
  const event = {
    type: 'outcome',
    outcome: tokenOutcome(outcome),
    time: timeOf(processAt(next, index)),
  } as const;
  return proceed(config, next, index, event);
}

export function contextOf(config: Config, process: Process, { attemptId, known }: Running): FlightContext {
  return {
    attemptId,
    owner: process.owner,
    newest: process.known,
    timings: config.believed,
    known,
    jitter: 0,
    configuredLifeMs: undefined,
    refreshYear: 'unknown',
    journaled: config.journal !== 'none',
    reparsed: null,
    deadToken: null,
    purpose: 'refresh',
  };
}

/** Begins a flight. */
export function takeOff(config: Config, world: World, index: number, attemptId: string): World {
  const process = processAt(world, index);
  const [flight, effects] = config.system.takeOff();
  const running: Running = {
    attemptId,
    known: process.known,
    flight,
    op: { kind: 'read' },
    writtenAt: 0,
    refusal: 'none',
    replayed: null,
  };
  return carryOut(config, withProcess(world, index, { running }), index, flight, effects);
}

/** One event into the real machine, and its effects. */
export function proceed(config: Config, world: World, index: number, event: FlightEvent): World {
  const running = runningAt(world, index);
  const [flight, effects] = config.system.step(
    contextOf(config, processAt(world, index), running),
    running.flight,
    event,
  );
  return carryOut(config, world, index, flight, effects);
}

function carryOut(
  config: Config,
  world: World,
  index: number,
  flight: Flight,
  effects: readonly FlightEffect[],
): World {
  let next = withProcess(world, index, { running: { ...runningAt(world, index), flight } });
  let asked: FlightEffect | null = null;
  for (const effect of effects) {
    switch (effect.type) {
      case 'hang_up':
      case 'blocked':
      case 'anomaly':
      case 'report':
        break;
      case 'hold':
        next = withProcess(next, index, { known: remembered(config, effect.snapshot), unpersisted: true });
        break;
      case 'forget':
        next = forget(next, index, effect.below);
        break;
      default:
        asked = effect;
    }
  }
  if (flight.at === 'done') return landed(config, next, index, flight.result);
  if (!asked) throw new Error(`A flight at "${flight.at}" asked for nothing.`);
  return ask(config, next, index, asked);
}

function ask(config: Config, world: World, index: number, effect: FlightEffect): World {
  const process = processAt(world, index);
  const running = runningAt(world, index);
  const time = timeOf(process);
  const wait = (op: Op, change: Partial<Running> = {}): World =>
    withProcess(world, index, { running: normal({ ...running, ...change, op }) });
  switch (effect.type) {
    case 'read':
      return wait({ kind: 'read' });
    case 'write': {
      const { expectedRev, record } = effect;
      return wait(
        { kind: 'write', expectedRev, record },
        running.flight.at === 'intending' ? { writtenAt: NOW } : {},
      );
    }
    case 'replay':
      return wait({ kind: 'replay', above: effect.above, beside: effect.beside });
    case 'journal':
      return wait({ kind: 'journal', record: effect.record });
    case 'timer':
      return wait({ kind: 'timer', ticks: Math.ceil(effect.ms / 10_000) });
    case 'gate':
      return proceed(config, world, index, { type: 'gate_open', lastOkAt: null, time });
    case 'connect':
      return proceed(config, world, index, { type: 'connected', time });
    case 'send': {
      if (
        !config.system.maySend(
          NOW - running.writtenAt,
          effect.intent.leaseUntil - time.store,
          config.believed,
        )
      ) {
        const detail = 'the lease is nearly over';
        const outcome = { kind: 'not_sent', reason: 'lease_too_short', retryAfterMs: null, detail } as const;
        return proceed(config, world, index, { type: 'outcome', outcome, time });
      }
      return send(config, wait({ kind: 'send' }), index, effect);
    }
    default:
      throw new Error(`The model knows no "${effect.type}".`);
  }
}

function send(
  config: Config,
  world: World,
  index: number,
  { refreshToken, intent }: Extract<FlightEffect, { type: 'send' }>,
): World {
  checkSend(config, world, index, intent, refreshToken);
  const { flight } = runningAt(world, index);
  const epoch = flight.at === 'sending' ? flight.snapshot.record.epoch : 0;
  const { attemptId, generation, leaseUntil } = intent;
  const { truth } = world;
  const request = { attemptId, token: refreshToken, epoch, generation, age: 0, orphan: false };
  const presented = truth.presented.filter(({ token }) => token !== refreshToken);
  return withTruth(world, {
    requests: [...truth.requests, request],
    presented: [
      ...presented,
      { token: refreshToken, attemptId, lasts: Math.max(0, (leaseUntil - NOW) / TICK) },
    ],
  });
}

function forget(world: World, index: number, below: { epoch: number; generation: number }): World {
  const kept = (entries: Process['journal']): Process['journal'] =>
    entries.filter(
      ({ record }) =>
        compareGrants(record, below) >= 0 ||
        entries.every((other) => compareGrants(other.record, record) <= 0),
    );
  const own = processAt(world, index).journal;
  return withProcess(withStore(world, { journal: kept(world.store.journal) }), index, { journal: kept(own) });
}

/** As `Refresher.#landed`. */
function landed(
  config: Config,
  world: World,
  index: number,
  result: Extract<Flight, { at: 'done' }>['result'],
): World {
  const process = processAt(world, index);
  const { attemptId } = runningAt(world, index);
  const idle: Process = { ...process, running: null, unpersisted: false, excused: process.cut };
  const next = result.kind === 'settled' ? take(config, idle, result.snapshot) : idle;
  // The name is compared by its own flight only, so that later flights may bear it again.
  const nameless = (row: Store['row']): Store['row'] => {
    if (!row) return null;
    const { lastAttemptId, attemptIds } = row.record;
    const record = {
      ...row.record,
      lastAttemptId: lastAttemptId === attemptId ? null : lastAttemptId,
      attemptIds: attemptIds.filter((name) => name !== attemptId),
    };
    return { ...row, record };
  };
  const { row, past } = world.store;
  const { truth } = world;
  const presented = truth.presented.map((entry) =>
    entry.attemptId === attemptId ? { ...entry, attemptId: '' } : entry,
  );
  const announced = truth.announced?.attemptId === attemptId ? null : truth.announced;
  return withStore(withTruth(withProcess(world, index, next), { presented, announced }), {
    row: nameless(row),
    past: past.map((older) => ({ ...older, row: nameless(older.row) })),
  });
}
