import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** GitHub's name for a heading: lower case, without punctuation, dashes for spaces. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] ?? ''));
}

describe('docs/errors.md', () => {
  const sources = readdirSync(join(root, 'packages/core/src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /(?<!\.test|\.fixture)\.ts$/.test(name))
    .map((name) => read(`packages/core/src/${name}`));
  const codes = sources
    .flatMap((source) => [...source.matchAll(/readonly code = '(\w+)'/g)])
    .map((match) => match[1]);

  it('has a heading for each error code, which `docsUrl` links to, and for no other', () => {
    const headings = [...read('docs/errors.md').matchAll(/^## (.+)$/gm)].map((match) => match[1]);
    expect(codes.length).toBeGreaterThan(10);
    expect(headings.toSorted()).toEqual(codes.toSorted());
  });

  it('explains every word for a token response that cannot be used', () => {
    const union = /export type TokenResponseProblem =([^;]+);/.exec(
      read('packages/core/src/token-outcome.ts'),
    );
    const words = [...(union?.[1] ?? '').matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');
    expect(words.length).toBeGreaterThan(10);
    expect(words.filter((word) => !read('docs/errors.md').includes(`\`${word}\``))).toEqual([]);
  });

  it('explains every reason that is written out in the source of core', () => {
    const reasons = sources
      .flatMap((source) => [...source.matchAll(/reason: '(\w+)'/g)])
      .map((match) => match[1] ?? '');
    // Not of errors: `ConnectionStatus.reason` of a connection in doubt, or disconnected.
    const ofStatus = ['tombstone', 'outcome_unknown', 'quarantine', 'record_unreadable'];
    const missing = reasons.filter((reason) => !read('docs/errors.md').includes(`\`${reason}\``));
    expect(missing.filter((reason) => !ofStatus.includes(reason))).toEqual([]);
  });
});

describe('the READMEs', () => {
  it('of the adapters name each option of the web handlers', () => {
    const [, members = ''] =
      /interface WebOptions<Req> \{(.*?)^\}/ms.exec(read('packages/core/src/web/options.ts')) ?? [];
    const options = [...members.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((match) => match[1] ?? '');
    expect(options.length).toBeGreaterThan(8);
    for (const adapter of ['express', 'koa']) {
      const readme = read(`packages/${adapter}/README.md`);
      expect(options.filter((name) => !new RegExp(`^\\| \`${name}\\b`, 'm').test(readme))).toEqual([]);
    }
  });

  it('name each variable that core reads', () => {
    const source = read('packages/core/src/resolve-options.ts');
    const names = new Set(source.match(/\bHIGHQ_[A-Z_]+\b/g));
    // The emulator's, for tests on loopback only.
    names.delete('HIGHQ_TEST_CLOCK');
    expect(names.size).toBeGreaterThan(6);
    expect([...names].filter((name) => !read('README.md').includes(`| \`${name}\``))).toEqual([]);
    expect(read('packages/emulator/README.md')).toContain('`HIGHQ_TEST_CLOCK`');
  });
});

describe('links', () => {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`),
    ...readdirSync(join(root, 'packages'))
      .map((name) => `packages/${name}/README.md`)
      .filter((path) => existsSync(join(root, path))),
  ];

  it.each(documents)('of %s lead to files and headings that are there', (document) => {
    const text = read(document).replace(/^```[\s\S]*?^```/gm, '');
    const dead = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? '')
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? document : join(dirname(document), path);
        if (!existsSync(join(root, file))) return true;
        return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
      });
    expect(dead).toEqual([]);
  });
});
