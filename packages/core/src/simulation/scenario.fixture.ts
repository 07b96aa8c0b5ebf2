import type { Config, Plan, UserEvent } from './plan.fixture.ts';
import { planOf } from './plan.fixture.ts';
import { type Outcome, simulate } from './run.fixture.ts';
import { parseSelection } from './shrink.fixture.ts';

const QUIET: Partial<Config> = {
  processes: 2,
  connections: 1,
  journal: 'none',
  background: 'detached',
  people: 'one at a time',
  shutdowns: 'none',
  clocks: 'jump',
  density: 0,
  durationMs: 75 * 60_000,
  lostAfterMs: 0,
  previousAccess: 'stays',
  replaced: 'revoked',
  graceMs: 30_000,
  year: 'sliding',
  refreshLifeMs: 365 * 86_400_000,
  told: false,
  grants: 'many',
  refusal: 'recognized',
  expiresIn: 'number',
  accessLifeMs: 30 * 60_000,
};

/** `'12.5 call p1 c0'`: at second 12.5 somebody asks process 1 for a token of connection c0. */
function eventOf(line: string): UserEvent {
  const [at = '', kind = '', process = '', id = 'c0'] = line.split(' ');
  return { at: Number(at) * 1_000, kind: kind as UserEvent['kind'], process: Number(process.slice(1)), id };
}

export interface Scenario {
  readonly switches?: Partial<Config>;
  readonly events: readonly string[];
  /** As in a selection: `p0.0/send#1=lost-after:0`. */
  readonly faults?: string;
}

/** A run that is written out: these events and faults and no others. With a provider that revokes on reuse, by default. */
export function play({ switches = {}, events, faults = '' }: Scenario): Promise<Outcome> {
  const plan: Plan = {
    ...planOf(1, { ...QUIET, ...switches }),
    events: events.map(eventOf),
    target: null,
    opening: [],
  };
  const selection = parseSelection(faults);
  return simulate(plan, { faults: selection.faults, events: new Set(plan.events.keys()) });
}

/** The same, where each fault must have struck: a scenario in which nothing goes wrong shows nothing. */
export async function playAll(scenario: Scenario): Promise<Outcome> {
  const outcome = await play(scenario);
  const struck = new Set(outcome.faults.map(({ operation }) => operation));
  const missed = [...parseSelection(scenario.faults ?? '').faults.keys()].filter((name) => !struck.has(name));
  if (missed.length > 0)
    throw new Error(`never came about: ${missed.join(', ')}\n${outcome.history.join('\n')}`);
  return outcome;
}

/** How often a line of the history up to the healing says this. */
export function times(outcome: Outcome, words: string): number {
  const healed = outcome.history.findIndex((line) => line.endsWith(' healed'));
  return outcome.history.slice(0, healed).filter((line) => line.includes(words)).length;
}

/** Seconds at which a line with these words stands. */
export function secondsOf(outcome: Outcome, words: string): number[] {
  return outcome.history.filter((line) => line.includes(words)).map((line) => Number.parseFloat(line));
}

/** Calls, one every `everyS` seconds, taking turns among processes. */
export function calls(fromS: number, toS: number, everyS: number, processes = 2, id = 'c0'): string[] {
  const lines: string[] = [];
  for (let at = fromS; at <= toS; at += everyS) lines.push(`${at} call p${lines.length % processes} ${id}`);
  return lines;
}
