/** What the closing line counts. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One test as `tests.json` holds it. */
export interface RecordedTest {
  /** `packages/core/src/expiry.test.ts > suite > test` */
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly durationMs: number;
  /** Real processes and servers on a machine that others load get one more try on CI. The run names who needed it. */
  readonly retries?: number;
}

/** Tests that passed, and not at their first try. */
export function secondTries(record: TestRecord): readonly string[] {
  return record.tests
    .filter(({ state, retries = 0 }) => state === 'passed' && retries > 0)
    .map(({ name }) => name);
}

/** The content of `tests.json`. */
export interface TestRecord {
  readonly tests: readonly RecordedTest[];
  /** Files that could not be loaded, suites whose hooks failed, and errors that no test owns: each fails the run. */
  readonly otherFailures: readonly string[];
}

export function countTests(record: TestRecord): Counts {
  const count = (state: RecordedTest['state']): number =>
    record.tests.filter((test) => test.state === state).length;
  return {
    passed: count('passed'),
    failed: count('failed') + record.otherFailures.length,
    skipped: count('skipped'),
  };
}

/** `12 passed, 0 failed`, and `, 3 skipped` only when there are any. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped > 0 ? `${line}, ${skipped} skipped` : line;
}
