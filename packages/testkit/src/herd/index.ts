export { Herd } from './herd.ts';
export { type HerdEmulator, type HerdSuiteOptions, herdSuite } from './herd-suite.ts';
export { onVirtualTime } from './virtual-time.ts';
