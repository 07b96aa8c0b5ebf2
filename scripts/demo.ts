/**
 * Shows what hq-oauth is for: an emulator and the Express example on one virtual clock, walked through as a person's
 * browser would. `--once` ends after the walk, with exit code 0 when every step did what it should; without it, both
 * stay up until Ctrl-C.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Report, StepFailure } from './demo/report.ts';
import { openStage, type Stage } from './demo/stage.ts';
import { FIRM_USER, OTHER_FIRM_USER, walk, walkMonths } from './demo/walk.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LIMIT_MS = 5 * MINUTE_MS;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stays = !process.argv.includes('--once');
const report = new Report();
const startedAt = performance.now();

/** The registration's shortest and longest access tokens, in both formats of the token response. */
const VARIANTS = [
  { tokenFormat: 'xml', lifeMs: 30 * MINUTE_MS, name: 'XML, a registration of 30 minutes' },
  { tokenFormat: 'json', lifeMs: 30 * MINUTE_MS, name: 'JSON, a registration of 30 minutes' },
  { tokenFormat: 'xml', lifeMs: 31 * DAY_MS, name: 'XML, a registration of one month' },
  { tokenFormat: 'json', lifeMs: 31 * DAY_MS, name: 'JSON, a registration of one month' },
] as const;

process.exitCode = await run();

async function run(): Promise<number> {
  const open: Stage[] = [];
  const limit = setTimeout(() => {
    report.line(`\nThe demo did not end within ${LIMIT_MS / MINUTE_MS} minutes.`);
    process.exit(1);
  }, LIMIT_MS);
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  try {
    await report.step('the packages are built', async (seen) => {
      seen.equal('exit code of the build', (await build()) ?? 'none', 0);
      return true;
    });
    const main = await openStage(root, { usual: true, emulator: {} });
    open.push(main);
    await walk(report, main);
    for (const { tokenFormat, lifeMs, name } of VARIANTS) {
      const registrations = [{ tokenExpirationMs: lifeMs }];
      const stage = await openStage(root, { usual: false, emulator: { tokenFormat, registrations } });
      open.push(stage);
      await walkMonths(report, { name: `13 months with ${name}`, format: tokenFormat }, stage);
      await stage.close();
      open.pop();
    }
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    report.line(`\n${report.steps} steps, each as it should be, in ${seconds} s.`);
    clearTimeout(limit);
    if (stays) {
      showPages(main);
      await stopped;
      report.line('\nStopping.');
    }
    return 0;
  } catch (error) {
    const text = error instanceof StepFailure ? `This step failed: ${error.message}` : String(error);
    report.line(`\n${text}`);
    const output = open.at(-1)?.example.output;
    if (output) report.line(`\nThe example printed last:\n${output}`);
    return 1;
  } finally {
    clearTimeout(limit);
    for (const stage of open) await stage.close();
  }
}

async function build(): Promise<number | null> {
  const child = spawn('turbo', ['run', 'build', '--filter=express-example...', '--output-logs=errors-only'], {
    cwd: root,
    env: {
      ...process.env,
      TURBO_TELEMETRY_DISABLED: '1',
      TURBO_NO_UPDATE_NOTIFIER: '1',
      PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
  });
  const [code] = await once(child, 'close');
  if (code !== 0) report.line(output);
  return code;
}

function showPages({ emulator, example }: Stage): void {
  const [user] = emulator.users.list();
  report.line(`
Both stay up until Ctrl-C. Pages to open:

  ${example.url}/
      the example. Sign in as ${FIRM_USER.email}, password "${FIRM_USER.password}": connected by the walk, shows sites.
      Or as ${OTHER_FIRM_USER.email}, same password: connects first. At HighQ, sign in as
      ${user?.email}, password "${user?.password}".
  ${emulator.url}/_emulator/ui/clock
      the virtual clock: move it past expiry and load the example again.
  ${emulator.url}/_emulator/ui/ledger
      every token that was issued and presented.
`);
}
