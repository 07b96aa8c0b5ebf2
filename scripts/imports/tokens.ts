/** A piece of TypeScript source. Comments are gone; a string's text is its content as written, without quotes. */
export interface Token {
  readonly kind: 'word' | 'punctuation' | 'string' | 'template' | 'regex' | 'number';
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

const WORD = /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy;
const NUMBER = /\d[\w.]*/y;
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const BLANK = /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;
const OPERATOR = /=>|\?\.(?!\d)|\.\.\.|./suy;

const PLAIN: readonly (readonly [Token['kind'], RegExp])[] = [
  ['word', WORD],
  ['number', NUMBER],
  ['punctuation', OPERATOR],
];

/** After these words an expression begins, so a slash begins a regular expression. */
const BEFORE_EXPRESSION = new Set(
  'return typeof case in of new delete void throw instanceof yield await else do default'.split(' '),
);

/** Splits source into tokens. Throws `SyntaxError` where it cannot read on, so that nothing passes unread. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  /** For each open brace whether it is a template's `${`. */
  const braces: boolean[] = [];
  let at = 0;
  let line = 1;

  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const text = pattern.exec(source)?.[0];
    if (text === undefined || text === '') return null;
    at += text.length;
    return text;
  };
  const push = (kind: Token['kind'], text: string, raw = text): void => {
    tokens.push({ kind, text, line });
    line += newlinesIn(raw);
  };
  /** Reads a template's text up to its end or its next `${`. */
  const template = (): void => {
    const text = take(TEMPLATE_TEXT) ?? '';
    if (source.startsWith('${', at)) {
      at += 2;
      braces.push(true);
      push('template', `${text}\${`, text);
    } else if (source[at] === '`') {
      at += 1;
      push('template', text);
    } else {
      throw new SyntaxError(`line ${line}: a template does not end`);
    }
  };

  while (at < source.length) {
    const blank = take(BLANK);
    if (blank !== null) {
      line += newlinesIn(blank);
      continue;
    }
    const character = source[at];
    if (character === '`') {
      at += 1;
      template();
    } else if (character === "'" || character === '"') {
      const text = take(STRING);
      if (text === null) throw new SyntaxError(`line ${line}: a string does not end`);
      push('string', text.slice(1, -1), text);
    } else if (character === '/' && beginsExpression(tokens.at(-1))) {
      const text = take(REGEX);
      if (text === null) throw new SyntaxError(`line ${line}: a regular expression does not end`);
      push('regex', text);
    } else {
      readPlain();
    }
  }
  return tokens;

  function readPlain(): void {
    for (const [kind, pattern] of PLAIN) {
      const text = take(pattern);
      if (text === null) continue;
      if (text === '{') braces.push(false);
      if (text === '}' && braces.pop() === true) template();
      else push(kind, text);
      return;
    }
  }
}

function newlinesIn(text: string): number {
  return text.split('\n').length - 1;
}

function beginsExpression(previous: Token | undefined): boolean {
  if (previous === undefined) return true;
  switch (previous.kind) {
    case 'word':
      return BEFORE_EXPRESSION.has(previous.text);
    case 'punctuation':
      return ![')', ']', '}'].includes(previous.text);
    case 'template':
      return previous.text.endsWith('${');
    case 'string':
    case 'regex':
    case 'number':
      return false;
    default:
      return previous.kind satisfies never;
  }
}
