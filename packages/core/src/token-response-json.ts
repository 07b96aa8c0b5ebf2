import type { TokenResponseProblem } from './token-outcome.ts';

/** Deeper than any token response, and shallow enough to walk. */
export const MAX_DEPTH = 32;

export type JsonResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: TokenResponseProblem };

/** Strict JSON. A key that stands twice in one object is refused: two readers could see two different tokens (F01). */
export function parseStrictJson(text: string): JsonResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, problem: 'malformed_json' };
  }
  const problem = inspect(text);
  return problem ? { ok: false, problem } : { ok: true, value };
}

/** One pass over text that is known to be JSON: nesting, and the keys of each object. */
function inspect(text: string): TokenResponseProblem | null {
  /** The keys seen in each open object; `null` for an array. */
  const open: (Set<string> | null)[] = [];
  let keyNext = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        if (keyNext) {
          const key: unknown = JSON.parse(text.slice(at, end + 1));
          const keys = open.at(-1);
          if (typeof key !== 'string' || keys?.has(key)) return 'malformed_json';
          keys?.add(key);
          keyNext = false;
        }
        at = end;
        break;
      }
      case '{':
      case '[':
        if (open.length >= MAX_DEPTH) return 'too_deep';
        keyNext = text[at] === '{';
        open.push(keyNext ? new Set() : null);
        break;
      case '}':
      case ']':
        open.pop();
        keyNext = false;
        break;
      case ',':
        keyNext = open.at(-1) instanceof Set;
        break;
    }
  }
  return null;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
