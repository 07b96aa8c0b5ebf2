import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigurationError } from './errors.ts';
import { fileJournal, rescueFolder } from './file-journal.ts';
import { CONNECTION, entryAt, generationsOf, journalFolder, REGISTRATION } from './journal.fixture.ts';
import { textOf } from './journal-entry.ts';
import { journalSuite } from './journal-suite.fixture.ts';

journalSuite('file journal', () => {
  const dir = journalFolder();
  return { open: () => fileJournal({ dir }) };
});

function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((found) => !found.isDirectory())
    .map((found) => join(found.parentPath, found.name));
}

const read = async (dir: string) => generationsOf(await fileJournal({ dir }).read(REGISTRATION, CONNECTION));

/** A journal with generations 1 and 2, and the file of the last one. */
async function twoEntries() {
  const dir = join(journalFolder(), 'journal');
  const journal = fileJournal({ dir });
  for (const generation of [1, 2]) await journal.append(entryAt(generation));
  const path = filesIn(dir).find((name) => /-1-2-[^/]*$/.test(name)) ?? '';
  return { dir, journal, path, bytes: readFileSync(path) };
}

describe('file journal', () => {
  it('tells which connections it has, also beside a file that somebody left there', async () => {
    const { dir, journal } = await twoEntries();
    await journal.append(entryAt(1, { connectionId: 'other' }));
    await journal.append(entryAt(1, { registration: 'another' }));
    const taken = new Set(readdirSync(dir));
    const free = ['a0', 'a1', 'a2', 'a3', 'a4'].find((name) => !taken.has(name)) ?? '';
    writeFileSync(join(dir, free), 'a note');
    expect([...((await journal.connections?.(REGISTRATION)) ?? [])].sort()).toEqual(
      [CONNECTION, 'other'].sort(),
    );
  });

  it('makes missing folders and keeps all of it from others, ids out of every name', async () => {
    const root = journalFolder();
    const dir = join(root, 'a', 'b');
    await fileJournal({ dir }).append(entryAt(1, { connectionId: 'Ann@Example.com' }));
    const [file = ''] = filesIn(dir);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const folder of [dirname(file), dir, join(root, 'a')])
      expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(file.slice(root.length)).not.toMatch(/ann|example|aaaa/i);
    expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64} \{.*\}\n$/);
  });

  it('F60e leaves out an entry that is torn, zeroed or changed at any byte, and never deletes it', async () => {
    const { dir, journal, path, bytes } = await twoEntries();
    for (let at = 0; at < bytes.length; at += 1) {
      const head = bytes.subarray(0, at);
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at % 8)), at);
      for (const damaged of [head, Buffer.concat([head, Buffer.alloc(bytes.length - at)]), flipped]) {
        writeFileSync(path, damaged);
        expect(generationsOf(await journal.read(REGISTRATION, CONNECTION)), `byte ${at}`).toEqual([1]);
      }
    }
    writeFileSync(path, bytes.subarray(0, -1));
    await journal.forget(REGISTRATION, CONNECTION, { epoch: 9, generation: 0 });
    expect(filesIn(dir)).toHaveLength(2);
    await journal.append(entryAt(2));
    expect(await read(dir)).toEqual([1, 2]);
    await journal.forget(REGISTRATION, CONNECTION, { epoch: 9, generation: 0 });
    expect(await read(dir)).toEqual([2]);
    expect(readFileSync(path)).toEqual(bytes.subarray(0, -1));
  });

  it('F60e leaves out what is not its own, whatever its name: folders, links, other text, other grants', async () => {
    const { dir, path, bytes } = await twoEntries();
    const like = (suffix: string) => path.replace(/-1-2-.*$/, `-1-3-${suffix}.json`);
    mkdirSync(like('folder'));
    symlinkSync(path, like('link'));
    symlinkSync('/nowhere', like('dangling'));
    writeFileSync(like('empty'), '');
    writeFileSync(like('text'), 'hello\n');
    writeFileSync(like('json'), '{}\n');
    writeFileSync(like('twice'), Buffer.concat([bytes, bytes]));
    for (const other of [{ connectionId: 'user-2' }, { registration: 'c'.repeat(64) }]) {
      const elsewhere = join(journalFolder(), 'other');
      await fileJournal({ dir: elsewhere }).append(entryAt(9, other));
      const [source = ''] = filesIn(elsewhere);
      writeFileSync(like(Object.keys(other).join()), readFileSync(source));
    }
    const before = filesIn(dir);
    expect(await read(dir)).toEqual([1, 2]);
    await fileJournal({ dir }).forget(REGISTRATION, CONNECTION, { epoch: 9, generation: 0 });
    expect(await read(dir)).toEqual([2]);
    expect(filesIn(dir)).toHaveLength(before.length - 1);
  });

  it('reads files of up to 1 MiB, and none above', async () => {
    const dir = journalFolder();
    const journal = fileJournal({ dir });
    const empty = Buffer.byteLength(JSON.stringify(entryAt(1, { body: '' }))) + 66;
    const body = 'x'.repeat(1024 * 1024 - empty);
    await journal.append(entryAt(1, { body }));
    await expect(journal.append(entryAt(1, { body: `${body}x` }))).rejects.toThrow(RangeError);
    expect(await read(dir)).toEqual([1]);
    const [file = ''] = filesIn(dir);
    expect(statSync(file).size).toBe(1024 * 1024);
    writeFileSync(file, `${textOf(entryAt(1, { body: `${body}x` }))}\n`);
    expect(statSync(file).size).toBe(1024 * 1024 + 1);
    expect(await read(dir)).toEqual([]);
  });

  it('goes on when its folders are cleared, and rejects when the whole journal is gone', async () => {
    const { dir, journal, path } = await twoEntries();
    rmSync(dirname(path), { recursive: true });
    expect(await journal.read(REGISTRATION, CONNECTION)).toEqual([]);
    await journal.append(entryAt(3));
    expect(await read(dir)).toEqual([3]);
    rmSync(dir, { recursive: true });
    const unavailable = { code: 'store_unavailable', connectionId: CONNECTION };
    await expect(journal.append(entryAt(4))).rejects.toMatchObject(unavailable);
    // "Nothing there" would let a used refresh token be presented again.
    await expect(journal.read(REGISTRATION, CONNECTION)).rejects.toMatchObject(unavailable);
  });

  it('is its own rescue folder, by whatever name that is called', () => {
    const dir = join(journalFolder(), 'journal');
    const journals = [fileJournal({ dir })];
    symlinkSync(dir, `${dir}-link`);
    expect(rescueFolder(`${dir}-link`, journals)).toBeNull();
    expect(rescueFolder(`${dir}-other`, journals)?.name).toBe('file');
    rmSync(dir, { recursive: true });
    expect(rescueFolder(`${dir}-other`, journals)?.name).toBe('file');
  });

  it('F60f names the variable when the rescue folder cannot be used', () => {
    expect(() => rescueFolder('/dev/null/rescue', [])).toThrowError(
      /- the rescue folder \(HIGHQ_RESCUE_DIR\): .*Choose another one/,
    );
  });

  it('names the option when the folder cannot be used', () => {
    const file = join(journalFolder(), 'file');
    writeFileSync(file, '');
    for (const dir of ['', 'a\0b', file, join(file, 'below'), '/proc/no-such-folder/journal']) {
      const error = thrownBy(() => fileJournal({ dir }));
      expect(error, JSON.stringify(dir)).toBeInstanceOf(ConfigurationError);
      expect(error).toMatchObject({ problems: [{ option: 'journal' }] });
    }
  });
});

function thrownBy(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return null;
}
