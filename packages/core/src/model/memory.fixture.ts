import { CLOCK_DRIFT_MS } from '../expiry.ts';
import type { EventTime, Snapshot } from '../flight.ts';
import { compareGrants, EMPTY_RECORD, type GrantRecord } from '../record.ts';
import { sightLease } from '../store-time.ts';
import { normal } from './parts.fixture.ts';
import {
  type Config,
  NOW,
  type Process,
  type Running,
  type Sight,
  type Store,
  type Truth,
  type World,
} from './world.fixture.ts';

/** What a process has in memory, and what it makes of an answer of the store. */

export function withProcess(world: World, index: number, change: Partial<Process>): World {
  const processes = world.processes.map((process, at) =>
    at === index ? { ...process, ...change } : process,
  );
  return { ...world, processes };
}

export function withTruth(world: World, change: Partial<Truth>): World {
  return { ...world, truth: { ...world.truth, ...change } };
}

export function withStore(world: World, change: Partial<Store>): World {
  return { ...world, store: { ...world.store, ...change } };
}

export function processAt(world: World, index: number): Process {
  const process = world.processes[index];
  if (!process) throw new Error(`There is no process ${index}.`);
  return process;
}

export function runningAt(world: World, index: number): Running {
  const { running } = processAt(world, index);
  if (!running) throw new Error(`Process ${index} has no flight.`);
  return running;
}

export function timeOf({ lag }: Process): EventTime {
  return { store: NOW + lag, mono: NOW };
}

export function pairIn(record: GrantRecord): Snapshot['pair'] {
  return typeof record.tokens === 'string' ? null : record.tokens;
}

/** What memory holds of a grant. Its details matter only where a store may fall back and be repaired from it. */
export function remembered(config: Config, snapshot: Snapshot | null): Snapshot | null {
  if (!snapshot) return null;
  const { record, pair } = snapshot;
  if (config.kinds.includes('fallback')) return normal({ rev: 0, record, pair });
  const { epoch, generation, tokens, dead, disconnectedAt } = record;
  return normal({
    rev: 0,
    record: { ...EMPTY_RECORD, epoch, generation, tokens, dead, disconnectedAt },
    pair,
  });
}

/** As `HeldGrant.take`: never goes back. */
export function take(config: Config, process: Process, snapshot: Snapshot | null): Process {
  const held = process.known;
  const behind = held !== null && (!snapshot || compareGrants(snapshot.record, held.record) < 0);
  return behind ? process : { ...process, known: remembered(config, snapshot) };
}

/** As `GrantRepository.#view`, with the store's time as this process knows it. */
export function lookAt(config: Config, process: Process, snapshot: Snapshot | null): [number, Sight | null] {
  const intent = snapshot?.record.intent;
  if (!intent) return [0, null];
  const sight = process.sight;
  const { attemptId, kind, leaseUntil } = intent;
  const previous = sight && {
    key: `${sight.attemptId} ${sight.kind} ${sight.leaseUntil}`,
    jumps: sight.jumped ? -1 : 0,
    monoEndsAt: sight.monoEndsAt,
    distrusted: sight.distrusted,
  };
  const jump = process.jump && { mono: process.jump.jumpedAt, byMs: process.jump.byMs };
  const at = { ...timeOf(process), jumps: 0, jump };
  const seen = sightLease(intent, previous, at, config.believed);
  const { jumps, monoEndsAt, distrusted } = seen.sight;
  return [seen.leftMs, { attemptId, kind, leaseUntil, jumped: jumps !== 0, monoEndsAt, distrusted }];
}

/** As `StoreTime.note`. */
function noted({ believed: { leaseMs } }: Config, process: Process, now: number): Process {
  const lag = now - NOW;
  const jumped = process.loaded && Math.abs(lag - process.lag) > CLOCK_DRIFT_MS;
  const sight = process.sight && { ...process.sight, jumped: process.sight.jumped || jumped };
  const recent = process.jump && NOW - process.jump.jumpedAt < leaseMs ? process.jump : null;
  const jump = jumped ? { jumpedAt: NOW, byMs: lag - process.lag } : recent;
  return { ...process, lag, jump, sight, loaded: true };
}

/** The store's answer, looked at. */
export function received(
  config: Config,
  process: Process,
  snapshot: Snapshot | null,
  now: number,
): readonly [Process, number] {
  const later = noted(config, process, now);
  const [leaseLeftMs, sight] = lookAt(config, later, snapshot);
  return [take(config, { ...later, sight }, snapshot), leaseLeftMs];
}

export function snapshotOf(world: World): Snapshot | null {
  const { row } = world.store;
  return row && { rev: row.rev, record: row.record, pair: pairIn(row.record) };
}
