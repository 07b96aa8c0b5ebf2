import { readdirSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { fileJournal } from './file-journal.ts';
import { CONNECTION, entryAt, journalFolder, REGISTRATION } from './journal.fixture.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Notes down what is brought to disk from now on, by inode. */
async function watchDisk(folder: string): Promise<number[]> {
  const handle = await open(folder, 'r');
  const prototype: FileHandle = Object.getPrototypeOf(handle);
  await handle.close();
  const synced: number[] = [];
  const { sync } = prototype;
  vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    synced.push((await this.stat()).ino);
    await sync.call(this);
  });
  return synced;
}

function filesIn(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((found) => !found.isDirectory())
    .map((found) => join(found.parentPath, found.name));
}

const inodeOf = (path: string): number => statSync(path).ino;

it.skipIf(process.platform === 'win32')(
  'F54 F60c an append has brought the entry, its name and its folder’s name to disk, in that order',
  async () => {
    const dir = join(journalFolder(), 'journal');
    const journal = fileJournal({ dir });
    const synced = await watchDisk(dirname(dir));
    await journal.append(entryAt(1));
    const [folder, file, again] = synced;
    expect(synced).toHaveLength(3);
    expect(folder).toBe(inodeOf(dir));
    const [path = ''] = filesIn(dir);
    expect(file).toBe(inodeOf(path));
    expect(again).toBe(inodeOf(dirname(path)));
    synced.length = 0;
    await journal.append(entryAt(2));
    expect(synced).toHaveLength(2);
    expect(synced[1]).toBe(inodeOf(dirname(path)));
  },
);

it.skipIf(process.platform === 'win32')(
  'F60c what another process has not brought to disk yet is brought there before its predecessor is forgotten',
  async () => {
    const dir = join(journalFolder(), 'journal');
    const journal = fileJournal({ dir });
    for (const generation of [1, 2]) await journal.append(entryAt(generation));
    const newest = filesIn(dir).find((name) => /-1-2-[^/]*$/.test(name)) ?? '';
    const inode = inodeOf(newest);
    const synced = await watchDisk(dirname(dir));
    await journal.forget(REGISTRATION, CONNECTION, { epoch: 1, generation: 2 });
    expect(filesIn(dir)).toEqual([newest]);
    expect(synced).toEqual([inode, inodeOf(dirname(newest))]);
  },
);
