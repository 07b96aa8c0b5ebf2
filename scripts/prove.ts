import { parseArgs } from 'node:util';
import { explore } from '../packages/core/src/model/explore.fixture.ts';
import { longCells, shortCells } from '../packages/core/src/model/matrix.fixture.ts';
import { MUTANTS, SHELLS, TRACES } from '../packages/core/src/model/mutants.fixture.ts';

/**
 * The long run: `node scripts/prove.ts [--faults N] [--only TEXT] [--max-states N]
 * [--traces]`. Without `--faults`: what the test suite checks. `--traces` prints how each mutant fails.
 */
const { values } = parseArgs({
  options: {
    faults: { type: 'string' },
    only: { type: 'string', default: '' },
    traces: { type: 'boolean', default: false },
    'max-states': { type: 'string', default: '8000000' },
  },
});

const cells = values.faults === undefined ? shortCells() : longCells(Number(values.faults));
const maxStates = Number(values['max-states']);
let wrong = 0;
let total = 0;
let ran = 0;

function timed<T>(work: () => T): readonly [T, string] {
  const from = performance.now();
  const result = work();
  return [result, `${((performance.now() - from) / 1000).toFixed(1)} s`];
}

for (const { name, config } of cells.filter((cell) => cell.name.includes(values.only))) {
  ran += 1;
  try {
    const [{ states, moves, counterexample }, took] = timed(() => explore(config, maxStates));
    total += states;
    console.log(`${name}: ${states} states, ${moves} moves, ${took}`);
    if (!counterexample) continue;
    wrong += 1;
    console.log(`  BROKEN ${counterexample.message}\n    ${counterexample.trace.join('\n    ')}`);
  } catch (error) {
    wrong += 1;
    console.log(`${name}: not finished: ${error instanceof Error ? error.message : String(error)}`);
  }
}
for (const { name, invariant, config } of [...MUTANTS, ...TRACES, ...SHELLS].filter((each) =>
  each.name.includes(values.only),
)) {
  ran += 1;
  const [{ states, counterexample }, took] = timed(() => explore(config, maxStates));
  const as = counterexample ? `breaks ${counterexample.message}` : 'NOT CAUGHT';
  if (counterexample?.invariant !== invariant) wrong += 1;
  console.log(`mutant "${name}" ${as} (${states} states, ${took})`);
}
if (ran === 0) {
  wrong += 1;
  console.log(`nothing is called "${values.only}"`);
}
console.log(
  wrong === 0
    ? `No violation in ${total} states; every mutant is caught.`
    : `${wrong} not as they should be.`,
);
process.exitCode = wrong === 0 ? 0 : 1;
