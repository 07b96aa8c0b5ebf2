import { CELLS, cellName, KINDS, kindsAt, POINTS } from './faults.fixture.ts';
import type { Config } from './plan.fixture.ts';
import type { Outcome } from './run.fixture.ts';

/** What a set of runs came to; plain data, so that it can cross between processes. */
export interface Tally {
  seeds: number;
  cycles: number;
  calls: number;
  faults: number;
  violations: number;
  unlabelled: number;
  cells: Record<string, number>;
  losses: Record<string, number>;
  /** Runs by how the provider's switches stood. */
  positions: Record<string, number>;
  failed: number[];
}

/** What nobody knows about the provider and what a careless client would lose a grant by, in every combination. */
const POSITIONS = {
  previousAccess: ['stays', 'ends'],
  replaced: ['refused', 'revoked', 'same', 'fork', 'replace'],
  year: ['sliding', 'absolute'],
  grants: ['many', 'newest'],
  refusal: ['recognized', 'unnamed', 'named'],
} as const satisfies { [Name in keyof Config]?: readonly Config[Name][] };
const SWITCHES = Object.keys(POSITIONS) as (keyof typeof POSITIONS)[];
const ALL_POSITIONS = SWITCHES.reduce<string[]>(
  (names, name) => names.flatMap((before) => POSITIONS[name].map((value) => `${before} ${value}`.trim())),
  [''],
);

export function emptyTally(): Tally {
  return {
    seeds: 0,
    cycles: 0,
    calls: 0,
    faults: 0,
    violations: 0,
    unlabelled: 0,
    cells: {},
    losses: {},
    positions: {},
    failed: [],
  };
}

export function count(tally: Tally, outcome: Outcome, config: Config): void {
  add(tally.positions, SWITCHES.map((name) => config[name]).join(' '), 1);
  tally.seeds += 1;
  tally.cycles += outcome.cycles;
  tally.calls += outcome.calls;
  tally.faults += outcome.faults.length;
  tally.violations += outcome.violations.length;
  tally.unlabelled += outcome.unlabelled;
  for (const fault of outcome.faults) add(tally.cells, cellName(fault), 1);
  for (const { reason, windows } of outcome.losses) add(tally.losses, `${reason}: ${windows.join(' + ')}`, 1);
  if (outcome.violations.length > 0) tally.failed.push(outcome.seed);
}

export function merge(into: Tally, from: Tally): void {
  into.seeds += from.seeds;
  into.cycles += from.cycles;
  into.calls += from.calls;
  into.faults += from.faults;
  into.violations += from.violations;
  into.unlabelled += from.unlabelled;
  for (const [cell, times] of Object.entries(from.cells)) add(into.cells, cell, times);
  for (const [loss, times] of Object.entries(from.losses)) add(into.losses, loss, times);
  for (const [name, times] of Object.entries(from.positions)) add(into.positions, name, times);
  into.failed.push(...from.failed);
}

function add(counts: Record<string, number>, name: string, times: number): void {
  counts[name] = (counts[name] ?? 0) + times;
}

/** Cells that can be hit, and combinations of the provider's switches, that were not. */
export function neverHit(tally: Tally): string[] {
  return [
    ...CELLS.map(cellName).filter((cell) => !tally.cells[cell]),
    ...ALL_POSITIONS.filter((name) => !tally.positions[name]),
  ];
}

export function positionsOf(tally: Tally): string {
  const times = ALL_POSITIONS.map((name) => tally.positions[name] ?? 0);
  return `the provider's switches stood in ${times.filter((each) => each > 0).length} of ${times.length} combinations, in each for ${Math.min(...times)} to ${Math.max(...times)} runs`;
}

/** Fault kinds across, awaits down; a dot where a fault has no meaning. */
export function tableOf(tally: Tally): string {
  const width = Math.max(...POINTS.map((point) => point.length));
  const names = KINDS.map(
    (kind, index) => `${String.fromCharCode(97 + (index % 26))}${index >= 26 ? "'" : ''} ${kind}`,
  );
  const head = KINDS.map((_, index) =>
    `${String.fromCharCode(97 + (index % 26))}${index >= 26 ? "'" : ''}`.padStart(6),
  );
  const rows = POINTS.map((point) => {
    const cells = KINDS.map((kind) =>
      kindsAt(point).includes(kind) ? String(tally.cells[cellName({ point, kind })] ?? 0) : '.',
    );
    return point.padEnd(width) + cells.map((cell) => cell.padStart(6)).join('');
  });
  return [' '.repeat(width) + head.join(''), ...rows, '', names.join(', ')].join('\n');
}
