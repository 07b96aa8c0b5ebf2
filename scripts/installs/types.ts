import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kit, type NodeVersion, NPM_INSTALL } from './kit.ts';
import { Project } from './project.ts';
import type { PublishedPackage } from './published.ts';

const STRICT = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  experimentalDecorators: true,
  target: 'es2023',
  types: ['node'],
  module: 'nodenext',
  // Types of the package are checked too, and not only where the program touches them.
  skipLibCheck: false,
};

/**
 * Compiles the program of a user against the packed types, once as ESM and once as CommonJS. It goes into the folder of
 * {@link installAlone}, with the versions of frameworks and drivers that the package is tested with. The compiler is that of this
 * workspace: it says the same from any folder.
 */
export async function compileUserProgram(
  kit: Kit,
  project: Project,
  { folder, manifest }: PublishedPackage,
): Promise<void> {
  const program = readFileSync(join(kit.root, 'scripts/installs/programs', `${folder}.ts`), 'utf8');
  if (/\bas (?!const\b)\w|<any>|: any\b|@ts-|!\./.test(program)) {
    throw new Error(`scripts/installs/programs/${folder}.ts: a cast, which is what it must do without`);
  }
  const others = Object.entries({ ...manifest.devDependencies, '@types/node': kit.nodeTypes })
    .filter(([name]) => !name.startsWith('@hq-oauth/'))
    .map(([name, version]) => `'${name}@${version}'`);
  await project.run(`${NPM_INSTALL} --save-dev ${others.join(' ')}`);
  project.write('program.mts', program);
  project.write('program.cts', program);
  project.write(
    'tsconfig.json',
    JSON.stringify({ compilerOptions: STRICT, files: ['program.mts', 'program.cts'] }),
  );
  await project.run(`'${process.execPath}' '${join(kit.root, 'node_modules/typescript/bin/tsc')}' -p .`);
}

/** Runs both in the folder where they were compiled, on a Node of choice. */
export async function runUserProgram(folder: string, { bin }: NodeVersion): Promise<void> {
  const project = new Project(folder, bin);
  await project.run('node program.mjs');
  await project.run('node program.cjs');
}
