/** One check of one package on one Node. */
export interface Outcome {
  readonly node: string;
  readonly name: string;
  readonly check: string;
  /** What was seen; `null` where it failed, and the problem says how. */
  readonly seen: string | null;
  readonly problem: string;
  readonly seconds: number;
}

/** A line for each package on each Node, a column for each check. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const checks = [...new Set(outcomes.map(({ check }) => check))];
  const rows = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const key = `${outcome.node}\n${outcome.name}`;
    rows.set(key, [...(rows.get(key) ?? []), outcome]);
  }
  const lines = [...rows].map(([key, ofRow]) => {
    const cells = checks.map((check) => {
      const outcome = ofRow.find((each) => each.check === check);
      if (!outcome) return '';
      return outcome.seen === null ? '✗ FAILED' : `✓ ${outcome.seen}`;
    });
    return [...key.split('\n'), ...cells];
  });
  const all = [['node', 'package', ...checks], ...lines];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
