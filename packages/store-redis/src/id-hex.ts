/** With the flag, only those that no partner makes a character match. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Text as lower-case hexadecimal of its UTF-8 bytes, and of a lone surrogate, which UTF-8 does not have, of the three
 * bytes that the same scheme would give it (WTF-8). Every text has digits of its own, so no two ids can meet in one
 * key and none can hold a separator or a hash tag (F79); and digits are ordered as the bytes are, which is the order
 * of a sorted set whose scores are equal.
 */
export function hexOf(text: string): string {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text, 'utf8').toString('hex');
  let hex = '';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    hex += isSurrogate(code) ? hexOfSurrogate(code) : Buffer.from(char, 'utf8').toString('hex');
  }
  return hex;
}

/** The text that `hexOf` was given. */
export function textOf(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  let text = '';
  let from = 0;
  for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at + 1)) {
    const [second = 0, third = 0] = bytes.subarray(at + 1, at + 3);
    const code = 0xd000 | ((second & 0x3f) << 6) | (third & 0x3f);
    if (!isSurrogate(code)) continue;
    text += bytes.toString('utf8', from, at) + String.fromCharCode(code);
    from = at + 3;
  }
  return text + bytes.toString('utf8', from);
}

function hexOfSurrogate(code: number): string {
  return Buffer.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)).toString('hex');
}

function isSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}
