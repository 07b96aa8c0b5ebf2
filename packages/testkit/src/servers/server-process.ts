import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const SETPRIV = '/usr/bin/setpriv';

export interface ServerCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Of the server's output, once it takes connections. */
  readonly ready: string;
  /** Where its data and its `server.log` are. */
  readonly folder: string;
  /** Who it runs as, for a server that refuses to be root. */
  readonly user?: SystemUser | undefined;
}

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** The user `nobody`, where this process is root; otherwise `undefined`: the server runs as who we are. */
export function unprivilegedUser(): SystemUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [, uid, gid] = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? [];
  if (uid === undefined || gid === undefined) throw new Error('there is no user `nobody` to run a server as');
  return { uid: Number(uid), gid: Number(gid) };
}

/** The first of `folders` and of `PATH` that holds `program`. */
export function findProgram(program: string, folders: readonly string[] = []): string | null {
  const places = [...folders, ...(process.env.PATH ?? '').split(':')].filter((folder) => folder !== '');
  return places.map((folder) => join(folder, program)).find((path) => existsSync(path)) ?? null;
}

/** A server that this process started. It ends with this process, however that ends, where the system can do so. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  /** Rejects with the end of the server's output when it ends, or does not become ready, within 30 s. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const { file, args, ready, folder, user } = command;
    // So that a run that is killed leaves no server behind, not even one that it had stopped.
    const [program, ...rest] = existsSync(SETPRIV)
      ? [SETPRIV, '--pdeathsig', 'KILL', '--', file, ...args]
      : [file, ...args];
    const child = spawn(program, rest, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
      // Its own group, so that Ctrl-C reaches it through us and not before the tests that use it.
      detached: true,
      ...user,
    });
    const server = new ServerProcess(child);
    const log = join(folder, 'server.log');
    let output = '';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        if (existsSync(folder)) appendFileSync(log, chunk);
        output = (output + chunk.toString()).slice(-4000);
        if (output.includes(ready)) resolve();
      });
      // What it prints later must not keep this process alive.
      if (stream && 'unref' in stream && typeof stream.unref === 'function') stream.unref();
    }
    child.on('error', reject);
    child.on('exit', (code, signal) => reject(new Error(`${file} ended (${code ?? signal}):\n${output}`)));
    const limit = setTimeout(() => reject(new Error(`${file} is not ready:\n${output}`)), START_LIMIT_MS);
    try {
      await promise;
    } catch (error) {
      await server.kill();
      throw error;
    } finally {
      clearTimeout(limit);
    }
    child.unref();
    return server;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** Ends it in order; by force after 10 s. */
  async stop(): Promise<void> {
    const limit = setTimeout(() => this.#signal('SIGKILL'), STOP_LIMIT_MS);
    await this.#end('SIGINT');
    clearTimeout(limit);
  }

  /** Ends it as a crash would. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Stops it from running, without ending it, until `SIGCONT`. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#signal(signal);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    this.#child.ref();
    this.#signal(signal);
    await this.#exited;
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(signal);
  }
}
