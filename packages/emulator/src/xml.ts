/** A value to render: members become elements, a list becomes its element repeated, `@name` becomes an attribute. */
export type XmlValue =
  | string
  | number
  | boolean
  | null
  | readonly XmlValue[]
  | { readonly [name: string]: XmlValue };

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

function isList(value: XmlValue): value is readonly XmlValue[] {
  return Array.isArray(value);
}

function element(name: string, value: XmlValue): string {
  if (isList(value)) return value.map((item) => element(name, item)).join('');
  if (value === null) return `<${name}/>`;
  if (typeof value !== 'object') return `<${name}>${escapeXml(String(value))}</${name}>`;
  let attributes = '';
  let content = '';
  for (const [member, inner] of Object.entries(value)) {
    if (member.startsWith('@')) attributes += ` ${member.slice(1)}="${escapeXml(String(inner))}"`;
    else content += element(member, inner);
  }
  return `<${name}${attributes}>${content}</${name}>`;
}

export function toXml(root: string, value: XmlValue): string {
  return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${element(root, value)}`;
}

/** JSON as the provider writes it: a list of one is the thing itself, and attributes are members. */
export function toProviderJson(value: XmlValue): unknown {
  if (isList(value)) return value.length === 1 ? toProviderJson(value[0] ?? null) : value.map(toProviderJson);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name.replace(/^@/, ''), toProviderJson(inner)]),
  );
}

const TEXT_ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescapeXml(text: string): string | null {
  let known = true;
  const plain = text.replace(/&(#\d{1,7}|#x[0-9a-f]{1,6}|\w*);?/gi, (_, name: string) => {
    if (name.startsWith('#')) {
      const point = /^#x/i.test(name)
        ? Number.parseInt(name.slice(2), 16)
        : Number.parseInt(name.slice(1), 10);
      if (point > 0 && point <= 0x10ffff) return String.fromCodePoint(point);
    }
    const character = TEXT_ENTITIES[name];
    if (character === undefined) known = false;
    return character ?? '';
  });
  return known ? plain : null;
}

/**
 * Reads `<root><member>text</member>…</root>`, one level deep and without attributes: the shape of the documents
 * that the emulator takes. `null`: anything else.
 */
export function readFlatXml(text: string, root: string): Record<string, string> | null {
  const body = text.replace(/^\uFEFF?\s*(<\?xml[^>]*\?>)?\s*/, '').trimEnd();
  if (!body.startsWith(`<${root}>`) || !body.endsWith(`</${root}>`)) return null;
  let rest = body.slice(root.length + 2, body.length - root.length - 3).trim();
  const members: Record<string, string> = {};
  while (rest !== '') {
    const match = /^<([A-Za-z]\w*)>([^<]*)<\/\1>\s*/.exec(rest);
    const [whole, name, content] = match ?? [];
    if (whole === undefined || name === undefined || content === undefined || Object.hasOwn(members, name))
      return null;
    const plain = unescapeXml(content);
    if (plain === null) return null;
    Object.defineProperty(members, name, { value: plain.trim(), enumerable: true });
    rest = rest.slice(whole.length);
  }
  return members;
}
