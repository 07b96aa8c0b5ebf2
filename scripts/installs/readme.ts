/** One thing that a README tells its reader to do. */
export type Step =
  /** Commands for a shell. */
  | { readonly kind: 'commands'; readonly script: string }
  /** A file to write. */
  | { readonly kind: 'file'; readonly name: string; readonly code: string };

const FENCE = /^```(sh|ts)\n(.*?)^```$/gms;

/**
 * What a README tells its reader to do first, in its order: the blocks below `## Quick start`, or those before the first heading.
 * A file has the name that the line before it gives (`` `server.mts`: ``), or its own first comment.
 */
export function quickStartOf(readme: string): Step[] {
  const [opening = '', ...sections] = readme.split(/^(?=## )/m);
  const section = sections.find((each) => each.startsWith('## Quick start\n')) ?? opening;
  const steps = stepsOf(section);
  if (steps.some(({ kind }) => kind === 'file')) return steps;
  const first = stepsOf(readme).find(({ kind }) => kind === 'file');
  return first ? [...steps, first] : steps;
}

function stepsOf(text: string): Step[] {
  return [...text.matchAll(FENCE)].map((match): Step => {
    const [, language, code = ''] = match;
    if (language === 'sh') return { kind: 'commands', script: code };
    const before = text.slice(0, match.index);
    const name = /`([\w.-]+)`:\n\n$/.exec(before)?.[1] ?? /^\/\/ ([\w.-]+)\n/.exec(code)?.[1];
    return { kind: 'file', name: name ?? 'quick-start.mts', code };
  });
}

/** How many lines somebody has to write: without imports, blank lines, comments, and lines that only close a bracket. */
export function linesOfUserCode(code: string): number {
  return code
    .replace(/^import\b.*?;$/gms, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s)\/\/.*$/, '').trim())
    .filter((line) => /[\w$]/.test(line)).length;
}
