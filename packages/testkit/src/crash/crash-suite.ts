import { describe } from 'vitest';
import { herdTests } from './herd-tests.ts';
import { killTests } from './kill-tests.ts';
import type { CrashSuiteOptions } from './options.ts';
import { outageTests } from './outage-tests.ts';
import { ownIntentTests } from './own-intent-tests.ts';
import { stopTests } from './stop-tests.ts';

/**
 * Defines vitest tests with real processes that are killed, stopped and cut off from the store in the middle of a
 * refresh. `HQ_CRASH_ROUNDS` repeats each.
 */
export function crashSuite(options: CrashSuiteOptions): void {
  const rounds = options.rounds ?? Number(process.env.HQ_CRASH_ROUNDS ?? '1');
  describe(`crashes on the ${options.name} store`, { concurrent: true }, () => {
    // What waits for real time first; a few run at the same time.
    stopTests(options, rounds);
    outageTests(options, rounds);
    killTests(options, rounds);
    herdTests(options, rounds);
    ownIntentTests(options);
  });
}
