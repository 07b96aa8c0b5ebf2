import { expect, it } from 'vitest';
import { idFromBytes, idToBytes } from './id-bytes.ts';

/** Around each edge of UTF-8, and the halves of pairs in every position. */
const UNITS = [
  '',
  'a',
  '\u0000',
  '\u007f',
  '\u0080',
  '\u07ff',
  '\u0800',
  '\ucfff',
  '\ud7ff',
  '\ud800',
  '\udbff',
  '\udc00',
  '\udfff',
  '\ue000',
  '\ufffd',
  '\uffff',
  '\u{10000}',
  '\u{10ffff}',
];

const TEXTS = [...new Set(UNITS.flatMap((a) => UNITS.flatMap((b) => UNITS.map((c) => a + b + c))))];

it('F79 gives every text bytes of its own, and the text back', () => {
  const seen = new Set<string>();
  for (const text of TEXTS) {
    const bytes = idToBytes(text);
    seen.add(Buffer.from(bytes).toString('hex'));
    expect(idFromBytes(bytes) === text, JSON.stringify(text)).toBe(true);
  }
  expect(seen.size).toBe(TEXTS.length);
});

it('writes UTF-8 wherever the text has it', () => {
  for (const text of TEXTS.filter((candidate) => !/\p{Surrogate}/u.test(candidate))) {
    expect(Buffer.from(idToBytes(text)).equals(Buffer.from(text, 'utf8')), JSON.stringify(text)).toBe(true);
  }
});

it('orders bytes as code points are ordered', () => {
  const points = (text: string): number[] => Array.from(text, (char) => char.codePointAt(0) ?? 0);
  for (const a of UNITS) {
    for (const b of UNITS) {
      const byBytes = Math.sign(Buffer.compare(idToBytes(a), idToBytes(b)));
      expect(byBytes).toBe(Math.sign((points(a)[0] ?? -1) - (points(b)[0] ?? -1)));
    }
  }
});
