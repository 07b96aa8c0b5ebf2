import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './free-port.ts';
import { findProgram, ServerProcess, unprivilegedUser } from './server-process.ts';

const DEBIAN_FOLDER = '/usr/lib/postgresql';
const USER = 'hq';
const START_TRIES = 10;
const START_PAUSE_MS = 300;

export interface PostgresServerOptions {
  /** Settings of `postgresql.conf`: `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The folder that holds `initdb` and `postgres` (`HQ_POSTGRES_BIN`, Debian's, or on `PATH`), or `null`. */
export function findPostgres(): string | null {
  const debian = existsSync(DEBIAN_FOLDER)
    ? readdirSync(DEBIAN_FOLDER)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(DEBIAN_FOLDER, version, 'bin'))
    : [];
  if (process.env.HQ_POSTGRES_BIN !== undefined) return process.env.HQ_POSTGRES_BIN;
  const initdb = findProgram('initdb', debian);
  return initdb === null ? null : dirname(initdb);
}

/** A PostgreSQL on 127.0.0.1 with a data folder of its own, for one run of tests. Flushes to disk as in production. */
export class PostgresServer {
  readonly port: number;
  readonly folder: string;
  readonly #bin: string;
  readonly #settings: Readonly<Record<string, string>>;
  #process: ServerProcess | null = null;

  private constructor(bin: string, port: number, folder: string, options: PostgresServerOptions) {
    this.#bin = bin;
    this.port = port;
    this.folder = folder;
    this.#settings = options.settings ?? {};
  }

  /** Throws when there is no PostgreSQL, or it does not start. Takes a second or two. */
  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const bin = findPostgres();
    if (bin === null) throw new Error('there is no PostgreSQL in /usr/lib/postgresql or on PATH');
    // Not in the run's folder: the user it runs as may have no way into that.
    const folder = mkdtempSync(join(tmpdir(), 'hq-postgres-'));
    const user = unprivilegedUser();
    if (user) chownSync(folder, user.uid, user.gid);
    chmodSync(folder, 0o700);
    const server = new PostgresServer(bin, await freePort(), folder, options);
    try {
      const init = ['-D', server.#data, '-U', USER, '--auth=trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
      await promisify(execFile)(join(bin, 'initdb'), init, { cwd: folder, ...user });
      await server.start();
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return server;
  }

  get url(): string {
    return `postgres://${USER}@127.0.0.1:${this.port}/postgres`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Again, on the same port and data. `standby`: as one that takes no writes, and stays so. */
  async start(options: { standby?: boolean } = {}): Promise<void> {
    if (options.standby) writeFileSync(join(this.#data, 'standby.signal'), '');
    const settings = {
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: '',
      max_connections: '200',
      fsync: 'on',
      ...this.#settings,
    };
    const command = {
      file: join(this.#bin, 'postgres'),
      args: [
        ...['-D', this.#data],
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      // … connections, or read-only connections.
      ready: 'database system is ready to accept',
      folder: this.folder,
      user: unprivilegedUser(),
    };
    for (let tries = 1; ; tries += 1) {
      try {
        this.#process = await ServerProcess.start(command);
        return;
      } catch (error) {
        // Of one that was killed a child may still have the shared memory for a moment.
        if (tries === START_TRIES || !String(error).includes('ended (1)')) throw error;
        await pause(START_PAUSE_MS);
      }
    }
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.signal(signal);
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.folder, 'data');
  }
}
