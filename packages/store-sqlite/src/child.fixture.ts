import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Command } from './child-main.fixture.ts';

const MAIN = fileURLToPath(new URL('child-main.fixture.ts', import.meta.url));

/** A process of its own that carries out one command after another and answers each with a line. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown>;

  /** `limitKib`: no file of the child may grow beyond it. `userId`: who it goes on as once it runs, with an empty environment: another user may not reach the program. */
  constructor(options: { limitKib?: number; userId?: number } = {}) {
    const { limitKib, userId } = options;
    const [file, args] =
      limitKib === undefined
        ? [process.execPath, userId === undefined ? [MAIN] : [MAIN, String(userId)]]
        : ['/bin/sh', ['-c', `ulimit -f ${limitKib * 2} && exec "$0" "$1"`, process.execPath, MAIN]];
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(userId === undefined ? {} : { env: {} }),
    });
    this.#process = child;
    this.#exited = once(child, 'exit');
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async ask(command: Command): Promise<unknown> {
    this.tell(command);
    return JSON.parse(await this.line());
  }

  tell(command: Command): void {
    this.#process.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error('the child process ended');
    return value;
  }

  /** What was printed up to the end of the process. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (let next = await this.#lines.next(); !next.done; next = await this.#lines.next()) {
      lines.push(next.value);
    }
    return lines;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGKILL');
    await this.#exited;
  }
}
