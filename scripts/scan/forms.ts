/** One way in which a text can stand in a file. */
export interface Form {
  readonly name: string;
  readonly needle: Buffer;
}

const SHORTEST_BYTES = 8;

/** Every form in which the scan looks for `text`. A text under 8 bytes is refused: it would be found by chance. */
export function formsOf(text: string): Form[] {
  const bytes = Buffer.from(text);
  if (bytes.length < SHORTEST_BYTES)
    throw new RangeError(`a planted text needs ${SHORTEST_BYTES} bytes or more`);
  const hex = bytes.toString('hex');
  const pairs = hex.match(/../g) ?? [];
  const units = Array.from({ length: text.length }, (_, index) =>
    text.charCodeAt(index).toString(16).padStart(4, '0'),
  );
  const forms: [string, string | Buffer][] = [
    ['raw', bytes],
    ...base64At(bytes, 'base64'),
    ...base64At(bytes, 'base64url'),
    ['hex', hex],
    ['hex, upper case', hex.toUpperCase()],
    ['hex, spaced', pairs.join(' ')],
    ['hex, spaced, upper case', pairs.join(' ').toUpperCase()],
    ['URL-encoded', encodeURIComponent(text)],
    ['URL-encoded, every byte', pairs.map((pair) => `%${pair}`).join('')],
    ['URL-encoded, every byte, upper case', pairs.map((pair) => `%${pair.toUpperCase()}`).join('')],
    ['JSON-escaped', JSON.stringify(text).slice(1, -1)],
    ['JSON-escaped, every character', units.map((unit) => `\\u${unit}`).join('')],
    ['JSON-escaped, every character, upper case', units.map((unit) => `\\u${unit.toUpperCase()}`).join('')],
    ['UTF-16LE', Buffer.from(text, 'utf16le')],
    ['decimal bytes', bytes.join(',')],
    ['decimal bytes, spaced', bytes.join(', ')],
  ];
  const byNeedle = new Map<string, Form>();
  for (const [name, needle] of forms) {
    const key = Buffer.from(needle).toString('hex');
    if (!byNeedle.has(key)) byNeedle.set(key, { name, needle: Buffer.from(needle) });
  }
  return [...byNeedle.values()];
}

/**
 * Base64 takes three bytes at a time, so what a text looks like depends on how many bytes stand before it. Of each of
 * the three alignments this keeps the characters that the neighbours on either side have no bit in.
 */
function base64At(bytes: Buffer, encoding: 'base64' | 'base64url'): [string, string][] {
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding);
    const first = Math.ceil((before * 8) / 6);
    const end = Math.floor(((before + bytes.length) * 8) / 6);
    return [`${encoding} at alignment ${before}`, encoded.slice(first, end)];
  });
}
