import { existsSync } from 'node:fs';
import { join } from 'node:path';
import semver from 'semver';
import { type Manifest, readManifest } from './published.ts';

/** The lowest version that a range takes. */
export function lowestOf(range: string): string {
  const lowest = semver.minVersion(range);
  if (lowest === null) throw new Error(`${range} takes no version`);
  return lowest.version;
}

/** The lowest version of each peer that is not of this workspace: `{ express: '5.0.0' }`. */
export function lowestPeersOf({ peerDependencies = {} }: Manifest): Record<string, string> {
  return Object.fromEntries(
    Object.entries(peerDependencies)
      .filter(([name]) => !name.startsWith('@hq-oauth/'))
      .map(([name, range]) => [name, lowestOf(range)]),
  );
}

/** The peers that a folder holds, with their versions; throws where one is not the lowest. Optional ones may be absent. */
export function installedPeers(folder: string, { peerDependencies = {} }: Manifest): string {
  return Object.entries(peerDependencies)
    .map(([name, range]) => ({ name, range, file: join(folder, 'node_modules', name, 'package.json') }))
    .filter(({ file }) => existsSync(file))
    .map(({ name, range, file }) => {
      const { version } = readManifest(file);
      const wanted = range.startsWith('workspace:') ? version : lowestOf(range);
      if (version !== wanted) throw new Error(`${name} ${version} was tried, and not ${wanted}`);
      return `${name.replace('@hq-oauth/', '')} ${version}`;
    })
    .join(', ');
}

export interface LowestCore {
  /** What npm is told to install: the path of a tarball, or a version of the registry. */
  readonly spec: string;
  readonly version: string;
}

/**
 * Where the lowest core comes from that a package says it works with. Throws where there is no such core: the package then
 * names one that nobody can install.
 */
export async function lowestCoreOf(
  { name, peerDependencies = {} }: Manifest,
  core: { readonly name: string; readonly version: string; readonly tarball: string },
  isPublished: (spec: string) => Promise<boolean>,
): Promise<LowestCore | null> {
  const range = peerDependencies[core.name];
  if (range === undefined) return null;
  const version = lowestOf(range);
  if (version === core.version) return { spec: core.tarball, version };
  const spec = `${core.name}@${version}`;
  if (await isPublished(spec)) return { spec, version };
  throw new Error(
    `${name} says that it works with ${core.name} ${range}. The lowest of these, ${version}, is neither in the registry nor in ` +
      `this workspace (${core.version}), so nobody can have tried it. Raise the range, or publish that version first.`,
  );
}
