import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { RecordedTest } from '../run/outcome.ts';
import { HOSTS, hostsOf } from './hosts.ts';

function suite(host: string, titles: readonly string[], state: RecordedTest['state'] = 'passed') {
  return titles.map(
    (title): RecordedTest => ({
      name: `packages/x/src/adapter-suite.test.ts > adapter suite on ${host} > ${title}`,
      state,
      durationMs: 1,
    }),
  );
}

describe('hostsOf', () => {
  const list = ['F80 a callback', 'proxy: streams > down'];

  it('finds the same list on each host', () => {
    const reports = hostsOf([
      ...HOSTS.flatMap((host) => suite(host, list)),
      ...suite('mine', list),
      { name: 'packages/core/src/expiry.test.ts > expiry > ends', state: 'passed', durationMs: 1 },
    ]);
    expect(reports.map(({ host }) => host)).toEqual([...HOSTS, 'mine']);
    for (const { shown, missing } of reports) expect([shown, missing]).toEqual([list, []]);
  });

  it('names what a host has not shown, has not passed, or was not asked', () => {
    const [one = '', other = ''] = list;
    const reports = hostsOf([
      ...suite('express', list),
      ...suite('koa', [one]),
      ...suite('nest on express', [one]),
      ...suite('nest on express', [other], 'failed'),
    ]);
    expect(reports.map(({ shown, missing }) => [shown.length, missing])).toEqual([
      [2, []],
      [1, [other]],
      [1, [other]],
      [0, list],
    ]);
  });
});

it('finds the same list of files in the adapters for Express and Koa', () => {
  const filesOf = (name: string): string[] =>
    readdirSync(fileURLToPath(new URL(`../../packages/${name}/src`, import.meta.url))).sort();
  expect(filesOf('express')).toEqual(filesOf('koa'));
});
