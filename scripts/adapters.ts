/** Counts the behaviours of the adapter suite that a run has shown, and fails unless each host has shown the same list. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostsOf } from './adapters/hosts.ts';
import type { TestRecord } from './run/outcome.ts';

const [folder = '.'] = process.argv.slice(2);
const record = JSON.parse(readFileSync(join(folder, 'tests.json'), 'utf8')) as TestRecord;

for (const { host, shown, missing } of hostsOf(record.tests)) {
  console.log(`adapter suite: ${shown.length} behaviours on ${host}`);
  for (const title of missing) console.error(`  not shown on ${host}: ${title}`);
  if (shown.length === 0 || missing.length > 0) process.exitCode = 1;
}
