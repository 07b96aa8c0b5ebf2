import type { Coverage, CoverageReport } from './coverage.ts';

/** The report as text for a terminal: a line per fault, then what is missing. `brief`: only what is missing. */
export function tableOf({ rows, unknownIds }: CoverageReport, { brief = false } = {}): string {
  const lines = brief ? [] : [...rows.filter(({ due }) => due).flatMap(linesOf), ...laterOf(rows)];
  const gaps = rows.filter(({ gap }) => gap);
  if (gaps.length > 0) {
    lines.push('', 'Gaps:', ...gaps.map((row) => `  ${cell(row.fault.id, 5)} ${reasonOf(row)}`));
  }
  if (unknownIds.length > 0) lines.push('', `In titles, but not in the catalogue: ${unknownIds.join(', ')}`);
  lines.push('', summaryOf({ rows, unknownIds }));
  return lines.join('\n');
}

export function isComplete({ rows, unknownIds }: CoverageReport): boolean {
  return unknownIds.length === 0 && rows.every(({ gap }) => !gap);
}

function summaryOf({ rows }: CoverageReport): string {
  const due = rows.filter((row) => row.due);
  const shown = due.filter(({ gap }) => !gap).length;
  return `${shown} of ${due.length} faults that are due are shown, ${rows.length - due.length} are not due yet`;
}

function laterOf(rows: readonly Coverage[]): string[] {
  const later = rows.filter(({ due }) => !due);
  return [
    '',
    'Not due yet:',
    ...later.map(({ fault, tests }) => `  ${cell(fault.id, 5)} ${cell(countOf(tests), 9)} ${fault.what}`),
  ];
}

function linesOf({ fault, gap, tests, seenOn, notPassed, failed }: Coverage): string[] {
  const stores = seenOn.length > 0 ? ` [${seenOn.join(', ')}]` : '';
  const skipped = notPassed > failed ? ` (${notPassed - failed} skipped)` : '';
  return [
    `${gap ? '✗' : '✓'} ${cell(fault.id, 5)} ${cell(countOf(tests), 9)} ${fault.what}${stores}${skipped}`,
    ...tests.slice(0, 2).map((title) => `      · ${title}`),
  ];
}

function reasonOf({ tests, notPassed, failed, missingStores }: Coverage): string {
  const others = notPassed > 0 ? ` (${notPassed} with this id failed or were skipped)` : '';
  if (tests.length === 0) return `no test that passed carries it${others}`;
  if (missingStores.length > 0) return `not shown on ${missingStores.join(', ')}${others}`;
  return `${countOf(tests)} passed, and ${failed} failed`;
}

function countOf(tests: readonly string[]): string {
  return tests.length === 1 ? '1 test' : `${tests.length} tests`;
}

function cell(text: string, width: number): string {
  return text.padEnd(width);
}
