/**
 * Packs every package and uses each as its users do: alone, installed by npm into an empty folder, on every Node that it
 * supports. Prints a table, and ends with 1 if anything is missing. Needs a build.
 *
 * Packages go through it side by side. What does not depend on the Node is made for the first one, and used on the others:
 * the compiled programs, and what npm installs for the lowest peers.
 *
 *     pnpm installs [--node 22,24,26] [--package koa,express] [--keep]
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
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
import { compileUserProgram, runUserProgram } from './installs/types.ts';
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
/** In the order in which they were tried. */
const nodes: string[] = [];
/** Folders that the first Node has left for the others, by package. */
const compiledIn = new Map<string, string>();
const lowestIn = new Map<string, string>();
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
    nodes.push(node.version);
    say(`· Node ${node.version}`);
    await inParallel(chosen, (each) => installed(kit, node, each));
  }
} finally {
  await servers.stop();
  if (values.keep) say(`· kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
const placeOf = ({ node, name }: Outcome): [number, number] => [
  ['any', ...nodes].indexOf(node),
  packages.findIndex(({ manifest }) => manifest.name === name),
];
outcomes.sort((a, b) => placeOf(a)[0] - placeOf(b)[0] || placeOf(a)[1] - placeOf(b)[1]);
const gaps = outcomes.filter(({ seen }) => seen === null);
say(`\n${tableOf(outcomes)}\n`);
const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
say(`${outcomes.length - gaps.length} held, ${gaps.length} failed, in ${minutes} minutes`);
process.exitCode = gaps.length > 0 || outcomes.length === 0 ? 1 : 0;

function makeKit(): Kit {
  const { devDependencies = {} } = readManifest(join(root, 'package.json'));
  const { '@types/node': nodeTypes } = devDependencies;
  if (!nodeTypes) throw new Error('package.json does not name @types/node');
  const { HQ_REDIS_URL, HQ_POSTGRES_URL } = servers.variables;
  if (!HQ_REDIS_URL || !HQ_POSTGRES_URL) {
    throw new Error('redis-server or PostgreSQL is missing: `pnpm test` says how to get them');
  }
  return {
    root,
    folder,
    packages,
    tarballs: packAll(root, packages, join(folder, 'packed')),
    nodeTypes,
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
    let place = compiledIn.get(each.folder);
    if (place === undefined) {
      await compileUserProgram(kit, project, each);
      place = project.folder;
      compiledIn.set(each.folder, place);
    }
    await runUserProgram(place, node);
    return 'ESM, CommonJS';
  });
  await check(node.version, each, 'quick start', () =>
    followQuickStart(kit, node, each, newest(kit), 'readme'),
  );
  if (Object.keys(each.manifest.peerDependencies ?? {}).length === 0) return;
  await check(node.version, each, 'lowest peers', async () => {
    const versions = lowest(kit, each, await lowestCore(kit, node, each));
    await followQuickStart(kit, node, each, versions, 'lowest', lowestIn.get(each.folder) ?? null);
    const place = join(folder, `node-${node.major}`, `${each.folder}-lowest`);
    if (!lowestIn.has(each.folder)) lowestIn.set(each.folder, place);
    return installedPeers(place, each.manifest);
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

/** npm leaves a core idle for half of its time. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = [...items];
  const take = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, take));
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
