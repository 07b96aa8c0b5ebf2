import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { fileJournal } from './file-journal.ts';
import { CONNECTION, entryAt, generationsOf, journalFolder, REGISTRATION } from './journal.fixture.ts';

/** What another process does at a given moment of a read. The file system below is the real one. */
const during = vi.hoisted(() => ({
  listed: async (names: string[]): Promise<string[]> => names,
  opening: async (_path: string): Promise<void> => {},
}));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    readdir: async (path: string) => during.listed(await real.readdir(path)),
    open: async (path: string, ...rest: [string | number, number?]) => {
      await during.opening(path);
      return real.open(path, ...rest);
    },
  };
});

beforeEach(() => {
  during.listed = async (names) => names;
  during.opening = async () => {};
});

async function generationFive() {
  const dir = journalFolder();
  const [journal, other] = [fileJournal({ dir }), fileJournal({ dir })];
  await journal.append(entryAt(5));
  return {
    dir,
    read: async () => generationsOf(await journal.read(REGISTRATION, CONNECTION)),
    append: (generation: number) => other.append(entryAt(generation)),
    forgetBelow: (generation: number) => other.forget(REGISTRATION, CONNECTION, { epoch: 1, generation }),
  };
}

/** Lets `fn` run once, whatever it calls itself. */
function once(fn: () => Promise<void>): () => Promise<void> {
  let left = 1;
  return async () => {
    left -= 1;
    if (left === 0) await fn();
  };
}

it('finds the newest entry when each one that was listed is forgotten before it was read', async () => {
  const { read, append, forgetBelow } = await generationFive();
  let next = 6;
  let busy = false;
  during.listed = async (names) => {
    if (busy || next > 8) return names;
    busy = true;
    await append(next);
    await forgetBelow(next);
    busy = false;
    next += 1;
    return names;
  };
  expect(await read()).toEqual([8]);
});

it('finds an entry that the listing missed together with the one before it', async () => {
  const { read, append, forgetBelow } = await generationFive();
  let listings = 0;
  const replace = once(async () => {
    await append(6);
    await forgetBelow(6);
  });
  during.listed = async (names) => {
    listings += 1;
    if (listings > 1) return names;
    await replace();
    return [];
  };
  expect(await read()).toEqual([6]);
});

it('finds an entry that was half written when it was first read', async () => {
  const { dir, read, append, forgetBelow } = await generationFive();
  await append(6);
  const [shard = ''] = readdirSync(dir);
  const six = join(dir, shard, readdirSync(join(dir, shard)).find((name) => name.includes('-1-6-')) ?? '');
  const whole = readFileSync(six);
  writeFileSync(six, whole.subarray(0, 100));
  // The new one first: which comes first is up to the file system.
  during.listed = async (names) => names.sort().reverse();
  const finish = once(async () => {
    writeFileSync(six, whole);
    await forgetBelow(6);
  });
  during.opening = async (path) => {
    if (dirname(path) === dirname(six) && path.includes('-1-5-')) await finish();
  };
  expect(await read()).toEqual([6]);
});
