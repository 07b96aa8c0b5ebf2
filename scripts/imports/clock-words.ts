import type { Token } from './tokens.ts';

/** A use of time, a timer or randomness that does not come through `Clock` or `Random`. */
export interface ClockUse {
  readonly what: string;
  readonly line: number;
}

/** Names that are a clock, a timer or randomness wherever they appear. */
const WORDS = new Set([
  'setTimeout',
  'setInterval',
  'setImmediate',
  'randomUUID',
  'randomBytes',
  'randomInt',
  'getRandomValues',
  'hrtime',
]);

const MEMBERS = new Set([
  'Date.now',
  'performance.now',
  'performance.timeOrigin',
  'Math.random',
  'AbortSignal.timeout',
  'process.uptime',
  'Atomics.wait',
]);

/** Objects whose members would escape this check if they were taken apart: `const { now } = Date`. */
const OBJECTS = new Set(['Date', 'performance', 'Math', 'AbortSignal', 'crypto', 'process']);

export function clockUsesOf(tokens: readonly Token[]): ClockUse[] {
  const uses: ClockUse[] = [];
  tokens.forEach(({ kind, text, line }, index) => {
    if (kind !== 'word') return;
    const next = tokens[index + 1]?.text;
    const previous = tokens[index - 1]?.text;
    const member = memberAfter(tokens, index);
    if (WORDS.has(text)) uses.push({ what: text, line });
    else if (member !== null && MEMBERS.has(`${text}.${member}`))
      uses.push({ what: `${text}.${member}`, line });
    else if (OBJECTS.has(text) && previous === '=' && tokens[index - 2]?.text === '}') {
      uses.push({ what: `members taken out of ${text}`, line });
    } else if (text === 'Date' && previous === 'new' && (next !== '(' || tokens[index + 2]?.text === ')')) {
      uses.push({ what: 'new Date()', line });
    } else if (text === 'Date' && previous !== 'new' && previous !== '.' && next === '(') {
      uses.push({ what: 'Date()', line });
    }
  });
  return uses;
}

/** The member that `a.b`, `a?.b`, `a['b']` and `a?.['b']` name. */
function memberAfter(tokens: readonly Token[], index: number): string | null {
  const [first, second, third] = tokens.slice(index + 1, index + 4);
  const dot = first?.text === '.' || first?.text === '?.';
  if (dot && second?.kind === 'word') return second.text;
  if (first?.text === '[' && second?.kind === 'string') return second.text;
  if (dot && second?.text === '[' && third?.kind === 'string') return third.text;
  return null;
}
