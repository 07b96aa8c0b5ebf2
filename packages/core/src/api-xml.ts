import { decodeEntities } from './token-response-xml.ts';

const MAX_DEPTH = 256;
const MAX_ATTRIBUTES = 256;
const LONGEST_REFERENCE = 10;
/** After so many characters others get their turn. */
const SLICE = 64 * 1024;
/** Sticky, and each part ends where the next one begins: linear in any input (F100). */
const NAME = /[A-Za-z_:\u0080-\uffff][\w:.\-\u0080-\uffff]*/y;
const ATTRIBUTE =
  /[ \t\r\n]+([A-Za-z_:\u0080-\uffff][\w:.\-\u0080-\uffff]*)[ \t\r\n]*=[ \t\r\n]*(?:"([^"<]*)"|'([^'<]*)')/y;
const TAG_END = /[ \t\r\n]*(\/?)>/y;

interface Open {
  readonly name: string;
  /** Attributes and elements; `null` until there is one. */
  members: Record<string, unknown> | null;
  /** Between the markup, and of CDATA. */
  text: string;
  /** So much of it is not white space that only lays the document out. */
  solid: number;
}

/**
 * The content of the root element, as JSON would hold it: attributes and elements are members, several of one name a list,
 * all values text. An element with nothing but text is that text; beside members, text is the member `value`. One pass,
 * which pauses now and then. Namespaces are not looked at.
 * @throws SyntaxError for what is not well-formed, and for every document type: what it can define costs time or reaches
 * out (F99)
 */
export function* readXml(source: string): Generator<void, unknown> {
  const open: Open[] = [];
  let at = 0;
  let pause = SLICE;
  let root: { readonly value: unknown } | null = null;

  const close = (): void => {
    const element = open.pop();
    if (!element) throw new SyntaxError('a tag is closed that was not opened');
    const { name, members } = element;
    const text = element.text.slice(0, element.solid);
    if (members && text !== '') add(members, 'value', text);
    const value = members ?? text;
    const parent = open.at(-1);
    if (!parent) root = { value };
    else {
      parent.members ??= {};
      add(parent.members, name, value);
    }
  };

  for (;;) {
    const next = source.indexOf('<', at);
    const parent = open.at(-1);
    yield* addText(source.slice(at, next < 0 ? source.length : next), parent);
    if (next < 0) break;
    if (source.startsWith('<!--', next)) at = behind(source, '-->', next + 4);
    else if (source.startsWith('<?', next)) at = behind(source, '?>', next + 2);
    else if (source.startsWith('<![CDATA[', next)) {
      if (!parent) throw new SyntaxError('text outside of the root element');
      at = behind(source, ']]>', next + 9);
      // As it stands: nothing in it is an entity.
      parent.text += source.slice(next + 9, at - 3);
      parent.solid = parent.text.length;
    } else if (source.startsWith('</', next)) {
      NAME.lastIndex = next + 2;
      const name = NAME.exec(source)?.[0];
      if (name === undefined || name !== parent?.name)
        throw new SyntaxError('a tag is closed by another one');
      TAG_END.lastIndex = NAME.lastIndex;
      if (TAG_END.exec(source)?.[1] !== '') throw new SyntaxError('a closing tag without an end');
      at = TAG_END.lastIndex;
      close();
    } else {
      NAME.lastIndex = next + 1;
      const name = NAME.exec(source)?.[0];
      if (name === undefined) throw new SyntaxError('no tag, or a document type');
      if (root || open.length === MAX_DEPTH) throw new SyntaxError('a second root, or too deep');
      const element: Open = { name, members: null, text: '', solid: 0 };
      at = attributes(source, NAME.lastIndex, element);
      TAG_END.lastIndex = at;
      const end = TAG_END.exec(source);
      if (!end) throw new SyntaxError('a tag without an end');
      at = TAG_END.lastIndex;
      open.push(element);
      if (end[1] === '/') close();
    }
    if (at > pause) {
      pause = at + SLICE;
      yield;
    }
  }
  if (!root || open.length > 0) throw new SyntaxError('the root element does not end');
  return (root as { readonly value: unknown }).value;
}

/** Without the white space at either end of an element's text. */
function* addText(between: string, parent: Open | undefined): Generator<void, void> {
  let start = 0;
  let end = between.length;
  while (start < end && isSpace(between.charCodeAt(start))) start += 1;
  if (start === end) {
    if (parent?.text) parent.text += between;
    return;
  }
  if (!parent) throw new SyntaxError('text outside of the root element');
  while (isSpace(between.charCodeAt(end - 1))) end -= 1;
  let from = parent.text === '' ? start : 0;
  while (end - from > SLICE) {
    // No further back than a reference is long: looked for in all of a long text, each slice would take longer (F100).
    const tail = from + SLICE - LONGEST_REFERENCE + 1;
    const reference = between.slice(tail, from + SLICE).lastIndexOf('&');
    const to = reference < 0 ? from + SLICE : tail + reference;
    parent.text += decoded(between.slice(from, to));
    from = to;
    yield;
  }
  parent.text += decoded(between.slice(from, end));
  parent.solid = parent.text.length;
  parent.text += between.slice(end);
}

/** One reference at a time: a million of them in one replacement takes seconds (F99). */
function decoded(text: string): string {
  let all = '';
  let from = 0;
  for (;;) {
    const at = text.indexOf('&', from);
    if (at < 0) return from === 0 ? text : all + text.slice(from);
    const end = text.indexOf(';', at);
    if (end < 0 || end - at > LONGEST_REFERENCE)
      throw new SyntaxError('an ampersand that begins no reference');
    all += text.slice(from, at) + decodeEntities(text.slice(at, end + 1));
    from = end + 1;
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function attributes(source: string, from: number, element: Open): number {
  let at = from;
  const seen = new Set<string>();
  for (;;) {
    ATTRIBUTE.lastIndex = at;
    const found = ATTRIBUTE.exec(source);
    if (!found) return at;
    at = ATTRIBUTE.lastIndex;
    const [, name = '', double, single] = found;
    if (seen.has(name) || seen.size === MAX_ATTRIBUTES)
      throw new SyntaxError('an attribute twice, or too many');
    seen.add(name);
    element.members ??= {};
    add(element.members, name, decoded(double ?? single ?? ''));
  }
}

/** What has a name already is joined by the next one: nothing is lost where an attribute and an element share it. */
function add(members: Record<string, unknown>, name: string, value: unknown): void {
  // As from JSON.
  if (name === '__proto__') return;
  if (!Object.hasOwn(members, name)) members[name] = value;
  else if (Array.isArray(members[name])) (members[name] as unknown[]).push(value);
  else members[name] = [members[name], value];
}

function behind(source: string, close: string, from: number): number {
  const found = source.indexOf(close, from);
  if (found < 0) throw new SyntaxError('markup that does not end');
  return found + close.length;
}
