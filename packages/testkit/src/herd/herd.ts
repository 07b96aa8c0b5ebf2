import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { HerdOrder, HerdReport } from './worker.ts';

/** Several processes on one store, each of which runs a file that calls `workInHerd`. */
export class Herd {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  static async start(
    worker: URL,
    args: readonly string[],
    options: { size: number; env: NodeJS.ProcessEnv },
  ): Promise<Herd> {
    const children = Array.from({ length: options.size }, () =>
      fork(worker, args, { env: options.env, stdio: 'inherit' }),
    );
    const herd = new Herd(children);
    try {
      await Promise.all(children.map(answerOf));
    } catch (error) {
      await herd.kill();
      throw error;
    }
    return herd;
  }

  /** One order for each process, by its number; all are given at once. */
  order(orderFor: (index: number) => HerdOrder): Promise<HerdReport[]> {
    return Promise.all(
      this.#children.map((child, index) => {
        const answer = answerOf(child);
        child.send(orderFor(index));
        return answer;
      }),
    );
  }

  async end(): Promise<void> {
    const exits = this.#children.map((child) => once(child, 'exit'));
    await this.order(() => ({ kind: 'end' }));
    await Promise.all(exits);
  }

  async kill(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    }
  }
}

/** Rejects when the process ends instead of answering. */
function answerOf(child: ChildProcess): Promise<HerdReport> {
  const over = new AbortController();
  const { signal } = over;
  const answer = once(child, 'message', { signal }).then(([report]) => report as HerdReport);
  const exit = once(child, 'exit', { signal }).then((): never => {
    throw new Error('a process of the herd ended before it answered');
  });
  return Promise.race([answer, exit]).finally(() => {
    over.abort();
    // Whichever of the two was not needed.
    for (const other of [answer, exit]) other.catch(() => {});
  });
}
