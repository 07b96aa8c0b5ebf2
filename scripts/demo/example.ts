import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const START_MS = 15_000;
const STOP_MS = 20_000;

export interface ExampleOptions {
  /** Path of the built server. */
  readonly server: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

/** The Express example as a process of its own, as it runs anywhere else. */
export class Example {
  readonly url: string;
  readonly #options: ExampleOptions;
  #child: ChildProcess | null = null;
  #output = '';

  constructor(options: ExampleOptions) {
    this.#options = options;
    this.url = `http://127.0.0.1:${options.port}`;
  }

  /** The last that it printed, for a person who looks for what went wrong. */
  get output(): string {
    return this.#output.slice(-4000);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves once it listens. */
  async start(): Promise<void> {
    const { server, port, env } = this.#options;
    const own = Object.entries(process.env).filter(
      ([name]) => !/^(HIGHQ_|NODE_ENV$|NODE_OPTIONS$)/.test(name),
    );
    const child = spawn(process.execPath, [server], {
      env: { ...Object.fromEntries(own), ...env, PORT: String(port), PUBLIC_URL: this.url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const listening = new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        this.#output += chunk.toString('utf8');
        if (this.#output.includes(this.url)) resolve();
      };
      this.#output = '';
      child.stdout?.on('data', take);
      child.stderr?.on('data', take);
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`the example ended with exit code ${code}`)));
      setTimeout(
        () => reject(new Error(`the example did not start within ${START_MS} ms`)),
        START_MS,
      ).unref();
    });
    await listening;
  }

  /** Sends SIGTERM and waits for the end. Returns the exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    if (!child) return null;
    if (child.exitCode !== null) return child.exitCode;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const lastResort = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    const [code] = await ended;
    clearTimeout(lastResort);
    return code;
  }

  /** Ends it at once, as a power cut does. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}
