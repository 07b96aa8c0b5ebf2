import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formsOf } from './forms.ts';
import { type Finding, scanFolder } from './scan-folder.ts';

// Not the marker of the run: what this file plants lies outside the run's folder and is looked for here only.
const MARKER = 'hqSELFTEST3';
const TOKEN = `${MARKER}~q8.Zk-_41`;
const SECRET = 'a"quote\\back/слэш';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hq-scan-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function scan(chunkBytes?: number): readonly Finding[] {
  return scanFolder(folder, [MARKER, SECRET], chunkBytes === undefined ? {} : { chunkBytes }).findings;
}

function plant(content: string | Uint8Array, name = 'output.log'): void {
  writeFileSync(join(folder, name), content);
}

const bytes = Buffer.from(TOKEN);
const everyByte = (prefix: string, hex: string): string => hex.replace(/../g, (pair) => prefix + pair);

describe('F96 the scan finds a planted token', () => {
  const written: [string, string | Uint8Array][] = [
    ['raw', `Authorization: Bearer ${TOKEN}`],
    ['hex', bytes.toString('hex')],
    ['upper-case hex', bytes.toString('hex').toUpperCase()],
    ['inspected as a Buffer', inspect(bytes)],
    ['a Buffer in JSON', JSON.stringify(bytes)],
    ['percent-encoded', everyByte('%', bytes.toString('hex'))],
    ['upper-case percent-encoded', everyByte('%', bytes.toString('hex').toUpperCase())],
    ['in a query', new URLSearchParams({ refresh_token: TOKEN }).toString()],
    ['JSON-escaped', everyByte('\\u00', bytes.toString('hex'))],
    ['UTF-16LE', Buffer.from(`x${TOKEN}`, 'utf16le')],
    ['UTF-16BE', Buffer.from(`x${TOKEN}`, 'utf16le').swap16()],
  ];
  it.each(written)('%s', (_form, content) => {
    plant(content);
    expect(scan()).toEqual([expect.objectContaining({ file: 'output.log', planted: 0 })]);
  });

  it.each([0, 1, 2, 3, 4, 5])('in base64 and base64url after %i bytes', (before) => {
    const around = Buffer.concat([Buffer.alloc(before, 0xfb), bytes, Buffer.alloc(7, 0xff)]);
    plant(around.toString('base64'), 'standard.txt');
    plant(around.toString('base64url'), 'url.txt');
    expect(new Set(scan().map(({ file }) => file))).toEqual(new Set(['standard.txt', 'url.txt']));
  });

  it('in an SQLite database and in its write-ahead log', () => {
    const db = new DatabaseSync(join(folder, 'tokens.db'));
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE a (t TEXT)');
    db.prepare('INSERT INTO a VALUES (?)').run(TOKEN);
    expect(scan().map(({ file }) => file)).toContain('tokens.db-wal');
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    db.close();
    expect(scan().map(({ file }) => file)).toEqual(['tokens.db']);
  });

  it('in a folder below, and in the name of a file', () => {
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    plant(TOKEN, 'a/b/c.bin');
    plant('', `a/${TOKEN}.txt`);
    expect(scan()).toEqual(
      expect.arrayContaining([
        { file: 'a/b/c.bin', offset: 0, planted: 0, form: 'raw' },
        { file: `a/${TOKEN}.txt`, offset: null, planted: 0, form: 'raw' },
      ]),
    );
  });

  it('at its offset, once, wherever the reads of a large file end', () => {
    plant(`${'.'.repeat(1000)}${TOKEN}${'.'.repeat(1000)}`);
    for (const chunkBytes of [1, 7, 997, 1000, 1001, 1005, 1010, 1011, 4096]) {
      expect(scan(chunkBytes)).toEqual([{ file: 'output.log', offset: 1000, planted: 0, form: 'raw' }]);
    }
  });
});

describe('the scan of other texts', () => {
  it.each([
    ['raw', SECRET],
    ['JSON', JSON.stringify({ secret: SECRET })],
    ['URL', encodeURIComponent(SECRET)],
    ['base64', Buffer.from(SECRET).toString('base64')],
  ])('finds a secret with quotes and letters beyond ASCII as %s', (_form, content) => {
    plant(content);
    expect(scan()).toEqual([expect.objectContaining({ planted: 1 })]);
  });

  it('finds nothing in clean files, sealed text and the start of a marker', () => {
    plant(`${MARKER.slice(0, -1)} eyJhbGciOiJkaXIifQ..c2VhbGVk ${Buffer.from('nothing').toString('base64')}`);
    expect(scan()).toEqual([]);
  });

  it("excepts the emulator's ledger, by its name only", () => {
    plant(TOKEN, 'emulator.ledger.json');
    plant('clean', 'ledger.json');
    expect(scanFolder(folder, [MARKER])).toMatchObject({
      findings: [],
      excepted: ['emulator.ledger.json'],
      files: 1,
    });
    plant(TOKEN, 'ledger.json');
    expect(scan()).toHaveLength(1);
  });

  it('never shows what it found', () => {
    plant(TOKEN);
    expect(JSON.stringify(scan())).not.toContain(MARKER);
  });

  it('refuses to look for nothing, or for a text so short that chance would find it', () => {
    expect(() => scanFolder(folder, [])).toThrow(RangeError);
    expect(() => formsOf('seven77')).toThrow(RangeError);
    expect(() => formsOf('eight888')).not.toThrow();
  });
});
