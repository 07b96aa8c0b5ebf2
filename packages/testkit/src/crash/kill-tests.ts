import { expect, it } from 'vitest';
import { type KillReport, killAt } from './kills.ts';
import type { CrashSuiteOptions } from './options.ts';
import { CRASH_POINTS, type CrashPoint, RECOVERED_WITHIN_MS } from './points.ts';

const TIMEOUT_MS = 300_000;
/** More than a refresh takes, less than any lease. */
const AT_ONCE_MS = 100_000;
const SETTLE_MS = 5_000;

/** SIGKILL at every labelled point. Gives what defines the tests of the first point, and of the others. */
export function killTests(
  options: CrashSuiteOptions,
  rounds: number,
): { readonly first: () => void; readonly others: () => void } {
  const { name } = options;
  let run: Promise<Map<string, KillReport>[]> | undefined;
  /** All points in one run, which the first test that needs it begins. */
  const reports = (): NonNullable<typeof run> => {
    run ??= repeated(rounds, () => killAt(options, CRASH_POINTS));
    return run;
  };
  const define = (point: CrashPoint): void =>
    it(
      `${point.faults} ${name}: ${point.title}: ${VERDICTS[point.end]}`,
      async () => {
        for (const round of await reports()) expectEnd(point, round.get(point.id));
      },
      TIMEOUT_MS * rounds,
    );
  return {
    first: () => CRASH_POINTS.slice(0, 1).forEach(define),
    others: () => CRASH_POINTS.slice(1).forEach(define),
  };
}

/** The same where the provider takes a replaced refresh token once more. */
export function graceTests(options: CrashSuiteOptions, rounds: number): void {
  const points = CRASH_POINTS.filter(({ alone }) => !alone);
  for (const grace of ['same', 'fork', 'replace'] as const) {
    it(
      `F60a F60b ${options.name}: nothing is lost at any point where the provider has a grace period (${grace})`,
      async () => {
        const previousAccessToken = grace === 'same' ? 'survives' : 'ends';
        const switches = { reuse: 'grace', grace, graceMs: 86_400_000, previousAccessToken } as const;
        const runs = await repeated(rounds, () => killAt(options, points, { switches, together: true }));
        for (const reports of runs) {
          const lost = points.filter(({ id }) => reports.get(id)?.status !== 200);
          expect(lost.map(({ id }) => [id, reports.get(id)])).toEqual([]);
          for (const { id } of points) {
            expect(reports.get(id)?.outcome).toMatchObject({ kind: 'token' });
            expectInTime(reports.get(id));
          }
        }
      },
      TIMEOUT_MS * rounds,
    );
  }
}

const VERDICTS: Record<CrashPoint['end'], string> = {
  'at once': 'the next process goes on at once',
  later: 'the next process goes on when the lease is over',
  lost: 'lost, and labelled so',
};

function expectEnd(point: CrashPoint, report: KillReport | undefined): void {
  expect(report?.how).toBe(point.how ?? 'SIGKILL');
  expectInTime(report);
  switch (point.end) {
    case 'at once':
    case 'later':
      expect(report?.outcome).toMatchObject({ kind: 'token' });
      expect(report?.status).toBe(200);
      // Of all presentations one was processed, and none was refused.
      expect(report?.presented.filter((verdict) => verdict !== 'unprocessed')).toEqual(['ok']);
      if (report?.outcome.kind !== 'token') return;
      if (point.end === 'at once') expect(report.outcome.virtualMs).toBeLessThan(AT_ONCE_MS);
      else if (point.second) expect(report.outcome.virtualMs).toBeGreaterThan(SETTLE_MS);
      else expect(report.afterMs).toBeGreaterThan(AT_ONCE_MS);
      return;
    case 'lost':
      expect(report?.outcome).toMatchObject({
        kind: 'refused',
        code: 'reauthorization_required',
        reason: 'rotation_outcome_lost',
      });
      expect(report?.presented).toEqual(['ok', 'reused']);
      expect(report?.rotatedUnused).toBe(true);
      expect(report?.rotatedUnread).toBe(point.held !== undefined);
      return;
    default:
      point.end satisfies never;
  }
}

function expectInTime(report: KillReport | undefined): void {
  expect(report?.outcome.kind).not.toBe('gone');
  if (report && report.outcome.kind !== 'gone') {
    expect(report.outcome.virtualMs).toBeLessThan(RECOVERED_WITHIN_MS);
  }
}

/** The same where presenting a replaced refresh token ends everything that came of it. */
export function familyTests(options: CrashSuiteOptions, rounds: number): void {
  it(
    `F60a F60b ${options.name}: every point ends the same where a replaced refresh token revokes its successors`,
    async () => {
      // Everything at once that makes a careless client lose its grant, and another shape of refusal.
      const switches = {
        reuse: 'family-revoked',
        previousAccessToken: 'ends',
        refreshYear: 'absolute',
        grants: 'newest',
        refusal: '401',
      } as const;
      const points = CRASH_POINTS.filter(({ alone }) => !alone);
      const runs = await repeated(rounds, () => killAt(options, points, { switches, together: true }));
      for (const reports of runs) {
        for (const { id, end, journals } of points) {
          const report = reports.get(id);
          expectInTime(report);
          // One process was at all of these points, with a journal: what only the lack of one loses is there.
          const lost = end === 'lost' && journals.length > 0;
          const outcome = lost ? { kind: 'refused', reason: 'rotation_outcome_lost' } : { kind: 'token' };
          expect([id, report]).toMatchObject([id, { outcome, status: lost ? null : 200 }]);
          if (lost)
            expect([id, report?.rotatedUnused, report?.presented]).toEqual([id, true, ['ok', 'reused']]);
        }
      }
    },
    TIMEOUT_MS * rounds,
  );
}

async function repeated<Result>(rounds: number, work: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let round = 0; round < rounds; round += 1) results.push(await work());
  return results;
}
