import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';
import type { RecordedTest, TestRecord } from '../run/outcome.ts';

/** Writes every test of the run to `tests.json` in `$HQ_RUN_DIR`; without that variable it does nothing. */
export class TestsJsonReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const folder = process.env.HQ_RUN_DIR;
    if (!folder) return;
    const record: TestRecord = {
      tests: modules.flatMap(testsOf),
      otherFailures: [
        ...modules.flatMap(failuresOutsideTests),
        ...unhandledErrors.map((error) => `unhandled: ${error.message}`),
      ],
    };
    writeFileSync(join(folder, 'tests.json'), `${JSON.stringify(record, null, 1)}\n`);
  }
}

function testsOf(module: TestModule): RecordedTest[] {
  return Array.from(module.children.allTests(), (test) => {
    const { state } = test.result();
    return {
      name: `${module.relativeModuleId} > ${test.fullName}`,
      // A test that never ended, because its worker died, has not passed.
      state: state === 'pending' ? 'failed' : state,
      durationMs: Math.round(test.diagnostic()?.duration ?? 0),
      retries: test.diagnostic()?.retryCount ?? 0,
    };
  });
}

function failuresOutsideTests(module: TestModule): string[] {
  const suites = [module, ...module.children.allSuites()];
  return suites.flatMap((suite) =>
    suite.errors().map((error) => `${module.relativeModuleId}: ${error.message}`),
  );
}
