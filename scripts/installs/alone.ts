import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Kit, type NodeVersion, NPM_INSTALL, neededBy, tarballOf } from './kit.ts';
import { Project, StepFailed } from './project.ts';
import { entryPointsOf, type PublishedPackage } from './published.ts';

/** Imports and requires each entry point; `require` must give the very same things. Prints how many names there are. */
const PROBE = `
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
let names = 0;
for (const entry of process.argv.slice(2)) {
  const imported = await import(entry);
  const required = require(entry);
  const keys = Object.keys(imported).sort();
  if (keys.length === 0) throw new Error(entry + ' exports nothing');
  if (keys.join() !== Object.keys(required).sort().join()) throw new Error(entry + ': require gives other names');
  for (const key of keys) {
    if (imported[key] !== required[key]) throw new Error(entry + ': require gives another ' + key);
  }
  names += keys.length;
}
console.log(names + ' names');
`;

/** The same where \`require\` comes first, in a program of CommonJS. */
const REQUIRE_FIRST = `
for (const entry of process.argv.slice(2)) {
  if (Object.keys(require(entry)).length === 0) throw new Error(entry + ' exports nothing');
}
`;

/**
 * Installs one package and what it cannot do without, and nothing else, into an empty folder. Optional peers stay away, and
 * there is one core.
 */
export async function installAlone(
  kit: Kit,
  { major, bin }: NodeVersion,
  { folder, manifest }: PublishedPackage,
): Promise<{ project: Project; names: string }> {
  const project = new Project(join(kit.folder, `node-${major}`, folder), bin);
  const tarballs = neededBy(kit, manifest.name).map((name) => tarballOf(kit, name));
  await project.run(`${NPM_INSTALL} --engine-strict --strict-peer-deps ${tarballs.join(' ')}`);
  for (const [peer, { optional }] of Object.entries(manifest.peerDependenciesMeta ?? {})) {
    if (optional && existsSync(join(project.folder, 'node_modules', peer))) {
      throw new StepFailed(`${peer} is an optional peer of ${manifest.name}, and was installed all the same`);
    }
  }
  const cores = await project.run("find node_modules -path '*@hq-oauth/core/package.json' | wc -l");
  if (Number(cores) > 1) throw new StepFailed(`${cores.trim()} cores in the tree of ${manifest.name}`);
  project.write('probe.mjs', PROBE);
  project.write('probe.cjs', REQUIRE_FIRST);
  const entries = entryPointsOf(manifest).join(' ');
  await project.run(`node probe.cjs ${entries}`);
  const printed = await project.run(`node probe.mjs ${entries}`);
  return { project, names: /\d+ names/.exec(printed)?.[0] ?? '' };
}
