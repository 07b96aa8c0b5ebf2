import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findProgram, ServerProcess } from './server-process.ts';

export interface RedisServerOptions {
  /** Where it keeps its data. Default: a new folder of the system's temporary ones, removed by `stop`. */
  readonly folder?: string;
  /** Whether it writes an append-only file. Default: `true`. */
  readonly appendOnly?: boolean;
  /** Further arguments of `redis-server`: `['--maxmemory-policy', 'allkeys-lru']`. */
  readonly args?: readonly string[];
}

/** The path of `redis-server` (`HQ_REDIS_SERVER`, or on `PATH`), or `null`. */
export function findRedisServer(): string | null {
  return process.env.HQ_REDIS_SERVER ?? findProgram('redis-server');
}

/** A Redis on 127.0.0.1, for one run of tests. */
export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #ownFolder: boolean;
  #process: ServerProcess | null = null;

  private constructor(program: string, port: number, options: RedisServerOptions) {
    this.#program = program;
    this.port = port;
    this.#ownFolder = options.folder === undefined;
    this.folder = options.folder ?? mkdtempSync(join(tmpdir(), 'hq-redis-'));
    this.#args = [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', this.folder, '--daemonize', 'no'],
      // An empty rule: no snapshots, so that what survives a crash is what the append-only file holds.
      ...['--save', '', '--appendonly', options.appendOnly === false ? 'no' : 'yes'],
      ...(options.args ?? []),
    ];
  }

  /** Throws when there is no `redis-server`, or it does not start. */
  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const program = findRedisServer();
    if (program === null) throw new Error('there is no redis-server on PATH');
    const server = new RedisServer(program, await freePort(), options);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Again, on the same port and data. */
  async start(): Promise<void> {
    this.#process = await ServerProcess.start({
      file: this.#program,
      args: this.#args,
      ready: 'Ready to accept connections',
      folder: this.folder,
    });
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.signal(signal);
  }

  async stop(): Promise<void> {
    if (!this.#ownFolder) return this.#process?.stop();
    // Nobody will read its data, which it might take its time to write.
    await this.#process?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
