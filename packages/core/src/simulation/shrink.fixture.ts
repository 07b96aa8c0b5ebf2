import type { Fault } from './faults.fixture.ts';
import { type Config, type Plan, planOf, type Selection } from './plan.fixture.ts';
import { type Outcome, simulate } from './run.fixture.ts';
import type { Sabotage } from './world.fixture.ts';

/** Enough for a few dozen events and faults; a longer search finds little more. */
const MOST_RUNS = 400;

interface Part {
  readonly event?: number;
  readonly fault?: readonly [string, Fault];
}

export interface Shrunk {
  readonly outcome: Outcome;
  readonly selection: Selection;
  readonly runs: number;
}

/** Takes events and faults away, in halves and then one at a time, as long as the same rule is still broken. */
export async function shrink(plan: Plan, failed: Outcome, sabotage: Sabotage | null = null): Promise<Shrunk> {
  const rule = failed.violations[0]?.rule;
  let parts: Part[] = [
    ...plan.events.map((_, event) => ({ event })),
    ...failed.faults.map(({ operation, kind, ms }) => ({ fault: [operation, { kind, ms }] as const })),
  ];
  let best: Outcome = failed;
  let runs = 0;
  const breaks = async (left: readonly Part[]): Promise<boolean> => {
    runs += 1;
    const outcome = await simulate(plan, selected(left), sabotage);
    if (outcome.violations[0]?.rule !== rule) return false;
    best = outcome;
    return true;
  };
  if (!(await breaks(parts))) return { outcome: failed, selection: selected(parts), runs };
  for (let size = Math.ceil(parts.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < parts.length && runs < MOST_RUNS; ) {
      const left = [...parts.slice(0, at), ...parts.slice(at + size)];
      if (await breaks(left)) parts = left;
      else at += size;
    }
  }
  return { outcome: best, selection: selected(parts), runs };
}

function selected(parts: readonly Part[]): Selection {
  return {
    events: new Set(parts.flatMap(({ event }) => (event === undefined ? [] : [event]))),
    faults: new Map(parts.flatMap(({ fault }) => (fault ? [fault] : []))),
  };
}

/** As an argument of the command line: `e0,e3,p1.0/send#2=stop:480000`. */
export function selectionText({ events, faults }: Selection): string {
  return [
    ...[...events].map((event) => `e${event}`),
    ...[...faults].map(([operation, { kind, ms }]) => `${operation}=${kind}:${ms}`),
  ].join(',');
}

export function parseSelection(text: string): Selection {
  const events = new Set<number>();
  const faults = new Map<string, Fault>();
  for (const part of text.split(',').filter((one) => one !== '')) {
    const fault = /^(p[^=]+)=([\w-]+):(\d+)$/.exec(part);
    if (fault) faults.set(fault[1] ?? '', { kind: fault[2] as Fault['kind'], ms: Number(fault[3]) });
    else if (/^e\d+$/.test(part)) events.add(Number(part.slice(1)));
    else throw new Error(`"${part}" is neither an event (e3) nor a fault (p1.0/send#2=stop:480000)`);
  }
  return { events, faults };
}

export function parseSwitches(text: string): Partial<Config> {
  const known = planOf(1).config;
  const entries = text
    .split(',')
    .filter((part) => part !== '')
    .map((part): [string, string | number | boolean] => {
      const [name = '', value = ''] = part.split('=');
      if (!(name in known))
        throw new Error(`no switch is called "${name}"; there are ${Object.keys(known).join(', ')}`);
      if (value === 'true' || value === 'false') return [name, value === 'true'];
      return [name, /^\d+(\.\d+)?$/.test(value) ? Number(value) : value];
    });
  return Object.fromEntries(entries) as Partial<Config>;
}

/** As an argument of the command line: `replaced=revoked,processes=3`. */
export function switchesText(switches: Partial<Config>): string {
  return Object.entries(switches)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

/** What a person needs to see why, and to see it again. */
export function reportOf(
  seed: number,
  { outcome, selection }: Shrunk,
  switches: Partial<Config> = {},
): string {
  const first = outcome.violations[0];
  const more = Object.keys(switches).length > 0 ? ` --switches '${switchesText(switches)}'` : '';
  return [
    `seed ${seed} breaks ${first?.rule}: ${first?.text}`,
    ...outcome.history.map((line) => `  ${line}`),
    `replay: node scripts/simulate.ts --from ${seed} --seeds 1${more} --only '${selectionText(selection)}'`,
  ].join('\n');
}
