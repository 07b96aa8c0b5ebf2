import { describe, expect, it } from 'vitest';
import type { RecordedTest } from '../run/outcome.ts';
import { CATALOGUE, type FaultCase, isDue } from './catalogue.ts';
import { coverageOf } from './coverage.ts';
import { isComplete, tableOf } from './table.ts';

const anywhere: FaultCase = { id: 'F01', section: 1, what: 'an answer', stores: 'any' };
const onStores: FaultCase = { id: 'F60a', section: 4, what: 'a crash', stores: ['sqlite', 'redis'] };
const later: FaultCase = { id: 'F93', section: 8, what: 'a call elsewhere', stores: 'any' };

const passed = (name: string, state: RecordedTest['state'] = 'passed'): RecordedTest => ({
  name,
  state,
  durationMs: 1,
});
const row = (fault: FaultCase, ...tests: RecordedTest[]) => coverageOf([fault], tests).rows[0];

describe('the catalogue', () => {
  it('has each of the 118 numbers once, one of them in seven parts', () => {
    const ids = CATALOGUE.map(({ id }) => id);
    const expected = Array.from(
      { length: 118 },
      (_, index) => `F${String(index + 1).padStart(2, '0')}`,
    ).flatMap((id) => (id === 'F60' ? [...'abcdefg'].map((part) => id + part) : [id]));
    expect([...ids].sort()).toEqual(expected.sort());
    expect(ids).toHaveLength(124);
  });

  it('waits with leakage, but for what a sign-in shows and what others publish', () => {
    const waiting = CATALOGUE.filter((fault) => !isDue(fault));
    expect(new Set(waiting.map(({ section }) => section))).toEqual(new Set([8]));
    for (const due of ['F98', 'F104']) expect(waiting.map(({ id }) => id)).not.toContain(due);
  });
});

describe('coverage', () => {
  it('counts tests that passed, by the title and those of its suites, and not by the file', () => {
    const tests = [
      passed('packages/core/src/a.test.ts > F01 suite > a test'),
      passed('packages/core/src/a.test.ts > suite > F02 F01: a test'),
      passed('packages/core/src/F01.test.ts > a test'),
    ];
    expect(row(anywhere, ...tests)).toMatchObject({
      tests: ['F01 suite > a test', 'suite > F02 F01: a test'],
      gap: false,
    });
  });

  it.each(['failed', 'skipped'] as const)('takes a test that %s for none', (state) => {
    expect(row(anywhere, passed('a.test.ts > F01 a test', state))).toMatchObject({
      tests: [],
      notPassed: 1,
      gap: true,
    });
  });

  it('is not satisfied where another test of the same fault failed, and says who was skipped', () => {
    const tests = [passed('a.test.ts > F01 a test'), passed('a.test.ts > F01 another', 'failed')];
    const report = coverageOf([anywhere], tests);
    expect(report.rows[0]).toMatchObject({ tests: ['F01 a test'], failed: 1, gap: true });
    expect(isComplete(report)).toBe(false);
    expect(tableOf(report)).toContain('F01   1 test passed, and 1 failed');
    const partly = coverageOf(
      [anywhere],
      [passed('a.test.ts > F01 a'), passed('a.test.ts > F01 b', 'skipped')],
    );
    expect(isComplete(partly)).toBe(true);
    expect(tableOf(partly)).toContain('an answer (1 skipped)');
  });

  it('does not take a part of a word or of another id for an id', () => {
    for (const title of ['F011', 'F01x', 'xF01', 'F0', '0.F01']) {
      expect(row(anywhere, passed(`a.test.ts > ${title} a test`))?.tests).toEqual([]);
    }
    expect(row(onStores, passed('a.test.ts > F60 sqlite redis'))?.tests).toEqual([]);
    expect(row(anywhere, passed('a.test.ts > survives it (F01)'))?.tests).toHaveLength(1);
  });

  it('wants every store that a fault names, by the title or the package of a test', () => {
    const onSqlite = passed('packages/store-sqlite/src/a.test.ts > F60a a crash');
    const onRedis = passed('packages/testkit/src/crash.test.ts > crashes > redis by ioredis: F60a a crash');
    expect(row(onStores, onSqlite)).toMatchObject({ missingStores: ['redis'], gap: true });
    expect(row(onStores, onSqlite, onRedis)).toMatchObject({
      seenOn: ['redis by ioredis', 'sqlite'],
      missingStores: [],
      gap: false,
    });
    expect(row(onStores, onSqlite, { ...onRedis, state: 'failed' })).toMatchObject({ gap: true });
    const inMemory = passed('packages/testkit/src/a.test.ts > memory store > memory: F60a a crash');
    expect(row(onStores, inMemory)).toMatchObject({ seenOn: ['memory'], gap: true });
  });

  it('lists what is not due, and fails nothing for it', () => {
    const report = coverageOf([anywhere, later], [passed('a.test.ts > F01 a test')]);
    expect(isComplete(report)).toBe(true);
    expect(tableOf(report)).toContain('Not due yet:\n  F93');
    expect(tableOf(report, { brief: true })).not.toContain('F93');
    expect(tableOf(report)).toContain('1 of 1 faults that are due are shown, 1 are not due yet');
  });

  it('names gaps with their reasons, and ids that nobody has heard of', () => {
    const tests = [passed('a.test.ts > F60a sqlite'), passed('a.test.ts > F01 a test', 'failed')];
    const report = coverageOf([anywhere, onStores], tests);
    const text = tableOf(report);
    expect(isComplete(report)).toBe(false);
    expect(text).toContain('F01   no test that passed carries it (1 with this id failed or were skipped)');
    expect(text).toContain('F60a  not shown on redis');
    const typing = coverageOf([anywhere], [passed('a.test.ts > F01 F0l F911 a test')]);
    expect(typing.unknownIds).toEqual(['F911']);
    expect(isComplete(typing)).toBe(false);
  });
});
