import { writeSync } from 'node:fs';
import { isHighQError } from './errors.ts';
import { fileJournal } from './file-journal.ts';
import { CONNECTION, entryAt, REGISTRATION } from './journal.fixture.ts';

/** What a process of its own does with a journal: it prints a line for each append that resolved. */
export interface Task {
  readonly dir: string;
  readonly first: number;
  readonly step: number;
  readonly count: number;
  /** After each append, what is this far below it is forgotten. */
  readonly keep?: number;
  /** Bytes of an entry's body. */
  readonly bytes?: number;
  /** Who it goes on as, with the rights of nobody else. */
  readonly userId?: number;
}

const task: Task = JSON.parse(process.argv[2] ?? '');
if (task.userId !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(task.userId);
  process.setuid?.(task.userId);
}
try {
  const journal = fileJournal({ dir: task.dir });
  for (let round = 0; round < task.count; round += 1) {
    const generation = task.first + round * task.step;
    const size = task.bytes === undefined ? {} : { body: JSON.stringify('x'.repeat(task.bytes)) };
    await journal.append(entryAt(generation, size));
    writeSync(1, `${generation}\n`);
    if (task.keep === undefined) continue;
    await journal.forget(REGISTRATION, CONNECTION, { epoch: 1, generation: generation - task.keep });
  }
} catch (error) {
  writeSync(1, `${isHighQError(error) ? `${error.code} ${error.message}` : `unexpected ${error}`}\n`);
}
