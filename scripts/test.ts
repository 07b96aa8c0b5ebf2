/**
 * The whole test run: build, checks, every test, and a scan of what all of it left behind. The last line says how many
 * passed, failed and were skipped. Arguments go to vitest: `pnpm test packages/core`.
 */
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provideNeededPrograms } from './run/needed-programs.ts';
import { type Counts, closingLine, countTests, secondTries, type TestRecord } from './run/outcome.ts';
import { createRunFolder } from './run/run-folder.ts';
import { Terminal } from './run/terminal.ts';
import { plantedVariables } from './scan/planted.ts';
import { startTestServers } from './servers/test-servers.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = createRunFolder(root, 'test', { now: new Date(), keep: 5 });
const terminal = new Terminal(join(folder, 'output.log'));
const filters = process.argv.slice(2).filter((argument) => argument !== '--');

const MINUTE_MS = 60_000;

interface Step {
  readonly name: string;
  readonly doing: string;
  readonly command: readonly [string, ...string[]];
  readonly timeoutMs: number;
}

const build: Step = {
  name: 'build',
  doing: 'building every package',
  command: ['turbo', 'run', 'build', '--output-logs=errors-only'],
  timeoutMs: 5 * MINUTE_MS,
};

const checks: readonly Step[] = [
  {
    name: 'typecheck',
    doing: 'checking the types of sources and tests',
    command: ['turbo', 'run', 'typecheck', '--continue', '--output-logs=errors-only'],
    timeoutMs: 5 * MINUTE_MS,
  },
  {
    name: 'typecheck of scripts',
    doing: 'checking the types of the scripts',
    command: ['tsc', '-p', 'scripts/tsconfig.json'],
    timeoutMs: 2 * MINUTE_MS,
  },
  { name: 'lint', doing: 'linting', command: ['biome', 'check', '.'], timeoutMs: 2 * MINUTE_MS },
  {
    name: 'imports and clocks',
    doing: 'checking imports, clocks and file sizes',
    command: ['node', 'scripts/check-imports.ts'],
    timeoutMs: MINUTE_MS,
  },
];

const tests: Step = {
  name: 'tests',
  doing: filters.length > 0 ? `running tests: ${filters.join(' ')}` : 'running every test',
  command: ['vitest', 'run', ...filters],
  timeoutMs: 20 * MINUTE_MS,
};

const faults: Step = {
  name: 'faults',
  doing: 'checking that every fault of the catalogue that is due has a test that passed',
  command: ['node', 'scripts/faults.ts', '--brief', folder],
  timeoutMs: MINUTE_MS,
};

const adapters: Step = {
  name: 'adapters',
  doing: 'checking that every adapter has shown the same behaviours',
  command: ['node', 'scripts/adapters.ts', folder],
  timeoutMs: MINUTE_MS,
};

const scan: Step = {
  name: 'secret scan',
  doing: 'looking for planted secrets in everything that this run left behind',
  command: ['node', 'scripts/scan-secrets.ts', folder],
  timeoutMs: 3 * MINUTE_MS,
};

terminal.line(`· run folder: ${relative(root, folder)}`);
const programs = await environment();
const servers = await startTestServers(folder);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void servers.stop().finally(() => process.exit(1)));
}
const env = { ...programs, ...servers.variables };
const counts = await runAll();
terminal.line(closingLine(counts));
terminal.close();
process.exitCode = counts.failed > 0 ? 1 : 0;

async function runAll(): Promise<Counts> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const add = (more: Counts): void => {
    total.passed += more.passed;
    total.failed += more.failed;
    total.skipped += more.skipped;
  };
  const check = async (step: Step): Promise<boolean> => {
    const ok = await run(step);
    add({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
    return ok;
  };

  const built = await check(build);
  for (const step of checks) await check(step);
  if (built) {
    add(await runTests());
    // A part of the tests cannot show all of it.
    if (filters.length === 0) {
      await check(adapters);
      await check(faults);
    }
  } else {
    terminal.line('✗ tests: not run, because the build failed');
    add({ passed: 0, failed: 1, skipped: 0 });
  }
  await servers.stop();
  await check(scan);
  return total;
}

/** A run that ended badly, or left no record, fails even if no single test did. */
async function runTests(): Promise<Counts> {
  const ok = await run(tests);
  const record = readTestRecord();
  const counted = record && countTests(record);
  for (const name of record ? secondTries(record) : []) terminal.line(`! only at the second try: ${name}`);
  if (counted === null || counted.passed + counted.failed + counted.skipped === 0) {
    terminal.line('✗ tests: no test was recorded');
    return { passed: 0, failed: 1, skipped: 0 };
  }
  return !ok && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
}

function readTestRecord(): TestRecord | null {
  try {
    return JSON.parse(readFileSync(join(folder, 'tests.json'), 'utf8')) as TestRecord;
  } catch {
    return null;
  }
}

async function run({ name, doing, command, timeoutMs }: Step): Promise<boolean> {
  terminal.line(`· ${doing}`);
  const [program, ...args] = command;
  const { exitCode, problem, durationMs } = await terminal.run(program, args, { cwd: root, env, timeoutMs });
  const seconds = (durationMs / 1000).toFixed(1);
  if (exitCode === 0) terminal.line(`✓ ${name} (${seconds} s)`);
  else terminal.line(`✗ ${name} FAILED (${problem ?? `exit code ${exitCode}`}, ${seconds} s)`);
  return exitCode === 0;
}

/** What every step sees. A developer's own connection settings must not reach the tests. */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('HIGHQ_'));
  const base = {
    ...Object.fromEntries(own),
    ...plantedVariables(),
    HQ_RUN_DIR: folder,
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
    PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
    ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}),
  };
  return { ...base, ...(await provideNeededPrograms(terminal, root, base)) };
}
