import { spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';

export interface CommandResult {
  /** The exit code, or `null` when a signal or the time limit ended the command, or it could not be started. */
  readonly exitCode: number | null;
  readonly durationMs: number;
  /** Why there is no exit code. */
  readonly problem: string | null;
}

export interface CommandOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** The command is ended with SIGTERM after this time, and with SIGKILL 10 s later. */
  readonly timeoutMs: number;
}

/** Writes to this process's terminal and to one log file, byte for byte the same. */
export class Terminal {
  readonly #log: number;

  constructor(logFile: string) {
    this.#log = openSync(logFile, 'a');
  }

  line(text: string): void {
    this.#write(process.stdout, Buffer.from(`${text}\n`));
  }

  /** Runs a command to its end; its standard output and error go where {@link line} goes. Never rejects. */
  run(command: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
    const startedAt = performance.now();
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.on('data', (chunk: Buffer) => this.#write(process.stdout, chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#write(process.stderr, chunk));
    let timedOut = false;
    const limit = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
    }, options.timeoutMs);
    const lastResort = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs + 10_000);
    return new Promise((resolve) => {
      const finish = (exitCode: number | null, problem: string | null): void => {
        clearTimeout(limit);
        clearTimeout(lastResort);
        resolve({ exitCode, problem, durationMs: performance.now() - startedAt });
      };
      child.on('error', (error) => finish(null, error.message));
      child.on('close', (code, signal) => {
        if (timedOut) finish(null, `ended after ${Math.round(options.timeoutMs / 1000)} s`);
        else finish(code, code === null ? `ended by ${signal}` : null);
      });
    });
  }

  close(): void {
    closeSync(this.#log);
  }

  #write(stream: NodeJS.WriteStream, chunk: Buffer): void {
    writeSync(this.#log, chunk);
    stream.write(chunk);
  }
}
