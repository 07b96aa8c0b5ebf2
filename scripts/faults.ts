/**
 * Which faults of the catalogue a test run has shown: ids, the tests that passed and carry them in their titles, and the
 * stores they ran on. Exit code 1 when one that is due is missing, or one of its tests failed. Reads the newest full record of `.run`, or that of
 * the folder which is given: `pnpm faults .run/20260101-120000000-test`. `--brief` prints gaps only.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CATALOGUE } from './faults/catalogue.ts';
import { coverageOf } from './faults/coverage.ts';
import { isComplete, tableOf } from './faults/table.ts';
import type { TestRecord } from './run/outcome.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2).filter((word) => word !== '--');
const brief = words.includes('--brief');
const folder = words.find((word) => !word.startsWith('--')) ?? newestRun();
if (folder === undefined) {
  console.error('No test run has left a record in .run: run `pnpm test` first.');
  process.exitCode = 1;
} else {
  const { tests } = JSON.parse(readFileSync(join(folder, 'tests.json'), 'utf8')) as TestRecord;
  const report = coverageOf(CATALOGUE, tests);
  console.log(`Faults shown by ${tests.length} tests of ${relative(root, folder) || folder}\n`);
  console.log(tableOf(report, { brief }));
  process.exitCode = isComplete(report) ? 0 : 1;
}

/** A run that is under way, or ended early, has no record yet. */
function newestRun(): string | undefined {
  const runs = join(root, '.run');
  if (!existsSync(runs)) return undefined;
  return readdirSync(runs)
    .filter((name) => name.endsWith('-test'))
    .sort()
    .map((name) => join(runs, name))
    .findLast((path) => existsSync(join(path, 'tests.json')));
}
