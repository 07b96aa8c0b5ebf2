import { existsSync } from 'node:fs';
import { findPostgres } from '../../packages/testkit/src/servers/postgres-server.ts';
import { findRedisServer } from '../../packages/testkit/src/servers/redis-server.ts';
import type { Terminal } from './terminal.ts';

/** A program that some suites need: how to find it, how to get it, and what to tell the suites. */
interface NeededProgram {
  readonly name: string;
  /** The path of the program, or `null`. */
  find(): string | null;
  /** The Debian packages that bring it. */
  readonly debianPackages: readonly string[];
  /** The variables that tests read when it is there. */
  present(path: string): Record<string, string>;
  /** The variables that tests read when it is not. */
  readonly absent: Record<string, string>;
  readonly suites: string;
  readonly remedy: string;
}

const CHROMIUM_PATHS = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const NEEDED: readonly NeededProgram[] = [
  {
    name: 'Chromium',
    find: () => [process.env.HQ_CHROMIUM, ...CHROMIUM_PATHS].find((path) => path && existsSync(path)) ?? null,
    debianPackages: ['chromium'],
    present: (path) => ({ HQ_CHROMIUM: path }),
    absent: { HQ_NO_CHROMIUM: '1' },
    suites: 'the browser tests of the examples and of the emulator',
    remedy: 'install Chromium or Chrome, or set HQ_CHROMIUM to its path',
  },
  {
    name: 'Redis',
    find: findRedisServer,
    debianPackages: ['redis-server'],
    present: (path) => ({ HQ_REDIS_SERVER: path }),
    absent: { HQ_NO_REDIS: '1' },
    suites: 'the tests of the Redis store',
    remedy: 'install Redis 7 or Valkey, or set HQ_REDIS_SERVER to the path of its server',
  },
  {
    name: 'PostgreSQL',
    find: findPostgres,
    debianPackages: ['postgresql'],
    present: (path) => ({ HQ_POSTGRES_BIN: path }),
    absent: { HQ_NO_POSTGRES: '1' },
    suites: 'the tests of the PostgreSQL store',
    remedy: 'install PostgreSQL, or set HQ_POSTGRES_BIN to the folder of initdb and postgres',
  },
];

const APT_UPDATE_LIMIT_MS = 90_000;
const APT_INSTALL_LIMIT_MS = 300_000;

/** Finds or, where that is allowed, installs what the suites need. Returns the variables to hand to them. */
export async function provideNeededPrograms(
  terminal: Terminal,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const program of NEEDED) {
    let path = program.find();
    if (path === null && isRootOnDebian()) {
      terminal.line(
        `· ${program.name} is missing: installing ${program.debianPackages.join(', ')} with apt-get`,
      );
      await installWithApt(terminal, program.debianPackages, cwd, env);
      path = program.find();
    }
    if (path === null) {
      terminal.line(
        `! ${program.name} is missing, so ${program.suites} are skipped. To run them: ${program.remedy}.`,
      );
      Object.assign(variables, program.absent);
    } else {
      terminal.line(`· ${program.name}: ${path}`);
      Object.assign(variables, program.present(path));
    }
  }
  return variables;
}

function isRootOnDebian(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get');
}

async function installWithApt(
  terminal: Terminal,
  packages: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  // In runlevel 1 a package does not start its service: a run starts servers of its own.
  const aptEnv = { ...env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await terminal.run('apt-get', ['update', '-qq'], { cwd, env: aptEnv, timeoutMs: APT_UPDATE_LIMIT_MS });
  await terminal.run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    cwd,
    env: aptEnv,
    timeoutMs: APT_INSTALL_LIMIT_MS,
  });
}
