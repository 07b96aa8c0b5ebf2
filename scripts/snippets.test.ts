import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
let folder: string;
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The TypeScript samples of a page. */
function samplesOf(page: string): string[] {
  return [...readFileSync(join(root, page), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(
    ([, code = '']) => code,
  );
}

/** Type-checks code under the strictest settings, as a program beside the package would be; gives the compiler's words. */
function problemsIn(beside: string, samples: readonly string[]): string {
  folder = join(root, beside, '.snippets');
  mkdirSync(folder, { recursive: true });
  for (const [index, code] of samples.entries()) {
    writeFileSync(join(folder, `sample-${index}.ts`), `${code}\nexport {};\n`);
  }
  const config = {
    extends: '../../../tsconfig.base.json',
    // As programs on Nest have it.
    compilerOptions: { noEmit: true, noUnusedLocals: false, experimentalDecorators: true },
    include: ['*.ts'],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder], {
      encoding: 'utf8',
    });
    return '';
  } catch (error) {
    return (error as { stdout?: string }).stdout ?? String(error);
  }
}

describe('the samples of the pages', () => {
  it.each([
    // Where all the packages that a sample names are installed.
    ['README.md', 'apps/express-example'],
    ['packages/core/README.md', 'apps/express-example'],
    ['packages/express/README.md', 'apps/express-example'],
    ['packages/nestjs/README.md', 'packages/nestjs'],
    ['packages/koa/README.md', 'packages/koa'],
    ['packages/store-sqlite/README.md', 'apps/express-example'],
    ['packages/emulator/README.md', 'apps/express-example'],
    ['packages/store-redis/README.md', 'packages/store-redis'],
    ['packages/store-postgres/README.md', 'packages/store-postgres'],
  ])(
    'of %s compile under strict',
    (page, beside) => {
      const samples = samplesOf(page);
      expect(samples.length).toBeGreaterThan(0);
      expect(problemsIn(beside, samples)).toBe('');
    },
    60_000,
  );

  it('of packages/testkit/README.md with an adapter compiles under strict', () => {
    // The others name a store of the reader's.
    const samples = samplesOf('packages/testkit/README.md').filter((code) => code.includes('adapterSuite('));
    expect(samples).toHaveLength(1);
    expect(problemsIn('packages/express', samples)).toBe('');
  }, 60_000);

  it('would be found not to compile', () => {
    expect(problemsIn('packages/core', ['const five: number = "five";'])).toContain('TS2322');
  }, 60_000);
});
