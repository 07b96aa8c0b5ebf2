import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { TestsJsonReporter } from './scripts/vitest/tests-json-reporter.ts';

const root = fileURLToPath(new URL('.', import.meta.url));

/** Every workspace package, and the scripts, each a project of its own name. */
const folders = [
  ...['packages', 'apps'].flatMap((parent) =>
    existsSync(root + parent) ? readdirSync(root + parent).map((name) => `${parent}/${name}`) : [],
  ),
  'scripts',
].sort();

/** Projects whose tests need a server, which they start unless the run has: `vitest run packages/store-redis`. */
const servers: Readonly<Record<string, string>> = {
  'packages/store-redis': `${root}scripts/servers/redis-setup.ts`,
  'packages/store-postgres': `${root}scripts/servers/postgres-setup.ts`,
  'apps/nestjs-example': `${root}scripts/servers/postgres-setup.ts`,
};

export default defineConfig({
  test: {
    // As many as CI has cores: the suites with real processes keep more than one busy each by themselves.
    maxWorkers: 2,
    // Named, because vitest picks a reporter that hides passing tests when it takes its reader for a program.
    reporters: ['default', new TestsJsonReporter()],
    projects: folders.map((folder) => ({
      test: {
        name: folder.slice(folder.indexOf('/') + 1),
        // All of them have real sockets or processes in them, and CI has two cores for it; the run names who needed it.
        retry: process.env.CI ? 1 : 0,
        include:
          folder === 'scripts'
            ? ['scripts/**/*.test.ts']
            : [`${folder}/src/**/*.test.ts`, `${folder}/test/**/*.test.ts`],
        exclude: ['**/dist/**', '**/node_modules/**'],
        setupFiles: [`${root}scripts/vitest/record-errors.ts`],
        globalSetup: servers[folder] ?? [],
        testTimeout: 30_000,
        hookTimeout: 30_000,
      },
    })),
  },
});
