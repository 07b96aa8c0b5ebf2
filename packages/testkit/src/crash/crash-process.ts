import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import {
  type CallResult,
  type CrashMessage,
  type CrashOrder,
  type CrashSetup,
  SETUP_VARIABLE,
} from './worker.ts';

/** How much of what it said at last is shown of a process that did not start, characters. */
const SAID_LENGTH = 2_000;

/** A program with a token manager in a process of its own, as its parent sees it. */
export class CrashProcess {
  /** Resolves with how it ended: a signal, or an exit code. */
  readonly gone: Promise<NodeJS.Signals | number>;
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<void>();
  readonly #reached = new Map<string, PromiseWithResolvers<void>>();
  readonly #answers = new Map<number, (results: readonly CallResult[]) => void>();
  #orders = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.gone = once(child, 'exit').then(([code, signal]) => (signal ?? code) as NodeJS.Signals | number);
    child.on('message', (message: CrashMessage) => this.#take(message));
  }

  /** `quiet`: what it prints when it ends is of no interest, unless that is at its start. */
  static async start(
    worker: URL,
    args: readonly string[],
    options: { readonly setup: CrashSetup; readonly env: NodeJS.ProcessEnv; readonly quiet?: boolean },
  ): Promise<CrashProcess> {
    const env = { ...process.env, ...options.env, [SETUP_VARIABLE]: JSON.stringify(options.setup) };
    const output = options.quiet ? 'ignore' : 'inherit';
    const errors = options.quiet ? 'pipe' : output;
    const child = fork(worker, args, { env, stdio: ['ignore', output, errors, 'ipc'] });
    const started = new CrashProcess(child);
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-SAID_LENGTH);
    });
    const early = Promise.all([started.gone, once(child, 'close')]).then(([how]): never => {
      throw new Error(`a process of the crash suite ended at its start (${how})${said ? `: ${said}` : ''}`);
    });
    await Promise.race([started.#ready.promise, early]);
    early.catch(() => {});
    return started;
  }

  /** `null`: the process ended instead of answering. */
  async ask(order: CrashOrder): Promise<readonly CallResult[] | null> {
    this.#orders += 1;
    const id = this.#orders;
    const answer = new Promise<readonly CallResult[]>((resolve) => this.#answers.set(id, resolve));
    const ended = this.gone.then(() => null);
    // It may have ended already; `ended` tells.
    this.#child.send({ id, order }, () => {});
    return Promise.race([answer, ended]);
  }

  async call(connection: string): Promise<CallResult | null> {
    const results = await this.ask({ kind: 'call', connection });
    return results?.[0] ?? null;
  }

  /** Resolves when `connection` has come to a point at which it is held or stopped. */
  reached(connection: string): Promise<void> {
    return this.#point(connection).promise;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.gone;
  }

  #take(message: CrashMessage): void {
    switch (message.kind) {
      case 'ready':
        this.#ready.resolve();
        return;
      case 'reached':
        this.#point(message.connection).resolve();
        return;
      case 'answer':
        this.#answers.get(message.id)?.(message.results);
        this.#answers.delete(message.id);
        return;
      default:
        message satisfies never;
    }
  }

  #point(connection: string): PromiseWithResolvers<void> {
    const known = this.#reached.get(connection) ?? Promise.withResolvers<void>();
    this.#reached.set(connection, known);
    return known;
  }
}
