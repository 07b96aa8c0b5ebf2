export { type FollowedClock, followClock } from './follow-clock.ts';
export { ManualClock } from './manual-clock.ts';
export { seededRandom } from './seeded-random.ts';
export { createTestManager } from './test-manager.ts';
