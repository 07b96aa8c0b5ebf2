import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { planOf } from '../packages/core/src/simulation/plan.fixture.ts';
import { simulate } from '../packages/core/src/simulation/run.fixture.ts';
import {
  parseSelection,
  parseSwitches,
  reportOf,
  shrink,
} from '../packages/core/src/simulation/shrink.fixture.ts';
import {
  count,
  emptyTally,
  merge,
  neverHit,
  positionsOf,
  type Tally,
  tableOf,
} from '../packages/core/src/simulation/tally.fixture.ts';

/**
 * Runs the simulation of core over many seeds:
 * `node scripts/simulate.ts --seeds 20000 [--from 1] [--switches replaced=revoked,processes=3] [--only e0,p0.0/send#4=stop:1000]`.
 * Ends with 1 when a rule was broken, a loss has no label, or a cell of the table was never hit.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    switches: { type: 'string', default: '' },
    only: { type: 'string' },
    workers: { type: 'string', default: String(Math.min(availableParallelism(), 8)) },
  },
});
/** Fewer seeds cannot be expected to reach every cell. */
const ENOUGH_FOR_ALL_CELLS = 2_000;
const SHOWN_FAILURES = 3;

const seeds = wholeNumber('seeds', values.seeds, 1);
const from = wholeNumber('from', values.from, 0);
const workers = wholeNumber('workers', values.workers, 1);
const switches = parseSwitches(values.switches);

if (values.only !== undefined) await replay(values.only);
else if (process.send) await work();
else await lead();

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} takes a whole number from ${least}`);
  return value;
}

/** One run, told in full. */
async function replay(only: string): Promise<void> {
  const outcome = await simulate(planOf(from, switches), parseSelection(only));
  console.log(outcome.history.join('\n'));
  for (const { rule, text } of outcome.violations) console.log(`${rule}: ${text}`);
  process.exitCode = outcome.violations.length > 0 ? 1 : 0;
}

async function work(): Promise<void> {
  const tally = emptyTally();
  for (let seed = from; seed < from + seeds; seed += 1) {
    const plan = planOf(seed, switches);
    count(tally, await simulate(plan), plan.config);
  }
  process.send?.(tally, () => process.disconnect());
}

/** A share of the seeds in a process of its own, in the same order each time. */
function share(first: number, size: number): Promise<Tally> {
  const args = ['--from', String(first), '--seeds', String(size), '--switches', values.switches];
  return new Promise((resolve, reject) => {
    let tally: Tally | null = null;
    const child = fork(new URL(import.meta.url).pathname, args);
    child.on('message', (message) => {
      tally = message as Tally;
    });
    child.on('exit', (code) => {
      if (tally) resolve(tally);
      else reject(new Error(`the share from seed ${first} ended with ${code}`));
    });
  });
}

async function lead(): Promise<void> {
  const total = emptyTally();
  const size = Math.min(500, Math.ceil(seeds / workers));
  const shares: number[] = [];
  for (let first = from; first < from + seeds; first += size) shares.push(first);
  const next = async (): Promise<void> => {
    for (let first = shares.shift(); first !== undefined; first = shares.shift()) {
      merge(total, await share(first, Math.min(size, from + seeds - first)));
    }
  };
  await Promise.all(Array.from({ length: workers }, next));
  total.failed.sort((a, b) => a - b);
  for (const seed of total.failed.slice(0, SHOWN_FAILURES)) {
    const plan = planOf(seed, switches);
    console.log(reportOf(seed, await shrink(plan, await simulate(plan)), switches), '\n');
  }
  const missed = seeds >= ENOUGH_FOR_ALL_CELLS && values.switches === '' ? neverHit(total) : [];
  console.log(tableOf(total), '\n');
  console.log(positionsOf(total));
  if (missed.length > 0) console.log(`never hit: ${missed.join(', ')}`);
  for (const [loss, times] of Object.entries(total.losses).sort()) console.log(`lost, ${loss}: ${times}`);
  if (total.failed.length > 0) console.log(`failed seeds: ${total.failed.slice(0, 1_000).join(' ')}`);
  console.log(
    `${total.seeds} seeds, ${total.cycles} refresh cycles, ${total.calls} calls, ${total.faults} faults, ` +
      `${total.violations} violations, ${total.unlabelled} unlabelled losses`,
  );
  process.exitCode = total.failed.length > 0 || total.unlabelled > 0 || missed.length > 0 ? 1 : 0;
}
