import { expect, it } from 'vitest';
import { hexOf, textOf } from './id-hex.ts';

/** Around each edge of UTF-8, and the halves of pairs in every position. */
const UNITS = [
  '',
  'a',
  '\u0000',
  '\u007f',
  '\u0080',
  '\u07ff',
  '\u0800',
  '\ud7ff',
  '\ud800',
  '\udbff',
  '\udc00',
];
const MORE = ['\udfff', '\ue000', '\ufffd', '\uffff', '\u{10000}', '\u{10ffff}'];
const ALL = [...UNITS, ...MORE];
const TEXTS = [...new Set(ALL.flatMap((a) => ALL.flatMap((b) => ALL.map((c) => a + b + c))))];

it('F79 gives every text digits of its own, and the text back', () => {
  const seen = new Set<string>();
  for (const text of TEXTS) {
    const hex = hexOf(text);
    expect(hex).toMatch(/^[0-9a-f]*$/);
    seen.add(hex);
    expect(textOf(hex) === text, JSON.stringify(text)).toBe(true);
  }
  expect(seen.size).toBe(TEXTS.length);
});

it('orders digits as code points are ordered', () => {
  const point = (text: string): number => text.codePointAt(0) ?? -1;
  for (const a of ALL) {
    for (const b of ALL) {
      const byDigits = hexOf(a) < hexOf(b) ? -1 : hexOf(a) > hexOf(b) ? 1 : 0;
      expect(byDigits).toBe(Math.sign(point(a) - point(b)));
    }
  }
});
