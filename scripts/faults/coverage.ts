import type { RecordedTest } from '../run/outcome.ts';
import { type FaultCase, isDue, type StoreName } from './catalogue.ts';

/** What a run shows about one fault. */
export interface Coverage {
  readonly fault: FaultCase;
  readonly due: boolean;
  /** Tests that passed and carry the id, without their files. */
  readonly tests: readonly string[];
  /** As named in those tests: `memory`, `sqlite`, `redis by ioredis`, … */
  readonly seenOn: readonly string[];
  /** Tests that carry the id and did not pass: they prove nothing. */
  readonly notPassed: number;
  /** Those of them that failed: they prove the contrary, whatever the others show. */
  readonly failed: number;
  readonly missingStores: readonly StoreName[];
  readonly gap: boolean;
}

export interface CoverageReport {
  readonly rows: readonly Coverage[];
  /** Ids in titles that the catalogue does not have: most likely typing errors. */
  readonly unknownIds: readonly string[];
}

const SEPARATOR = ' > ';
const ID = /(?<![\w.])F\d{1,3}[a-g]?(?!\w)/g;
const STORE_WORDS: readonly (readonly [string, RegExp])[] = [
  ['memory', /(?<!in )\bmemory store\b|\bmemory:/],
  ['sqlite', /\bsqlite\b/i],
  ['redis by node-redis', /\bnode-redis\b/],
  ['redis by ioredis', /\bioredis\b/],
  ['redis', /\bredis\b/i],
  ['postgres', /\bpostgres(ql)?\b/i],
];

/** Reads the ids out of the titles, those of the suites around a test included. */
export function coverageOf(catalogue: readonly FaultCase[], tests: readonly RecordedTest[]): CoverageReport {
  const carriers = new Map<string, RecordedTest[]>();
  for (const test of tests) {
    for (const id of new Set(titleOf(test).match(ID) ?? [])) {
      carriers.set(id, [...(carriers.get(id) ?? []), test]);
    }
  }
  const known = new Set(catalogue.map(({ id }) => id));
  return {
    rows: catalogue.map((fault) => rowOf(fault, carriers.get(fault.id) ?? [])),
    unknownIds: [...carriers.keys()].filter((id) => !known.has(id)).sort(),
  };
}

function rowOf(fault: FaultCase, carriers: readonly RecordedTest[]): Coverage {
  const passed = carriers.filter(({ state }) => state === 'passed');
  const seenOn = [...new Set(passed.flatMap(storesOf))].sort();
  const wanted = fault.stores === 'any' ? [] : fault.stores;
  const missingStores = wanted.filter((name) => !seenOn.some((seen) => seen.split(' ')[0] === name));
  const due = isDue(fault);
  const failed = carriers.filter(({ state }) => state === 'failed').length;
  return {
    fault,
    due,
    tests: passed.map(titleOf),
    seenOn,
    notPassed: carriers.length - passed.length,
    failed,
    missingStores,
    gap: due && (passed.length === 0 || missingStores.length > 0 || failed > 0),
  };
}

function titleOf({ name }: RecordedTest): string {
  return name.slice(name.indexOf(SEPARATOR) + SEPARATOR.length);
}

/** A store's own tests need not repeat its name: their package says it. */
function storesOf(test: RecordedTest): string[] {
  const title = titleOf(test);
  const named = STORE_WORDS.filter(([, words]) => words.test(title)).map(([name]) => name);
  const ofPackage = /^packages\/store-(\w+)\//.exec(test.name)?.[1];
  const all = ofPackage === undefined ? named : [...named, ofPackage];
  const byDriver = all.some((name) => name.startsWith('redis by'));
  return [...new Set(all)].filter((name) => name !== 'redis' || !byDriver);
}
