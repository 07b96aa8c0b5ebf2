import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const MINUTE_MS = 60_000;

export interface RunningProgram {
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  /** What it has printed so far. */
  output(): string;
  /** Ends it and whatever it has started. */
  stop(): Promise<void>;
}

/** What failed, with what the program had printed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

/** An empty folder of somebody who uses packages, with a Node of their own. */
export class Project {
  readonly folder: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(folder: string, nodeBin: string, variables: Readonly<Record<string, string>> = {}) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.#env = { ...ownEnvironment(), ...variables, PATH: `${nodeBin}:${pathWithout()}` };
  }

  write(name: string, text: string): void {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** Runs commands to their end; gives what they printed on standard output. Throws {@link StepFailed}. */
  async run(script: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const program = this.start(script, variables);
    const limit = setTimeout(() => void program.stop(), 5 * MINUTE_MS);
    const { code, output } = await program.ended;
    clearTimeout(limit);
    if (code === 0) return output;
    throw new StepFailed(
      `${script.trim()}\nended with ${code ?? 'a signal'}:\n${output.trim().slice(-3000)}`,
    );
  }

  start(script: string, variables: Readonly<Record<string, string>> = {}): RunningProgram {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: this.folder,
      env: { ...this.#env, ...variables },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that what it starts ends with it.
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString('utf8');
      });
    }
    const ended = new Promise<{ code: number | null; output: string }>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, output }));
    });
    return {
      ended,
      output: () => output,
      async stop() {
        endGroup(child.pid, 'SIGTERM');
        const lastResort = setTimeout(() => endGroup(child.pid, 'SIGKILL'), 10_000);
        await ended;
        clearTimeout(lastResort);
      },
    };
  }
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/** Without what a package manager that started this process says of itself, and without a developer's own connection. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const keep = ([name]: [string, unknown]): boolean =>
    name === 'npm_config_registry' ||
    !/^(npm_|pnpm_|HIGHQ_|NODE_(?!EXTRA_CA_CERTS)|INIT_CWD$|VITEST|TEST$)/.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(keep));
}

/** The folders of this workspace must not lend their programs. */
function pathWithout(): string {
  return (process.env.PATH ?? '')
    .split(':')
    .filter((folder) => !folder.includes('node_modules'))
    .join(':');
}
