/** With the flag, only those that no partner makes a character match. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * For authors of stores: a `registration` or an `id` as bytes that a database compares and orders, in the order of code
 * points. UTF-8, and for a lone surrogate, which UTF-8 does not have, the three bytes that the same scheme would give it
 * (WTF-8). Every string has bytes of its own, so no two ids can meet in one row, as they would when each lone surrogate
 * became U+FFFD (F79). Throws nothing.
 */
export function idToBytes(text: string): Uint8Array {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text, 'utf8');
  const parts: Uint8Array[] = [];
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    parts.push(
      isSurrogate(code)
        ? Uint8Array.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f))
        : Buffer.from(char, 'utf8'),
    );
  }
  return Buffer.concat(parts);
}

/** The text that `idToBytes` was given: the `registration` or `id` of a row that a store reads back. */
export function idFromBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = '';
  let from = 0;
  for (let at = buffer.indexOf(0xed); at !== -1; at = buffer.indexOf(0xed, at + 1)) {
    const [second = 0, third = 0] = buffer.subarray(at + 1, at + 3);
    const code = 0xd000 | ((second & 0x3f) << 6) | (third & 0x3f);
    if (!isSurrogate(code)) continue;
    text += buffer.toString('utf8', from, at) + String.fromCharCode(code);
    from = at + 3;
  }
  return text + buffer.toString('utf8', from);
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}
