import type { Token } from './tokens.ts';

/** A module that a file names. `specifier` is `null` where it is computed, so that nobody can check it. */
export interface ModuleReference {
  readonly specifier: string | null;
  readonly line: number;
}

/** Every module that is imported, re-exported, required or resolved, statically or not, as a value or as a type. */
export function modulesOf(tokens: readonly Token[]): ModuleReference[] {
  const found: ModuleReference[] = [];
  tokens.forEach((token, index) => {
    if (token.kind !== 'word') return;
    // A member that happens to be called `import` or `export` names no module.
    if (tokens[index - 1]?.text === '.' && token.text !== 'getBuiltinModule') return;
    const line = token.line;
    const next = tokens[index + 1];
    switch (token.text) {
      case 'import':
        if (next?.kind === 'string') found.push({ specifier: next.text, line });
        else if (next?.text === '(') found.push({ specifier: literalArgument(tokens, index + 2), line });
        else if (next?.text === '.') found.push(...resolveCall(tokens, index));
        else found.push(...fromClause(tokens, index));
        break;
      case 'export':
        if (next !== undefined && ['*', '{', 'type'].includes(next.text))
          found.push(...fromClause(tokens, index));
        break;
      case 'require':
      case 'getBuiltinModule':
        if (next?.text === '(') found.push({ specifier: literalArgument(tokens, index + 2), line });
        break;
    }
  });
  return found;
}

/** `import.meta.resolve(…)` */
function resolveCall(tokens: readonly Token[], index: number): ModuleReference[] {
  const text = tokens
    .slice(index, index + 6)
    .map((token) => token.text)
    .join('');
  if (text !== 'import.meta.resolve(') return [];
  return [{ specifier: literalArgument(tokens, index + 6), line: tokens[index]?.line ?? 0 }];
}

/** The string after the `from` of an import or export that begins at `index`, if it has one. */
function fromClause(tokens: readonly Token[], index: number): ModuleReference[] {
  const line = tokens[index]?.line ?? 0;
  for (let at = index + 1; at < tokens.length; at += 1) {
    const token = tokens[at];
    const next = tokens[at + 1];
    if (token?.text === 'from' && next?.kind === 'string') return [{ specifier: next.text, line }];
    // A clause holds names, commas, stars and braces only: anything else belongs to what follows.
    const belongs =
      token?.kind === 'word' || token?.kind === 'string' || ['{', '}', ',', '*'].includes(token?.text ?? '');
    if (!belongs || ['import', 'export'].includes(token?.text ?? '')) return [];
  }
  return [];
}

function literalArgument(tokens: readonly Token[], index: number): string | null {
  const token = tokens[index];
  const after = tokens[index + 1]?.text;
  const literal = token?.kind === 'string' || (token?.kind === 'template' && !token.text.endsWith('${'));
  return literal && (after === ')' || after === ',') ? token.text : null;
}
