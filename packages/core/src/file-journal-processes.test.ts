import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fileJournal } from './file-journal.ts';
import { CONNECTION, entryAt, generationsOf, journalFolder, REGISTRATION } from './journal.fixture.ts';
import type { Task } from './journal-child.fixture.ts';

const MAIN = fileURLToPath(new URL('journal-child.fixture.ts', import.meta.url));
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

/** `limitBlocks`: no file of the child may grow beyond so many 512 bytes. */
function start(task: Task, options: { limitBlocks?: number; asNobody?: boolean } = {}) {
  // Once it runs: another user may not reach the program, in a folder of this one alone.
  const userId = options.asNobody ? { userId: NOBODY } : {};
  const command = [process.execPath, MAIN, JSON.stringify({ ...task, ...userId })];
  const limit = `ulimit -f ${options.limitBlocks ?? 'unlimited'} && exec "$@"`;
  const child = spawn('/bin/sh', ['-c', limit, 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // The environment names the run's folder, where another user may not write.
    ...(options.asNobody ? { env: {} } : {}),
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const printed = createInterface({ input: child.stdout });
  return {
    lines,
    /** Calls `each` with every line; resolves when the process is gone and all it printed was read. */
    async follow(each: (line: string) => void = () => {}) {
      for await (const line of printed) {
        lines.push(line);
        each(line);
      }
      await exited;
    },
    kill: () => child.kill('SIGKILL'),
  };
}

const read = async (dir: string) => generationsOf(await fileJournal({ dir }).read(REGISTRATION, CONNECTION));

describe('file journal and several processes', () => {
  it('F60c F60e has every append that resolved before a SIGKILL, and reads on whatever was torn', async () => {
    const dir = journalFolder();
    const acknowledged: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      // Entries of many pages, so that a kill also falls into the middle of one.
      const child = start({ dir, first: round * 1000, step: 1, count: 1000, bytes: 400_000 });
      await child.follow(() => {
        if (child.lines.length === 3 + round) child.kill();
      });
      expect(child.lines.length).toBeGreaterThanOrEqual(3 + round);
      acknowledged.push(...child.lines.map(Number));
    }
    const found = await read(dir);
    expect(acknowledged.filter((generation) => !found.includes(generation))).toEqual([]);
    await fileJournal({ dir }).append(entryAt(9000));
    expect((await read(dir)).at(-1)).toBe(9000);
  });

  it.each([
    [0, 'all but the newest'],
    [6, 'what is 6 generations old'],
  ])(
    'loses nothing while two processes append and forget at once (keep %i: %s), and a third reads',
    async (keep) => {
      const dir = journalFolder();
      const count = 120;
      const tasks = [0, 1].map((first) => start({ dir, first, step: 2, count, keep }));
      const journal = fileJournal({ dir });
      let newest = -1;
      let running = true;
      const done = Promise.all(
        tasks.map((child) =>
          child.follow((line) => {
            newest = Math.max(newest, Number(line));
          }),
        ),
      ).finally(() => {
        running = false;
      });
      let reads = 0;
      while (running) {
        const expected = newest;
        const found = generationsOf(await journal.read(REGISTRATION, CONNECTION));
        expect(found.at(-1) ?? -1).toBeGreaterThanOrEqual(expected);
        reads += 1;
      }
      await done;
      expect(reads).toBeGreaterThan(count);
      const acknowledged = tasks.flatMap(({ lines }) => lines.map(Number));
      expect(acknowledged).toHaveLength(2 * count);
      const found = await read(dir);
      const bound = 2 * count - 1 - keep;
      expect(acknowledged.filter((each) => each >= bound && !found.includes(each))).toEqual([]);
      await journal.forget(REGISTRATION, CONNECTION, { epoch: 2, generation: 0 });
      expect(await read(dir)).toEqual([2 * count - 1]);
    },
  );

  it('F53 rejects when the disk takes only half of an entry, and leaves no half behind', async () => {
    const dir = journalFolder();
    const full = start({ dir, first: 1, step: 1, count: 1, bytes: 5000 }, { limitBlocks: 2 });
    await full.follow();
    expect(full.lines).toEqual([expect.stringMatching(/^store_unavailable .*cannot be written \(EFBIG\)/)]);
    const [shard = ''] = readdirSync(dir);
    expect(readdirSync(join(dir, shard))).toEqual([]);
    const small = start({ dir, first: 2, step: 1, count: 1, bytes: 100 }, { limitBlocks: 2 });
    await small.follow();
    expect(await read(dir)).toEqual([2]);
  });

  it.each([
    ['is there', 'journal'],
    ['cannot be made', 'journal/below'],
  ])('names the option when this user has no right to a folder that %s', async (_, name) => {
    const root = journalFolder();
    mkdirSync(join(root, 'journal'));
    chmodSync(join(root, 'journal'), 0o555);
    // Nothing is denied to root.
    const child = start({ dir: join(root, name), first: 1, step: 1, count: 1 }, { asNobody: isRoot });
    await child.follow();
    expect(child.lines[0]).toMatch(/^configuration .*/);
    expect(child.lines.join('\n')).toMatch(/- journal: .* cannot be used \(EACCES\)/);
  });
});
