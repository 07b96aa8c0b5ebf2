export { CrashProcess } from './crash-process.ts';
export { CrashStage, type Outcome } from './crash-stage.ts';
export { crashSuite } from './crash-suite.ts';
export type {
  CrashEmulator,
  CrashPlace,
  CrashSuiteOptions,
  CrashSwitches,
  FallBackPlace,
  OutagePlace,
} from './options.ts';
export { CRASH_POINTS, type CrashPoint } from './points.ts';
