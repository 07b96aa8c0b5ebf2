import type { Token } from './tokens.ts';

/** Something that lets a test pass without being run, or makes it wait for real time. */
export interface TestProblem {
  readonly what: string;
  readonly line: number;
}

const NOT_RUN = new Set(['only', 'skip', 'todo']);
const SLEEPS = new Set(['setTimeout', 'setInterval', 'waitForTimeout']);

/** `skipIf` is allowed: it is how a suite says that a program which it needs is missing. */
export function testProblemsOf(tokens: readonly Token[]): TestProblem[] {
  const problems: TestProblem[] = [];
  tokens.forEach(({ kind, text, line }, index) => {
    if (kind !== 'word') return;
    const previous = tokens[index - 1]?.text;
    const next = tokens[index + 1]?.text;
    const option = next === ':' && tokens[index + 2]?.text === 'true';
    if (NOT_RUN.has(text) && (previous === '.' || option)) problems.push({ what: `\`${text}\``, line });
    if (SLEEPS.has(text)) problems.push({ what: `a sleep (${text})`, line });
    if (text === 'Atomics' && tokens[index + 2]?.text === 'wait')
      problems.push({ what: 'a sleep (Atomics.wait)', line });
  });
  return problems;
}
