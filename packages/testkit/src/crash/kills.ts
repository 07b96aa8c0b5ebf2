import { readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { CrashProcess } from './crash-process.ts';
import { CrashStage, type Outcome } from './crash-stage.ts';
import type { CrashSuiteOptions, CrashSwitches } from './options.ts';
import type { CrashPoint } from './points.ts';

/** What became of one connection. */
export interface KillReport {
  /** How the process ended that was taken down. */
  readonly how: NodeJS.Signals | number;
  readonly outcome: Outcome;
  /** Virtual milliseconds from there to the outcome. */
  readonly afterMs: number;
  /** Verdicts on the refresh tokens that were presented. */
  readonly presented: readonly string[];
  readonly rotatedUnused: boolean;
  readonly rotatedUnread: boolean;
  /** What the provider's API says to the token in the end; `null`: there is none. */
  readonly status: number | null;
}

/** Processes that start at the same time; more only get into each other's way. */
const AT_A_TIME = 4;
/** Virtual milliseconds per real one while waiting for the next processes. */
const RATE = 5;

/**
 * Takes a process down at each point, each on a connection of its own, and lets one process find out what became of
 * them. `together`: one process is at all points at the same time, and is killed once.
 */
export async function killAt(
  options: CrashSuiteOptions,
  points: readonly CrashPoint[],
  setting: { readonly switches?: CrashSwitches; readonly together?: boolean } = {},
): Promise<Map<string, KillReport>> {
  const { switches = {}, together = false } = setting;
  const ids = points.map(({ id }) => id);
  const stage = await CrashStage.open(options, ids, { switches, place: await options.create() });
  try {
    const ends = new Map<string, NodeJS.Signals | number>();
    const endedAt = new Map<string, number>();
    const ended = (id: string, how: NodeJS.Signals | number): void => {
      ends.set(id, how);
      endedAt.set(id, stage.emulator.clock.now());
    };
    const seconds = points.filter(({ second }) => second);
    stage.expire();
    if (together) {
      const how = await killOnce(stage, points);
      for (const id of ids) ended(id, how);
    } else {
      await killOnce(stage, seconds);
      await pooled(
        points.filter(({ second }) => !second),
        async (point) => ended(point.id, await killOne(stage, point)),
      );
    }
    for (const { id } of points.filter(({ torn }) => torn)) tearEntry(join(stage.folder, 'journal'), id);

    const survivor = await stage.start({ journals: ['file', 'store'] });
    const victims = together
      ? await startTogether(stage, seconds)
      : await Promise.all(seconds.map((point) => startAt(stage, point)));
    stage.emulator.clock.setRate(RATE);
    const others = points.filter(({ second }) => !second);
    const drivenFrom = stage.emulator.clock.now();
    const outcomes = await stage.drive([
      ...others.map(({ id }) => [survivor, id] as const),
      ...victims.map((victim, index) => [victim, seconds[index]?.id ?? ''] as const),
    ]);
    for (const [index, { id }] of seconds.entries()) ends.set(id, (await victims[index]?.gone) ?? 0);
    const later = await stage.drive(seconds.map(({ id }) => [survivor, id] as const));
    stage.emulator.clock.setRate(1);

    const reports = new Map<string, KillReport>();
    for (const id of ids) {
      const outcome = later.get(id) ?? outcomes.get(id) ?? { kind: 'gone' };
      reports.set(id, {
        how: ends.get(id) ?? 0,
        outcome,
        afterMs:
          drivenFrom - (endedAt.get(id) ?? drivenFrom) + (outcome.kind === 'gone' ? 0 : outcome.virtualMs),
        presented: stage.presented(id),
        rotatedUnused: stage.rotatedUnused(id),
        rotatedUnread: stage.rotatedUnread(id),
        status: outcome.kind === 'token' ? await stage.statusOf(id, outcome.digest) : null,
      });
    }
    return reports;
  } finally {
    await stage.close();
  }
}

function startAt(stage: CrashStage, { id, trap, journals }: CrashPoint): Promise<CrashProcess> {
  return stage.start({ journals, traps: trap ? [{ connection: id, ...trap }] : [] }, true);
}

/** One process for all, which is killed when it has come to all points. */
async function startTogether(stage: CrashStage, points: readonly CrashPoint[]): Promise<CrashProcess[]> {
  const traps = points.flatMap(({ id, trap }) =>
    trap ? [{ connection: id, at: trap.at, action: 'hold' } as const] : [],
  );
  const victim = await stage.start({ journals: ['file'], traps });
  void Promise.all(points.map(({ id }) => victim.reached(id))).then(() => victim.kill());
  return points.map(() => victim);
}

/** A process that is taken down at one point. */
async function killOne(stage: CrashStage, point: CrashPoint): Promise<NodeJS.Signals | number> {
  const { id, held, signal } = point;
  const isHeld = held && stage.hold(id, held.when, held.delayMs);
  const victim = await startAt(stage, point);
  const call = victim.call(id);
  if (isHeld) {
    await vi.waitFor(() => expect(isHeld()).toBe(true), { timeout: 30_000, interval: 5 });
    if (signal) {
      // Or it would be over before the signal comes.
      expect(stage.rotatedUnread(id)).toBe(true);
      victim.signal(signal);
    } else await victim.kill();
  }
  await call;
  return victim.gone;
}

/** One process that is at all points at the same time. One that another will follow is left in doubt. */
async function killOnce(stage: CrashStage, points: readonly CrashPoint[]): Promise<NodeJS.Signals | number> {
  const traps = points.flatMap(({ id, trap, second }) => {
    if (second) return [{ connection: id, at: 'after-intent', action: 'hold' } as const];
    return trap ? [{ connection: id, at: trap.at, action: 'hold' } as const] : [];
  });
  const held = points.flatMap((point) =>
    point.held ? [stage.hold(point.id, point.held.when, point.held.delayMs)] : [],
  );
  const victim = await stage.start({ journals: ['file'], traps });
  for (const { id } of points) void victim.call(id);
  await Promise.all(traps.map(({ connection }) => victim.reached(connection)));
  await vi.waitFor(() => expect(held.every((isHeld) => isHeld())).toBe(true), {
    timeout: 30_000,
    interval: 5,
  });
  await victim.kill();
  return victim.gone;
}

async function pooled<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items];
  const next = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, next));
}

/** Leaves half of the entry of `connection`, as a crash in the middle of the write would. */
function tearEntry(folder: string, connection: string): void {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(folder, name))
    .filter((path) => readFileSync(path, 'utf8').includes(`"${connection}"`));
  expect(files).toHaveLength(1);
  for (const path of files) truncateSync(path, Math.floor(readFileSync(path).byteLength / 2));
}
