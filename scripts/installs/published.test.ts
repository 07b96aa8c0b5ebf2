import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { attwProblems, publintProblems } from './linters.ts';
import { metadataProblems } from './metadata.ts';
import { publishedPackages } from './published.ts';
import { packAll, type Tarball } from './tarballs.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const packages = publishedPackages(root);
const folder = mkdtempSync(join(tmpdir(), 'hq-packed-'));
const tarballs = packAll(root, packages, folder);
const license = readFileSync(join(root, 'LICENSE'), 'utf8');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tarballOf(name: string): Tarball {
  const tarball = tarballs.get(name);
  if (!tarball) throw new Error(`${name} was not packed`);
  return tarball;
}

describe.each(packages.map((each) => [each.manifest.name, each] as const))('%s, packed', (name, each) => {
  it('says what npm and its users need to know, and holds what they need', () => {
    expect(metadataProblems(each, tarballOf(name), license)).toEqual([]);
  });

  it('is clean for publint', async () => {
    expect(await publintProblems(tarballOf(name))).toEqual([]);
  });

  it('is clean for attw', async () => {
    expect(await attwProblems(tarballOf(name))).toEqual([]);
  });
});

describe('the check of a packed package', () => {
  const koa = packages.find(({ folder }) => folder === 'koa');
  if (!koa) throw new Error('there is no packages/koa');
  const tarball = tarballOf(koa.manifest.name);
  const withFile = (name: string, text: string): Tarball => ({
    ...tarball,
    files: new Map([...tarball.files, [name, text]]),
  });
  const withManifest = (change: Partial<Tarball['manifest']>): Tarball => ({
    ...tarball,
    manifest: { ...tarball.manifest, ...change },
  });

  it.each([
    ['a test', withFile('dist/index.test.js', ''), 'dist/index.test.js: packed, and of no use there'],
    ['a source', withFile('src/index.ts', ''), 'src/index.ts: packed, and of no use there'],
    ['a map without source', withFile('dist/a.js.map', '{}'), 'dist/a.js.map: without its source'],
    [
      'types that are not there',
      withFile('dist/a.d.ts', "export * from './gone.ts';"),
      'dist/a.d.ts: names ./gone.ts, which is not packed',
    ],
    ['another licence', withFile('LICENSE', ''), 'LICENSE: missing, or not that of the repository'],
    [
      'core as a dependency',
      withManifest({ dependencies: { '@hq-oauth/core': '^0.1.0' } }),
      'dependencies: @hq-oauth/core must be a peer',
    ],
    ['no peer', withManifest({ peerDependencies: {} }), 'peerDependencies: @hq-oauth/core is missing'],
    [
      'a range of the workspace',
      withManifest({ peerDependencies: { '@hq-oauth/core': 'workspace:^' } }),
      '@hq-oauth/core: a range that says nothing outside of the workspace (workspace:^)',
    ],
  ])('finds %s', (_what, broken, problem) => {
    expect(metadataProblems(koa, broken, license)).toContain(problem);
  });

  it.each([
    'description',
    'keywords',
    'license',
    'type',
    'repository',
    'bugs',
    'homepage',
    'engines',
    'sideEffects',
    'exports',
    'files',
    'publishConfig',
  ] as const)('misses %s', (field) => {
    const { [field]: _gone, ...manifest } = koa.manifest;
    expect(metadataProblems({ ...koa, manifest }, tarball, license).join('\n')).toMatch(
      new RegExp(`^${field}`, 'm'),
    );
  });
});
