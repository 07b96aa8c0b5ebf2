import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kit, NPM_INSTALL } from './kit.ts';
import type { Project } from './project.ts';
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
 * Compiles the program of a user against the packed types, once as ESM and once as CommonJS, and runs both. It goes into the
 * folder of {@link installAlone}, with the versions of frameworks and drivers that the package is tested with.
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
  const others = Object.entries({ ...manifest.devDependencies, ...kit.tools })
    .filter(([name]) => !name.startsWith('@hq-oauth/'))
    .map(([name, version]) => `'${name}@${version}'`);
  await project.run(`${NPM_INSTALL} --save-dev ${others.join(' ')}`);
  project.write('program.mts', program);
  project.write('program.cts', program);
  project.write(
    'tsconfig.json',
    JSON.stringify({ compilerOptions: STRICT, files: ['program.mts', 'program.cts'] }),
  );
  await project.run('npx --no-install tsc -p .');
  await project.run('node program.mjs');
  await project.run('node program.cjs');
}
