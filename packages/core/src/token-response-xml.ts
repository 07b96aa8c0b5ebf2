import { XMLParser, XMLValidator } from 'fast-xml-parser';
import type { TokenResponseProblem } from './token-outcome.ts';
import { MAX_DEPTH } from './token-response-json.ts';

/** Tags, comments and sections of one document. A token response has about a dozen. */
const MAX_MARKUP = 1000;

export interface XmlElement {
  readonly name: string;
  /** Text and CDATA directly inside, entities decoded, without surrounding white space. */
  readonly text: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly children: readonly XmlElement[];
}

export type XmlResult =
  | { readonly ok: true; readonly root: XmlElement }
  | { readonly ok: false; readonly problem: TokenResponseProblem };

/**
 * One well-formed element without a document type. What costs time or may be understood in two ways is refused before
 * the parser sees it (F99).
 */
export function parseStrictXml(text: string): XmlResult {
  if (/<!(?:doctype|entity)/i.test(text)) return { ok: false, problem: 'doctype_refused' };
  if (hasForbiddenControl(text)) return { ok: false, problem: 'malformed_xml' };
  const problem = inspect(text);
  if (problem) return { ok: false, problem };
  try {
    if (XMLValidator.validate(text) !== true) return { ok: false, problem: 'malformed_xml' };
    const roots = elementsOf(new XMLParser(PARSER_OPTIONS).parse(text));
    const root = roots[0];
    return root && roots.length === 1 ? { ok: true, root } : { ok: false, problem: 'malformed_xml' };
  } catch {
    return { ok: false, problem: 'malformed_xml' };
  }
}

/** Values stay text: with the defaults the token `0012e3` becomes the number 12000. */
const PARSER_OPTIONS = {
  preserveOrder: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  trimValues: false,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  ignoreDeclaration: true,
  ignorePiTags: true,
  cdataPropName: '#cdata',
} as const;

function hasForbiddenControl(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return true;
  }
  return false;
}

/**
 * One linear pass: bounds depth and amount of markup, and demands exactly one element with nothing but comments and
 * white space around it. The validator lets `<a/><b/>` and `<a/>x` pass.
 */
function inspect(text: string): TokenResponseProblem | null {
  let at = 0;
  let depth = 0;
  let roots = 0;
  for (let markup = 0; ; markup += 1) {
    const open = text.indexOf('<', at);
    if (depth === 0 && /[^ \t\r\n]/.test(text.slice(at, open < 0 ? text.length : open)))
      return 'malformed_xml';
    if (open < 0) return depth === 0 && roots === 1 ? null : 'malformed_xml';
    if (markup === MAX_MARKUP) return 'too_deep';
    const end = endOfMarkup(text, open);
    if (end < 0) return 'malformed_xml';
    const next = text[open + 1];
    if (next === '/') {
      depth -= 1;
      if (depth < 0) return 'malformed_xml';
    } else if (next === '!') {
      if (depth === 0 && text[open + 2] === '[') return 'malformed_xml';
    } else if (next !== '?') {
      if (depth === 0) roots += 1;
      if (roots > 1) return 'malformed_xml';
      if (text[end - 2] !== '/') depth += 1;
      if (depth > MAX_DEPTH) return 'too_deep';
    }
    at = end;
  }
}

/** Index after the comment, section, instruction or tag that begins at `open`; -1 if it does not end. */
function endOfMarkup(text: string, open: number): number {
  const after = (close: string, from: number): number => {
    const found = text.indexOf(close, from);
    return found < 0 ? -1 : found + close.length;
  };
  if (text.startsWith('<!--', open)) return after('-->', open + 4);
  if (text.startsWith('<![CDATA[', open)) return after(']]>', open + 9);
  if (text.startsWith('<?', open)) return after('?>', open + 2);
  if (text.startsWith('<!', open)) return -1;
  let quote: string | null = null;
  for (let at = open + 1; at < text.length; at += 1) {
    const char = text[at];
    if (quote !== null) {
      if (char === quote) quote = null;
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '<') return -1;
    else if (char === '>') return at + 1;
  }
  return -1;
}

/** The parser's ordered output: `{ tag: children, ':@': attributes }`, `{ '#text': text }`, `{ '#cdata': [text] }`. */
function elementsOf(nodes: unknown): XmlElement[] {
  const elements: XmlElement[] = [];
  for (const node of asList(nodes)) {
    const [name, content] = Object.entries(node).find(([key]) => key !== ':@') ?? [];
    if (name === undefined || name.startsWith('#')) continue;
    elements.push({
      name,
      text: textOf(content).trim(),
      attributes: Object.entries(node[':@'] ?? {}).map(([key, value]) => [
        key,
        decodeEntities(String(value)),
      ]),
      children: elementsOf(content),
    });
  }
  return elements;
}

function textOf(nodes: unknown): string {
  let text = '';
  for (const node of asList(nodes)) {
    if (typeof node['#text'] === 'string') text += decodeEntities(node['#text']);
    for (const section of asList(node['#cdata'])) text += String(section['#text'] ?? '');
  }
  return text;
}

function asList(nodes: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(nodes) ? nodes : [];
}

const PREDEFINED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The five predefined entities and character references. @throws SyntaxError for any other ampersand. */
export function decodeEntities(text: string): string {
  return text.replace(
    /&(?:(lt|gt|amp|quot|apos)|#([0-9]{1,7})|#x([0-9a-fA-F]{1,6}));|&/g,
    (_all, name?: string, decimal?: string, hexadecimal?: string) => {
      if (name !== undefined) return PREDEFINED[name] ?? '';
      const code = Number.parseInt(decimal ?? hexadecimal ?? '', decimal === undefined ? 16 : 10);
      if (!isXmlCharacter(code)) throw new SyntaxError('an entity that is not predefined');
      return String.fromCodePoint(code);
    },
  );
}

function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 0x09 || code === 0x0a || code === 0x0d;
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}
