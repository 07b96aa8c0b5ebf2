import type { Manifest, PublishedPackage } from './published.ts';
import type { Tarball } from './tarballs.ts';

const REPOSITORY = 'github.com/hq-oauth/hq-oauth';
const CORE = '@hq-oauth/core';
/** Core itself, and the oracle that core is tested against. */
const WITHOUT_PEER = new Set([CORE, '@hq-oauth/emulator']);

/** What npm shows and what installs depend on. One sentence for each thing that is missing or wrong. */
export function metadataProblems(
  { folder, manifest, readme }: PublishedPackage,
  tarball: Tarball,
  license: string,
): string[] {
  const wants: readonly (readonly [boolean, string])[] = [
    [manifest.name === `@hq-oauth/${folder}`, 'name: not @hq-oauth/ and its folder'],
    [/^\d+\.\d+\.\d+$/.test(manifest.version), 'version: not of the form 1.2.3'],
    [(manifest.description ?? '').length >= 20, 'description: missing, or says too little'],
    [(manifest.keywords ?? []).length >= 4 && has(manifest.keywords, 'highq'), 'keywords: fewer than four'],
    [manifest.license === 'MIT', 'license: not MIT'],
    [manifest.type === 'module', 'type: not module'],
    [manifest.repository?.url === `git+https://${REPOSITORY}.git`, 'repository.url'],
    [manifest.repository?.directory === `packages/${folder}`, 'repository.directory: not its folder'],
    [manifest.bugs?.url === `https://${REPOSITORY}/issues`, 'bugs.url'],
    [
      manifest.homepage === `https://${REPOSITORY}/tree/main/packages/${folder}#readme`,
      'homepage: not its README',
    ],
    [manifest.engines?.node === '^22.19 || ^24.11 || >=26', 'engines.node: not the supported versions'],
    // Or the files that have some.
    [manifest.sideEffects === false || Array.isArray(manifest.sideEffects), 'sideEffects: not false'],
    [has(manifest.files, 'dist'), 'files: dist is not in it'],
    [manifest.publishConfig?.access === 'public', 'publishConfig.access: not public'],
    [manifest.publishConfig?.provenance === true, 'publishConfig.provenance: not true'],
    [readme.startsWith(`# ${manifest.name}\n`), 'README.md: does not begin with the name'],
    [readme.includes('npm install '), 'README.md: does not say how to install it'],
  ];
  return [
    ...wants.filter(([holds]) => !holds).map(([, problem]) => problem),
    ...exportProblems(manifest, tarball),
    ...dependencyProblems(tarball.manifest),
    ...fileProblems(tarball, license, readme),
  ];
}

function has(list: readonly string[] | undefined, wanted: string): boolean {
  return list?.includes(wanted) ?? false;
}

/** ESM only: `default` serves `import`, and `require` too in every supported Node. */
function exportProblems({ exports = {}, bin = {} }: Manifest, { files }: Tarball): string[] {
  const entries = Object.entries(exports);
  const conditions = entries.flatMap(([path, target]) => {
    if (typeof target === 'string') {
      return path === target ? [] : [`exports["${path}"]: a bare file that is not itself`];
    }
    const [first, second, ...more] = Object.keys(target);
    const good = first === 'types' && second === 'default' && more.length === 0;
    return good ? [] : [`exports["${path}"]: not types first, then default`];
  });
  const targets = [
    ...entries.flatMap(([, target]) => (typeof target === 'string' ? [target] : Object.values(target))),
    ...Object.values(bin),
  ];
  return [
    ...(exports['./package.json'] === './package.json' ? [] : ['exports: no ./package.json']),
    ...(entries.length > 1 ? [] : ['exports: no entry point']),
    ...conditions,
    ...targets.filter((target) => !files.has(target.slice(2))).map((target) => `${target} is not packed`),
  ];
}

/** Two cores in one tree would be two single flights: whoever uses core has it as a peer, and so do frameworks and drivers. */
function dependencyProblems(packed: Manifest): string[] {
  const { dependencies = {}, peerDependencies = {}, devDependencies = {} } = packed;
  const ranges = Object.entries({ ...dependencies, ...peerDependencies });
  return [
    ...(CORE in dependencies ? [`dependencies: ${CORE} must be a peer`] : []),
    ...(CORE in peerDependencies || WITHOUT_PEER.has(packed.name)
      ? []
      : [`peerDependencies: ${CORE} is missing`]),
    ...ranges
      .filter(([, range]) => /^(workspace|file|link|catalog):|^\*?$|^latest$/.test(range))
      .map(([name, range]) => `${name}: a range that says nothing outside of the workspace (${range})`),
    ...Object.keys(peerDependencies)
      .filter((name) => !(name in devDependencies))
      .map((name) => `peerDependencies: ${name} is tested with no version (devDependencies)`),
    ...Object.keys(packed.peerDependenciesMeta ?? {})
      .filter((name) => !(name in peerDependencies))
      .map((name) => `peerDependenciesMeta: ${name} is no peer`),
    ...Object.keys(packed.scripts ?? {})
      .filter((name) => /^(pre|post)?install$|^prepare$/.test(name))
      .map((name) => `scripts.${name} would run on users' machines`),
  ];
}

const ALLOWED = /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.+\.(js|js\.map|d\.ts))$/;
const OF_TESTS = /\.(test|fixture)\./;

function fileProblems({ files }: Tarball, license: string, readme: string): string[] {
  const names = [...files.keys()];
  return [
    ...(files.get('LICENSE') === license ? [] : ['LICENSE: missing, or not that of the repository']),
    ...(files.get('README.md') === readme ? [] : ['README.md: not packed']),
    ...names
      .filter((name) => !ALLOWED.test(name) || OF_TESTS.test(name))
      .map((name) => `${name}: packed, and of no use there`),
    ...names.filter((name) => name.endsWith('.js.map')).flatMap((name) => mapProblems(name, files)),
    ...names.filter((name) => name.endsWith('.d.ts')).flatMap((name) => deadReferences(name, files)),
  ];
}

/** A map whose sources are nowhere makes bundlers warn and debuggers show nothing. */
function mapProblems(name: string, files: Tarball['files']): string[] {
  const { sourcesContent = [] } = JSON.parse(files.get(name) ?? '{}') as { sourcesContent?: unknown[] };
  const whole = sourcesContent.length > 0 && sourcesContent.every((text) => typeof text === 'string');
  return whole ? [] : [`${name}: without its source`];
}

/** Types that name a file which is not there are `any` for whoever has `skipLibCheck`. */
function deadReferences(name: string, files: Tarball['files']): string[] {
  const folder = name.split('/').slice(0, -1);
  return [...(files.get(name) ?? '').matchAll(/(?:from|import)\s*\(?'(\.[^']+)'/g)]
    .map(([, target = '']) => target)
    .filter((target) => {
      const path = [...folder];
      for (const part of target.split('/')) {
        if (part === '..') path.pop();
        else if (part !== '.') path.push(part);
      }
      return !files.has(path.join('/').replace(/\.(ts|js)$/, '.d.ts'));
    })
    .map((target) => `${name}: names ${target}, which is not packed`);
}
