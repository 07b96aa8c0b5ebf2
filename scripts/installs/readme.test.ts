import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { entryPointsOf, publishedPackages } from './published.ts';
import { linesOfUserCode, quickStartOf } from './readme.ts';

const packages = publishedPackages(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));

describe('a README', () => {
  it.each(packages.map((each) => [each.manifest.name, each] as const))(
    'of %s names each entry point of the package',
    (_name, { manifest, readme }) => {
      const entries = entryPointsOf(manifest);
      expect(entries.length).toBeGreaterThan(0);
      const isNamed = (entry: string): boolean => new RegExp(`[\`']${entry}[\`']`).test(readme);
      expect(entries.filter((entry) => !isNamed(entry))).toEqual([]);
    },
  );
});

describe('the quick start of a README', () => {
  it.each(packages.map((each) => [each.manifest.name, each] as const))(
    'of %s begins with an installation that names each package of its program',
    (name, { readme }) => {
      const [install, ...rest] = quickStartOf(readme);
      const script = install?.kind === 'commands' ? install.script : '';
      expect(script).toMatch(new RegExp(`^npm install (--save-dev )?${name}`));
      const code = rest.flatMap((step) => (step.kind === 'file' ? [step.code] : [])).join('\n');
      const named = [...code.matchAll(/from '([^'.]+)'/g)]
        .map(([, module = '']) => module)
        .filter((module) => !module.startsWith('node:'))
        .map((module) => /^(@[^/]+\/)?[^/]+/.exec(module)?.[0] ?? module);
      expect(named.length).toBeGreaterThan(0);
      expect(named.filter((module) => !script.split(/\s+/).includes(module))).toEqual([]);
    },
  );

  it.each(['core', 'express', 'koa', 'nestjs'])('of %s has at most ten lines of user code', (folder) => {
    const readme = packages.find((each) => each.folder === folder)?.readme ?? '';
    const code = quickStartOf(readme).flatMap((step) => (step.kind === 'file' ? [step.code] : []));
    expect(code).toHaveLength(1);
    const lines = linesOfUserCode(code.join(''));
    expect(lines).toBeGreaterThan(4);
    expect(lines).toBeLessThanOrEqual(10);
  });

  it('is read in its order, with the names of its files', () => {
    const readme =
      '# x\n\n```sh\nnpm install x\n```\n\n## Quick start\n\n```sh\na\n```\n\n`b.mts`:\n\n```ts\nb\n```\n\n```ts\n// c.ts\n```\n\n## More\n\n```ts\nd\n```\n';
    expect(quickStartOf(readme)).toEqual([
      { kind: 'commands', script: 'a\n' },
      { kind: 'file', name: 'b.mts', code: 'b\n' },
      { kind: 'file', name: 'c.ts', code: '// c.ts\n' },
    ]);
  });

  it('counts the lines that somebody writes', () => {
    const code =
      "import {\n  a,\n} from 'a';\nimport 'b';\n\n// c\nconst d = 'https://e'; // f\nd(() => {\n  g();\n});\n";
    expect(linesOfUserCode(code)).toBe(3);
  });
});
