export { type CasEvent, type CasWorkload, findViolations, raceOnCounters } from './cas-history.ts';
export type { StoreSuiteOptions } from './store-bench.ts';
export { storeSuite } from './store-suite.ts';
