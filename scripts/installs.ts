/**
 * Packs every package and uses each as its users do: alone, installed by npm into an empty folder, on every Node that it
 * supports. Prints a table, and ends with 1 if anything is missing. Needs a build.
 *
 *     pnpm installs [--node 22,24,26] [--package koa,express] [--keep]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installAlone } from './installs/alone.ts';
import { type Kit, type NodeVersion, provideNode } from './installs/kit.ts';
import { attwProblems, publintProblems } from './installs/linters.ts';
import { installedPeers, lowestCoreOf } from './installs/lowest.ts';
import { metadataProblems } from './installs/metadata.ts';
import { Project } from './installs/project.ts';
import { type PublishedPackage, publishedPackages, readManifest } from './installs/published.ts';
import { followQuickStart, lowest, newest } from './installs/quick-start.ts';
import { type Outcome, tableOf } from './installs/table.ts';
import { packAll } from './installs/tarballs.ts';
import { compileUserProgram } from './installs/types.ts';
import { startTestServers } from './servers/test-servers.ts';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    node: { type: 'string', default: '22,24,26' },
    package: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
  },
});
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'hq-installs-'));
const startedAt = performance.now();
const outcomes: Outcome[] = [];
const say = (line: string): void => console.log(line);

const packages = publishedPackages(root);
const wanted = values.package === '' ? packages.map((each) => each.folder) : values.package.split(',');
const chosen = packages.filter((each) => wanted.includes(each.folder));
if (chosen.length < wanted.length)
  throw new Error(`--package: there are ${packages.map((each) => each.folder)}`);

mkdirSync(join(folder, 'packed'));
const servers = await startTestServers(folder);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void servers.stop().finally(() => process.exit(1)));
}
try {
  const kit = makeKit();
  for (const each of chosen) await packed(kit, each);
  for (const major of values.node.split(',')) {
    const node = await provideNode(major, join(root, 'node_modules/.cache/hq-installs'));
    say(`· Node ${node.version}`);
    for (const each of chosen) await installed(kit, node, each);
  }
} finally {
  await servers.stop();
  if (values.keep) say(`· kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
const gaps = outcomes.filter(({ seen }) => seen === null);
say(`\n${tableOf(outcomes)}\n`);
const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
say(`${outcomes.length - gaps.length} held, ${gaps.length} failed, in ${minutes} minutes`);
process.exitCode = gaps.length > 0 || outcomes.length === 0 ? 1 : 0;

function makeKit(): Kit {
  const { devDependencies = {} } = readManifest(join(root, 'package.json'));
  const { typescript, '@types/node': types } = devDependencies;
  if (!typescript || !types) throw new Error('package.json names neither typescript nor @types/node');
  const { HQ_REDIS_URL, HQ_POSTGRES_URL } = servers.variables;
  if (!HQ_REDIS_URL || !HQ_POSTGRES_URL) {
    throw new Error('redis-server or PostgreSQL is missing: `pnpm test` says how to get them');
  }
  return {
    root,
    folder,
    packages,
    tarballs: packAll(root, packages, join(folder, 'packed')),
    tools: { typescript, '@types/node': types },
    servers: { REDIS_URL: HQ_REDIS_URL, DATABASE_URL: HQ_POSTGRES_URL },
    say,
  };
}

async function packed(kit: Kit, each: PublishedPackage): Promise<void> {
  const tarball = kit.tarballs.get(each.manifest.name);
  if (!tarball) throw new Error(`${each.manifest.name} was not packed`);
  const license = readFileSync(join(root, 'LICENSE'), 'utf8');
  await check('any', each, 'contents', async () => {
    const problems = metadataProblems(each, tarball, license);
    if (problems.length > 0) throw new Error(problems.join('\n'));
    return `${tarball.files.size} files`;
  });
  await check('any', each, 'publint, attw', async () => {
    const problems = [...(await publintProblems(tarball)), ...(await attwProblems(tarball))];
    if (problems.length > 0) throw new Error(problems.join('\n'));
    return 'clean';
  });
}

async function installed(kit: Kit, node: NodeVersion, each: PublishedPackage): Promise<void> {
  let project: Project | null = null;
  await check(node.version, each, 'import = require', async () => {
    const alone = await installAlone(kit, node, each);
    project = alone.project;
    return alone.names;
  });
  await check(node.version, each, 'strict types', async () => {
    if (project === null) throw new Error('it could not be installed');
    await compileUserProgram(kit, project, each);
    return 'ESM, CommonJS';
  });
  await check(node.version, each, 'quick start', () =>
    followQuickStart(kit, node, each, newest(kit), 'readme'),
  );
  if (Object.keys(each.manifest.peerDependencies ?? {}).length === 0) return;
  await check(node.version, each, 'lowest peers', async () => {
    const core = await lowestCore(kit, node, each);
    await followQuickStart(kit, node, each, lowest(kit, each, core), 'lowest');
    return installedPeers(join(folder, `node-${node.major}`, `${each.folder}-lowest`), each.manifest);
  });
}

function lowestCore(kit: Kit, { bin }: NodeVersion, each: PublishedPackage) {
  const tarball = kit.tarballs.get('@hq-oauth/core');
  const manifest = kit.tarballs.get(each.manifest.name)?.manifest;
  if (!tarball || !manifest) throw new Error(`${each.manifest.name} or core was not packed`);
  const core = { name: '@hq-oauth/core', version: tarball.manifest.version, tarball: tarball.path };
  const npm = new Project(join(folder, 'registry'), bin);
  return lowestCoreOf(manifest, core, async (spec) => {
    try {
      return (await npm.run(`npm view '${spec}' version`)).trim() !== '';
    } catch {
      return false;
    }
  });
}

async function check(
  node: string,
  { manifest }: PublishedPackage,
  name: string,
  work: () => Promise<string>,
): Promise<void> {
  const from = performance.now();
  const done = (seen: string | null, problem: string): void => {
    const seconds = (performance.now() - from) / 1000;
    outcomes.push({ node, name: manifest.name, check: name, seen, problem, seconds });
    const mark = seen === null ? '✗' : '✓';
    say(
      `${mark} ${node} ${manifest.name}: ${name} (${seconds.toFixed(1)} s)${seen === null ? `\n${problem}` : ''}`,
    );
  };
  try {
    done(await work(), '');
  } catch (error) {
    done(null, error instanceof Error ? error.message : String(error));
  }
}
