import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { KEY_COMMAND, parseKey } from './encryption-keys.ts';
import { problemsOf, resolve, someKey } from './options.fixture.ts';
import { seededRandom } from './testing/seeded-random.ts';

const bytes = new Uint8Array(Buffer.from(someKey, 'base64'));
// Its base64 holds both `+` and `/`, in which the two alphabets differ.
const both = Buffer.from(`${'fbefbe'.repeat(10)}ffff`, 'hex');

const problem = (key: unknown): string => {
  const parsed = parseKey(key);
  return 'problem' in parsed ? parsed.problem : 'none';
};
const listed = (keys: unknown, env: Record<string, string> = {}) =>
  problemsOf({ encryption: keys === undefined ? undefined : { keys } }, env);

describe('an encryption key', () => {
  it('may be bytes, base64, base64url or hexadecimal', () => {
    const forms = [bytes, Buffer.from(bytes), someKey, someKey.replace('=', '')];
    forms.push(Buffer.from(bytes).toString('base64url'), Buffer.from(bytes).toString('hex'));
    forms.push(Buffer.from(bytes).toString('hex').toUpperCase());
    for (const form of forms) expect(parseKey(form)).toEqual({ key: bytes });
    for (const form of [both.toString('base64'), both.toString('base64url')]) {
      expect(parseKey(form)).toEqual({ key: new Uint8Array(both) });
    }
    expect(both.toString('base64')).toMatch(/\+.*\/|\/.*\+/);
  });

  it.each<[string, unknown, RegExp]>([
    ['16 bytes', new Uint8Array(16).fill(200), /16 bytes/],
    ['31 bytes', new Uint8Array(31).fill(200), /31 bytes/],
    ['33 bytes', new Uint8Array(33).fill(200), /33 bytes/],
    ['no bytes', new Uint8Array(0), /0 bytes/],
    ['16 bytes in base64', Buffer.alloc(16, 200).toString('base64'), /16 bytes/],
    ['16 bytes in hexadecimal', 'c8'.repeat(16), /16 bytes/],
    ['64 bytes in base64', Buffer.alloc(64, 200).toString('base64'), /64 bytes/],
    ['zeroes', new Uint8Array(32), /all zero/],
    ['zeroes in base64', Buffer.alloc(32).toString('base64'), /all zero/],
    ['zeroes in hexadecimal', '0'.repeat(64), /all zero/],
    ['a passphrase', 'correct horse battery staple', /passphrase/],
    ['a passphrase of 32 characters', 'correct-horse-battery-staple-now', /passphrase/],
    ['a passphrase that could be base64', 'correcthorsebatterystaplecorrecthorsebatte', /passphrase/],
    ['a passphrase as bytes', Buffer.from('correct horse battery staple 123'), /passphrase/],
    [
      'a passphrase in base64',
      Buffer.from('correct horse battery staple 123').toString('base64'),
      /passphrase/,
    ],
    ['63 hexadecimal digits', `${'a1'.repeat(31)}b`, /bytes|passphrase/],
    [
      'a second spelling',
      `${someKey.slice(0, -2)}${someKey.at(-2) === 'B' ? 'C' : 'B'}=`,
      /passphrase|neither/,
    ],
    ['an empty text', '', /empty/],
    ['a number', 7, /string/],
    ['nothing', undefined, /string/],
  ])('F78 is not %s', (_, key, why) => {
    expect(problem(key)).toMatch(why);
  });

  it('F78 may be any 32 random bytes', () => {
    const source = seededRandom(78);
    for (let round = 0; round < 2000; round += 1) {
      const random = Buffer.from(Uint8Array.from({ length: 32 }, () => source.float() * 256));
      for (const form of [
        random,
        ...(['base64', 'base64url', 'hex'] as const).map((e) => random.toString(e)),
      ]) {
        expect(problem(form)).toBe('none');
      }
    }
  });

  it('comes from the command that the remedy names', () => {
    const [, script = ''] = /^node -p "(.*)"$/.exec(KEY_COMMAND) ?? [];
    const print = () => execFileSync(process.execPath, ['-p', script], { encoding: 'utf8' }).trim();
    const key = print();
    expect(problem(key)).toBe('none');
    expect(print()).not.toBe(key);
    expect(listed(undefined)[0]?.problem).toContain(KEY_COMMAND);
  });
});

describe('encryption', () => {
  it('F78 must be written out', () => {
    expect(listed(undefined)).toMatchObject([{ option: 'encryption', env: 'HIGHQ_ENCRYPTION_KEYS' }]);
    expect(resolve({ encryption: false }).encryption).toBe(false);
    for (const value of [null, true, 'false', [], someKey]) {
      expect(problemsOf({ encryption: value })).toHaveLength(1);
    }
  });

  it('F78 lists every problem of every key, with its place', () => {
    expect(listed([])[0]?.option).toBe('encryption.keys');
    expect(problemsOf({ encryption: {} })[0]?.option).toBe('encryption.keys');
    const found = listed([
      { id: 'a', key: bytes },
      { id: 'a', key: someKey },
      { id: '', key: 'x' },
      { id: 'with,comma', key: bytes },
      'text',
    ]).map(({ option }) => option);
    expect(found).toEqual([
      'encryption.keys[2].key',
      'encryption.keys[2].id',
      'encryption.keys[3].id',
      'encryption.keys[4]',
      'encryption.keys[1].id',
    ]);
  });

  it('F78 reads the variable as strictly', () => {
    const env = (HIGHQ_ENCRYPTION_KEYS: string) => listed(undefined, { HIGHQ_ENCRYPTION_KEYS });
    expect(env(`a:${someKey},b:${'ab'.repeat(32)}`)).toEqual([]);
    for (const bad of [
      someKey,
      `a:${someKey},`,
      `:${someKey}`,
      'a:',
      `a:${someKey},a:${someKey}`,
      ',',
      'a:b:c',
    ]) {
      const found = env(bad);
      expect(found.length, bad).toBeGreaterThan(0);
      expect(JSON.stringify(found)).not.toContain(someKey);
    }
  });

  it('keeps its own copy of the bytes', () => {
    const given = bytes.slice();
    const { encryption } = resolve({ encryption: { keys: [{ id: 'a', key: given }] } });
    given.fill(0);
    expect((encryption || undefined)?.keys[0]?.key).toEqual(bytes);
  });
});
