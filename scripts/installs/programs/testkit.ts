import { memoryStore } from '@hq-oauth/core';
import { CRASH_POINTS, type CrashPoint } from '@hq-oauth/testkit/crash';
import { findPostgres, findRedisServer } from '@hq-oauth/testkit/servers';
import {
  type CasEvent,
  findViolations,
  raceOnCounters,
  type StoreSuiteOptions,
} from '@hq-oauth/testkit/stores';

const options: StoreSuiteOptions = {
  name: 'my store',
  create: async () => memoryStore(),
  clock: null,
};
const events: readonly CasEvent[] = [];
const points: readonly CrashPoint[] = CRASH_POINTS;
console.log(
  options.name,
  points.length,
  typeof raceOnCounters,
  findRedisServer(),
  findPostgres(),
  events.length,
);
console.log(typeof findViolations);
