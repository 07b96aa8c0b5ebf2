import { describe, expect, it } from 'vitest';
import { formatFor } from './respond.ts';
import { readFlatXml, toProviderJson, toXml } from './xml.ts';

describe('toXml', () => {
  it('escapes text and attributes, and repeats lists', () => {
    expect(toXml('a', { '@n': '"<&\'', b: ['<x>', 2, true], c: null, d: { e: [] } })).toBe(
      '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<a n="&quot;&lt;&amp;&apos;"><b>&lt;x&gt;</b><b>2</b><b>true</b><c/><d></d></a>',
    );
  });
});

describe('toProviderJson', () => {
  it('unwraps lists of one and makes attributes members', () => {
    expect(toProviderJson({ '@total': 1, item: [{ id: [3] }], none: [], two: [1, 2], nil: null })).toEqual({
      total: 1,
      item: { id: 3 },
      none: [],
      two: [1, 2],
      nil: null,
    });
  });
});

describe('readFlatXml', () => {
  it('reads one level of text', () => {
    expect(
      readFlatXml('<?xml version="1.0"?>\n<a>\n <b> x &amp; &#233;&#x1F600; </b><c></c>\n</a>\n', 'a'),
    ).toEqual({
      b: 'x & é😀',
      c: '',
    });
  });

  it.each([
    '<b></b>',
    '<a><b>1</b></a><a/>',
    '<a><b>1</a>',
    '<a><b c="1">1</b></a>',
    '<a>text</a>',
    '<a><b><c/></b></a>',
    '<a><b>1</b><b>2</b></a>',
    '<a><b>&e;</b></a>',
    '<a><b>&#0;</b></a>',
    '<a><b>&#1114112;</b></a>',
    '<a><b>a & b</b></a>',
    '',
  ])('refuses %s', (text) => {
    expect(readFlatXml(text, 'a')).toBeNull();
  });

  it('has no way to a prototype', () => {
    const members = readFlatXml('<a><__proto__>x</__proto__></a>', 'a');
    expect(Object.getPrototypeOf(members ?? {})).toBe(Object.prototype);
  });
});

describe('formatFor', () => {
  it.each([
    [null, 'xml'],
    ['*/*', 'xml'],
    ['text/html', 'xml'],
    ['application/json', 'json'],
    ['Application/JSON; charset=utf-8', 'json'],
    ['application/json, text/plain, */*', 'json'],
    ['application/json, application/xml', 'xml'],
    ['application/json;q=0, application/xml', 'xml'],
    ['text/xml;q=0.1, application/vnd.a+json;q=0.2', 'json'],
  ] as const)('%s asks for %s', (accept, format) => {
    expect(formatFor(accept, 'xml')).toBe(format);
  });
});
