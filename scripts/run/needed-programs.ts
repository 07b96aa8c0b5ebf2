import { existsSync } from 'node:fs';
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

/** Servers that the suites of further stores need are added here. */
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
  const aptEnv = { ...env, DEBIAN_FRONTEND: 'noninteractive' };
  await terminal.run('apt-get', ['update', '-qq'], { cwd, env: aptEnv, timeoutMs: APT_UPDATE_LIMIT_MS });
  await terminal.run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    cwd,
    env: aptEnv,
    timeoutMs: APT_INSTALL_LIMIT_MS,
  });
}
