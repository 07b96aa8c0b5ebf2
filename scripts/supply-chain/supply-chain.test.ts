import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '../../packages/core/src/clock.ts';
import {
  installProblems,
  type Lockfile,
  lockfileProblems,
  type Settings,
  settingProblems,
} from './policy.ts';
import { type Registry, type Release, startRegistry } from './registry.fixture.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const settings = parse(read('pnpm-workspace.yaml')) as Settings;
const lockfile = parse(read('pnpm-lock.yaml')) as Lockfile;

describe('F104 what others publish', () => {
  const HOUR_MS = 3_600_000;
  const YEAR_MS = 365 * 24 * HOUR_MS;
  const waitMs = (settings.minimumReleaseAge ?? 0) * 60_000;
  // pnpm goes by the machine's clock.
  const now = systemClock.now();
  const release = (name: string, version: string, ageMs: number, more: Partial<Release> = {}): Release => ({
    name,
    version,
    publishedAt: now - ageMs,
    ...more,
  });
  const young = release('hq-young', '1.0.1', waitMs - HOUR_MS);
  const ripe = release('hq-young', '1.0.0', waitMs + HOUR_MS);
  const scripted = release('hq-scripted', '1.0.0', YEAR_MS, { scripts: { postinstall: 'echo > ran' } });
  const attested = release('hq-attested', '1.0.0', YEAR_MS, { provenance: true });
  const unattested = release('hq-attested', '1.0.1', YEAR_MS / 2);
  let registry: Registry;
  let pnpm = '';
  let folder = '';

  beforeAll(async () => {
    registry = await startRegistry([ripe, young, scripted, attested, unattested]);
    pnpm = execFileSync('npx', ['-y', '--package=pnpm@12', '-c', 'command -v pnpm'], {
      encoding: 'utf8',
    }).trim();
    folder = mkdtempSync(join(tmpdir(), 'hq-supply-'));
  });
  afterAll(async () => {
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Installs what somebody has locked, as CI does, with the settings of this workspace; gives what pnpm said. */
  async function install(locked: Release, change: Partial<Settings> = {}): Promise<string> {
    const project = mkdtempSync(join(folder, 'project-'));
    const { packages: _none, ...policy } = settings;
    writeFileSync(join(project, 'pnpm-workspace.yaml'), JSON.stringify({ ...policy, ...change }));
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({ private: true, dependencies: { [locked.name]: locked.version } }),
    );
    writeFileSync(join(project, 'pnpm-lock.yaml'), registry.lockfileFor(locked));
    const places = ['--store-dir', join(project, 'store'), '--cache-dir', join(project, 'cache')];
    const args = ['install', '--frozen-lockfile', '--registry', registry.url, ...places];
    const env = { ...process.env, CI: '1', NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' };
    return new Promise((resolve) => {
      execFile(pnpm, args, { cwd: project, env, timeout: 20_000 }, (error, stdout, stderr) => {
        const ran = existsSync(join(project, 'node_modules', locked.name, 'ran'));
        resolve(`${error ? 'failed' : 'installed'}${ran ? ', its script ran' : ''}\n${stdout}${stderr}`);
      });
    });
  }

  it('comes in when it is old enough', async () => {
    expect(await install(ripe)).toMatch(/^installed\n/);
    expect(await install(attested)).toMatch(/^installed\n/);
  });

  it.each([
    [
      'is younger than three days',
      young,
      'MINIMUM_RELEASE_AGE_VIOLATION',
      { minimumReleaseAge: 0 },
      'installed',
    ],
    ['has lost its provenance', unattested, 'TRUST_DOWNGRADE', { trustPolicy: 'off' }, 'installed'],
    [
      'has an install script that nobody allowed',
      scripted,
      'IGNORED_BUILDS',
      { allowBuilds: { 'hq-scripted@1.0.0': true } },
      'installed, its script ran',
    ],
  ] as const)(
    'fails the installation when it %s, whoever locked it',
    async (_what, bad, code, undone, otherwise) => {
      const said = await install(bad);
      expect(said).toMatch(/^failed\n/);
      expect(said).toContain(`ERR_PNPM_${code}`);
      expect((await install(bad, undone)).split('\n', 1)).toEqual([otherwise]);
    },
  );
});

describe('F104 the settings of this workspace', () => {
  it('let nothing in that is too young, has lost its provenance or runs a script unasked', () => {
    expect(settingProblems(settings, lockfile)).toEqual([]);
    // It would come before them.
    expect(existsSync(join(root, '.npmrc'))).toBe(false);
    expect(JSON.parse(read('package.json'))).not.toHaveProperty('pnpm');
  });

  it.each([
    ['minimumReleaseAge', 60],
    ['minimumReleaseAge', undefined],
    ['minimumReleaseAgeStrict', false],
    ['minimumReleaseAgeExclude', ['ky']],
    ['trustPolicy', 'off'],
    ['trustPolicyExclude', ['ky@^2']],
    ['blockExoticSubdeps', undefined],
    ['strictDepBuilds', false],
    ['allowBuilds', { node: true }],
    ['allowBuilds', { 'node@24.20.0': true }],
    ['trustLockfile', true],
    ['dangerouslyAllowAllBuilds', true],
    ['registry', 'https://packages.example.com'],
  ])('would be found with %s at %j', (name, value) => {
    expect(settingProblems({ ...settings, [name]: value }, lockfile)).toHaveLength(1);
  });
});

describe('F104 the lockfile', () => {
  const id = 'ky@2.1.0';

  it('takes everything from the registry, under a SHA-512', () => {
    expect(id in lockfile.packages).toBe(true);
    expect(lockfileProblems(lockfile)).toEqual([]);
  });

  it.each([
    ['no hash', {}],
    ['a weak hash', { integrity: 'sha1-gzMq8Sbm2Lx0HDo6Lm8Qq6Ssb4A=' }],
    ['an address', { ...lockfile.packages[id]?.resolution, tarball: 'https://example.com/ky.tgz' }],
    ['a repository', { type: 'git', repo: 'https://example.com/ky.git', commit: '0'.repeat(40) }],
  ])('would be found with %s', (_what, resolution) => {
    const packages = { ...lockfile.packages, [id]: { resolution } };
    expect(lockfileProblems({ ...lockfile, packages })).toEqual([
      `${id}: without a SHA-512, or not of the registry`,
    ]);
  });

  it('would be found with a dependency of a package from elsewhere', () => {
    const importers = {
      'packages/core': { dependencies: { ky: { version: 'https://example.com/ky.tgz' } } },
    };
    expect(lockfileProblems({ ...lockfile, importers })).toHaveLength(1);
  });
});

describe('F104 the installations of CI', () => {
  const workflows = readdirSync(join(root, '.github/workflows')).map((file) => `.github/workflows/${file}`);

  it.each(['.ci/run', ...workflows])('take in %s what is locked, and nothing else', (file) => {
    expect(read(file)).toMatch(/ install --frozen-lockfile/);
    expect(installProblems(read(file))).toEqual([]);
  });

  it.each(['', ' --no-frozen-lockfile', ' --frozen-lockfile --trust-lockfile', ' --ignore-scripts=false'])(
    'would be found with `install%s`',
    (options) => {
      expect(installProblems(`      - run: npx -y pnpm@12 install${options}\n`)).toHaveLength(1);
      expect(installProblems(`"\${pnpm[@]}" install${options} || exit 1\n`)).toHaveLength(1);
    },
  );

  it('take up new actions when others had time to look at them', () => {
    const { updates } = parse(read('.github/dependabot.yml')) as {
      updates: readonly { readonly cooldown?: { readonly 'default-days'?: number } }[];
    };
    expect(updates.length).toBeGreaterThan(0);
    expect(updates.filter(({ cooldown }) => (cooldown?.['default-days'] ?? 0) < 3)).toEqual([]);
  });
});
