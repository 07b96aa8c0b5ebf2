import { describe } from 'vitest';
import { concurrencyTests } from './concurrency-tests.ts';
import { expiryTests } from './expiry-tests.ts';
import { handleTests } from './handle-tests.ts';
import { keyTests } from './key-tests.ts';
import { listTests } from './list-tests.ts';
import { rowTests } from './row-tests.ts';
import { type StoreSuiteOptions, storeBench } from './store-bench.ts';

/**
 * Defines vitest tests for every sentence of the `TokenStore` contract. A store that passes them, and whose own tests
 * show what its engine does in a crash, can hold grants.
 *
 * @example
 * const clock = new ManualClock();
 * storeSuite({ name: 'memory', clock, create: async () => memoryStore({ clock }) });
 */
export function storeSuite(options: StoreSuiteOptions): void {
  describe(`${options.name} store`, () => {
    const bench = storeBench(options);
    rowTests(bench);
    listTests(bench);
    keyTests(bench);
    expiryTests(bench);
    handleTests(bench);
    concurrencyTests(bench);
  });
}
