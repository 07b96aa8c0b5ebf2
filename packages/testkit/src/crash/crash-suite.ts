import { afterAll, describe } from 'vitest';
import { dropCompileCache } from './crash-stage.ts';
import { faultTests } from './fault-tests.ts';
import { herdTests } from './herd-tests.ts';
import { familyTests, graceTests, killTests } from './kill-tests.ts';
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
    afterAll(dropCompileCache);
    // A few run at the same time, in this order: what takes longest comes first, and what waits for another test last.
    const kills = killTests(options, rounds);
    kills.first();
    stopTests(options, rounds);
    outageTests(options, rounds);
    familyTests(options, rounds);
    graceTests(options, rounds);
    herdTests(options, rounds);
    ownIntentTests(options);
    kills.others();
    faultTests(options);
  });
}
