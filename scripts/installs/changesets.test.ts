import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import semver from 'semver';
import { afterEach, describe, expect, it } from 'vitest';
import { publishedPackages, readManifest } from './published.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const CORE = '@hq-oauth/core';
const published = publishedPackages(root);
const before = new Map(published.map(({ manifest }) => [manifest.name, manifest.version]));
const withPeer = published.filter(({ manifest }) => manifest.peerDependencies?.[CORE] !== undefined);
let copy = '';
afterEach(() => rmSync(copy, { recursive: true, force: true }));

/** What of this workspace changesets look at, without the changesets that are waiting. */
function copyWorkspace(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hq-changesets-'));
  for (const file of ['package.json', 'pnpm-workspace.yaml', '.changeset/config.json']) {
    cpSync(join(root, file), join(folder, file));
  }
  for (const parent of ['packages', 'apps']) {
    for (const name of readdirSync(join(root, parent))) {
      const manifest = join(parent, name, 'package.json');
      if (existsSync(join(root, manifest))) cpSync(join(root, manifest), join(folder, manifest));
    }
  }
  return folder;
}

interface Released {
  /** Versions that moved. */
  readonly moved: Readonly<Record<string, string>>;
  /** Every file that changed. */
  readonly files: readonly string[];
}

/** Lets `changeset version` carry out one changeset, in a copy in which packages have the given versions. */
function release(name: string, bump: string, versions: ReadonlyMap<string, string> = before): Released {
  copy = copyWorkspace();
  for (const { folder, manifest } of published) {
    const version = versions.get(manifest.name) ?? manifest.version;
    writeFileSync(join(copy, 'packages', folder, 'package.json'), JSON.stringify({ ...manifest, version }));
  }
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], {
      cwd: copy,
      encoding: 'utf8',
    });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '--all');
  git('commit', '--quiet', '--message=before');
  writeFileSync(join(copy, '.changeset/one.md'), `---\n'${name}': ${bump}\n---\n\nA change.\n`);
  execFileSync(process.execPath, [join(root, 'node_modules/@changesets/cli/bin.js'), 'version'], {
    cwd: copy,
    stdio: 'pipe',
  });
  const after = published.map(({ folder, manifest }) => {
    const { version } = readManifest(join(copy, 'packages', folder, 'package.json'));
    return [manifest.name, version] as const;
  });
  return {
    moved: Object.fromEntries(after.filter(([each, version]) => version !== versions.get(each))),
    files: git('status', '--porcelain', '--untracked-files=all')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.slice(3)),
  };
}

function bumped(name: string, bump: 'patch' | 'minor'): string {
  return semver.inc(before.get(name) ?? '', bump) ?? '';
}

describe('a changeset', () => {
  it.each([
    ['minor', 'koa'],
    ['patch', 'store-sqlite'],
  ] as const)('of a %s on packages/%s moves no other version', (bump, folder) => {
    const name = `@hq-oauth/${folder}`;
    const { moved, files } = release(name, bump);
    expect(moved).toEqual({ [name]: bumped(name, bump) });
    expect(files).toEqual([`packages/${folder}/package.json`, `packages/${folder}/CHANGELOG.md`]);
  });

  it('of a patch on core moves core only, because its users take it by their ranges', () => {
    expect(release(CORE, 'patch').moved).toEqual({ [CORE]: bumped(CORE, 'patch') });
  });

  it('of a minor on core 1.0 moves core only, for the same reason', () => {
    const grown = new Map([...before, [CORE, '1.0.0']]);
    expect(release(CORE, 'minor', grown).moved).toEqual({ [CORE]: '1.1.0' });
  });

  it('of a minor on core moves those whose range would not take it, by a patch, and then all of them do', () => {
    const next = bumped(CORE, 'minor');
    const { moved } = release(CORE, 'minor');
    const leaves = withPeer.filter(() => !semver.satisfies(next, `^${before.get(CORE)}`));
    const expected = leaves.map(({ manifest: { name } }) => [name, bumped(name, 'patch')]);
    expect(moved).toEqual({ [CORE]: next, ...Object.fromEntries(expected) });
    for (const { folder } of withPeer) {
      const { peerDependencies } = readManifest(join(copy, 'packages', folder, 'package.json'));
      // pnpm writes the version of the workspace in its place when it packs.
      expect(peerDependencies?.[CORE]).toBe('workspace:^');
    }
  });
});
