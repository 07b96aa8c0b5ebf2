import { describe, expect, it } from 'vitest';
import { returnPath } from './return-to.ts';

describe('returnPath', () => {
  it.each([
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\\/evil.example',
    'https:evil.example',
    'https://evil.example/',
    'javascript:alert(1)',
    'evil.example',
    '',
    '/%2f%2fevil.example',
    '/%2F/evil.example',
    '/%5cevil.example',
    '/%5C%5Cevil.example',
    '\t//evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/%09/evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '/%2e//evil.example',
    '/%2e%2e//evil.example',
    '//evil。example',
    '/bad%',
    '/bad%ff',
    `/${'a'.repeat(4096)}`,
    ' /sites',
    null,
    undefined,
    7,
    ['/sites'],
  ])('F86 refuses %j', (value) => {
    expect(returnPath(value)).toBeNull();
  });

  it.each([
    ['/', '/'],
    ['/sites', '/sites'],
    ['/sites?q=//evil.example&x=%2f', '/sites?q=//evil.example&x=%2f'],
    ['/sites#//x', '/sites#//x'],
    ['/a/../sites', '/sites'],
    ['/./sites', '/sites'],
    ['/。。/sites', '/%E3%80%82%E3%80%82/sites'],
    ['/a//b', '/a//b'],
    [`/${'a'.repeat(2047)}`, `/${'a'.repeat(2047)}`],
  ])('F86 keeps %j on this origin, as %j', (value, path) => {
    expect(returnPath(value)).toBe(path);
    expect(new URL(path, 'https://app.example').origin).toBe('https://app.example');
  });

  it('F86 refuses one character more than it may have', () => {
    expect(returnPath(`/${'a'.repeat(2048)}`)).toBeNull();
  });
});
