import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Project } from './project.ts';
import type { PublishedPackage } from './published.ts';
import type { Tarballs } from './tarballs.ts';

/** What every check of a run has at hand. */
export interface Kit {
  readonly root: string;
  /** Where the folders of a run are. */
  readonly folder: string;
  readonly packages: readonly PublishedPackage[];
  readonly tarballs: Tarballs;
  /** The version of `@types/node` that this workspace has. */
  readonly nodeTypes: string;
  /** `REDIS_URL`, `DATABASE_URL`. */
  readonly servers: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

export interface NodeVersion {
  readonly major: string;
  readonly version: string;
  /** The folder of its program. */
  readonly bin: string;
}

export const NPM_INSTALL = 'npm install --no-audit --no-fund --prefer-offline --loglevel=error';

/** Brings a Node by the registry package `node`, as this workspace brings its own. */
export async function provideNode(major: string, folder: string): Promise<NodeVersion> {
  mkdirSync(folder, { recursive: true });
  const project = new Project(join(folder, `node-${major}`), '');
  project.write('package.json', '{ "private": true }\n');
  await project.run(`${NPM_INSTALL} node@${major}`);
  const bin = join(project.folder, 'node_modules/node/bin');
  if (!existsSync(join(bin, 'node'))) {
    throw new Error(
      `npm install node@${major} left no program at ${bin}: does npm run the scripts of that package?`,
    );
  }
  const version = (await new Project(project.folder, bin).run('node --version')).trim();
  return { major, version, bin };
}

export function tarballOf({ tarballs }: Kit, name: string): string {
  const tarball = tarballs.get(name);
  if (!tarball) throw new Error(`${name} is not a package of this workspace`);
  return tarball.path;
}

/** The packages of this workspace that one needs to be installed: itself and, step by step, its dependencies and peers. */
export function neededBy({ tarballs }: Kit, name: string): string[] {
  const needed = new Set<string>();
  const visit = (each: string): void => {
    const tarball = tarballs.get(each);
    if (!tarball || needed.has(each)) return;
    needed.add(each);
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = tarball.manifest;
    for (const other of Object.keys(dependencies)) visit(other);
    for (const other of Object.keys(peerDependencies)) {
      if (peerDependenciesMeta[other]?.optional !== true) visit(other);
    }
  };
  visit(name);
  return [...needed];
}
