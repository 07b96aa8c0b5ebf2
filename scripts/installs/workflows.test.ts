import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readManifest } from './published.ts';

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly uses?: string;
  readonly needs?: string;
  readonly if?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix?: { readonly node?: readonly number[] } };
  readonly 'timeout-minutes'?: number;
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly concurrency?: { readonly group?: string; readonly 'cancel-in-progress'?: unknown };
  readonly jobs: Readonly<Record<string, Job>>;
}

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = join(root, '.github/workflows');
const { scripts = {} } = readManifest(join(root, 'package.json'));
const workflows = readdirSync(folder).map((file) => {
  const text = readFileSync(join(folder, file), 'utf8');
  return { file, text, workflow: parse(text) as Workflow };
});

function workflowOf(file: string): Workflow {
  const found = workflows.find((each) => each.file === file);
  if (!found) throw new Error(`there is no ${file}`);
  return found.workflow;
}

function stepsOf({ jobs }: Workflow): Step[] {
  return Object.values(jobs).flatMap(({ steps = [] }) => steps);
}

/** The scripts that a command runs by way of pnpm, `install` aside. */
function scriptsIn(command: string): string[] {
  return [...command.matchAll(/pnpm@\d+ (?:run )?([\w:-]+)/g)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'install');
}

describe.each(workflows)('$file', ({ text, workflow }) => {
  const commands = stepsOf(workflow).flatMap(({ run, with: inputs }) => [run, inputs?.script].map(String));

  it('calls only scripts that package.json has, by the way that everybody has', () => {
    const called = commands.flatMap(scriptsIn);
    expect(called.filter((name) => scripts[name] === undefined)).toEqual([]);
    expect(commands.filter((command) => /(^|[;&|]\s*)(pnpm|yarn|corepack) /m.test(command))).toEqual([]);
  });

  it('F104 names each action by a full commit hash, with its version beside it', () => {
    const named = [...text.matchAll(/uses: (\S+)( # v\d+\.\d+\.\d+)?$/gm)];
    expect(named.length).toBeGreaterThan(0);
    const loose = named.filter(([, action = '', version]) => {
      if (action.startsWith('./')) return false;
      return !/@[0-9a-f]{40}$/.test(action) || version === undefined;
    });
    expect(loose.map(([line]) => line)).toEqual([]);
    expect(named).toHaveLength(text.match(/uses:/g)?.length ?? 0);
  });

  it('has a bound on time and rights, and gives no step the token that a checkout leaves behind', () => {
    expect(workflow.permissions, 'permissions').toBeDefined();
    expect(Object.values(workflow.permissions ?? {}).filter((right) => right !== 'read')).toEqual([]);
    expect(workflow.concurrency?.group).toMatch(/\w/);
    for (const job of Object.values(workflow.jobs)) {
      if (job.uses === undefined) expect(job['timeout-minutes']).toBeLessThanOrEqual(30);
    }
    const checkouts = stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/checkout@'));
    expect(checkouts.map((step) => step.with?.['persist-credentials'] ?? true)).not.toContain(true);
  });
});

describe('ci', () => {
  it('runs the command of the README, and the installs on each major Node of `engines`', () => {
    const { jobs } = workflowOf('ci.yml');
    expect(jobs.run?.steps?.some(({ run }) => run === '.ci/run')).toBe(true);
    expect(readFileSync(join(root, '.ci/run'), 'utf8')).toMatch(/^"\$\{pnpm\[@\]\}" test/m);
    const { engines } = readManifest(join(root, 'packages/core/package.json'));
    const majors = [...(engines?.node ?? '').matchAll(/[\^=](\d+)/g)].map(([, major]) => Number(major));
    expect(majors.length).toBeGreaterThan(1);
    expect(jobs.installs?.strategy?.matrix?.node).toEqual(majors);
    expect(jobs.installs?.steps?.at(-1)?.run).toMatch(/installs --node \$\{\{ matrix\.node \}\}$/);
  });
});

describe('release', () => {
  const { jobs, concurrency, env } = workflowOf('release.yml');

  it('waits for all of ci, and is never cut off', () => {
    expect(jobs.verify?.uses).toBe('./.github/workflows/ci.yml');
    expect(Object.keys(workflowOf('ci.yml').on)).toContain('workflow_call');
    const waits = (name: string): boolean => {
      const needs = jobs[name]?.needs;
      return name === 'verify' || (needs !== undefined && waits(needs));
    };
    expect(Object.keys(jobs).filter((name) => !waits(name))).toEqual([]);
    expect(concurrency?.['cancel-in-progress']).toBe(false);
  });

  it('has pnpm on the path where an action has changesets ask the registry', () => {
    const steps = jobs.mode?.steps ?? [];
    const asks = steps.findIndex(({ uses }) => uses?.startsWith('changesets/action/select-mode@'));
    expect(asks).toBeGreaterThan(0);
    expect(steps.slice(0, asks).map(({ run }) => run)).toContain('npm install --global pnpm@12');
  });

  it('F104 brings no pnpm that is younger than what pnpm lets in', () => {
    const { minimumReleaseAge } = parse(readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8')) as {
      minimumReleaseAge: number;
    };
    expect(Number(env?.NPM_CONFIG_MIN_RELEASE_AGE) * 24 * 60).toBe(minimumReleaseAge);
  });

  it('publishes with provenance, without a token, and gives that right to nothing else', () => {
    const withIdToken = Object.entries(jobs).filter(([, job]) => job.permissions?.['id-token'] !== undefined);
    expect(withIdToken.map(([name]) => name)).toEqual(['publish']);
    const step = jobs.publish?.steps?.at(-1);
    expect(step?.uses).toMatch(/^changesets\/action\/publish@/);
    expect(step?.env?.NPM_CONFIG_PROVENANCE).toBe('true');
    expect(JSON.stringify(jobs)).not.toMatch(/secrets\./);
  });
});
