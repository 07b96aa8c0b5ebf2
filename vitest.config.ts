import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: ['packages/*', 'apps/*'].map((folder) => ({
      test: {
        name: folder.split('/')[0],
        include: [`${folder}/src/**/*.test.ts`, `${folder}/test/**/*.test.ts`],
        exclude: ['**/dist/**', '**/node_modules/**'],
        testTimeout: 30_000,
        hookTimeout: 30_000,
      },
    })),
  },
});
