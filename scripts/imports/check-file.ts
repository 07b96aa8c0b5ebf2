import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { clockUsesOf } from './clock-words.ts';
import { type ModuleReference, modulesOf } from './specifiers.ts';
import { IMPORT_TABLE, type ImportRule } from './table.ts';
import { testProblemsOf } from './test-words.ts';
import { type Token, tokensOf } from './tokens.ts';

export interface SourceFile {
  /** From the root of the workspace, with slashes: `packages/core/src/expiry.ts`. */
  readonly path: string;
  readonly source: string;
}

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

type Found = Omit<Violation, 'path'>;

const CLOCK_TEST = 'packages/core/src/clock.test.ts';
const MAX_LINES = 400;
const MAX_TEST_LINES = 800;

/** Everything in one file that breaks the import table or a rule about clocks, tests and sizes. */
export function checkFile({ path, source }: SourceFile): Violation[] {
  const at = (found: Found): Violation => ({ path, ...found });
  let tokens: Token[];
  try {
    tokens = tokensOf(source);
  } catch (error) {
    return [at({ line: 1, message: `cannot be read: ${error instanceof Error ? error.message : error}` })];
  }
  const isTest = /\.(test|fixture)\.ts$/.test(path) || /^[^/]+\/[^/]+\/test\//.test(path);
  const found = path.startsWith('scripts/') ? [] : checkPackageFile(path, tokens, source, isTest);
  const ownTest = path.startsWith('packages/emulator/') || path.startsWith('scripts/');
  return [
    ...found,
    ...checkSize(source, (isTest ? MAX_TEST_LINES : MAX_LINES) + 1),
    // The tests of the clock look at the timers themselves.
    ...(isTest && path !== CLOCK_TEST ? checkTest(tokens) : []),
    ...(ownTest ? [] : checkMarker(tokens)),
  ].map(at);
}

function checkPackageFile(path: string, tokens: Token[], source: string, isTest: boolean): Found[] {
  const folder = path.split('/').slice(0, 2).join('/');
  const rule = IMPORT_TABLE[folder];
  if (rule === undefined) {
    return [{ line: 1, message: `${folder} is not in the import table (scripts/imports/table.ts)` }];
  }
  return [
    ...modulesOf(tokens).flatMap((reference) => checkModule(reference, { path, folder, rule, isTest })),
    ...checkClocks(path, tokens, rule, isTest),
    ...(rule.maxLines !== undefined && !isTest ? checkSize(source, rule.maxLines) : []),
  ];
}

interface Place {
  readonly path: string;
  readonly folder: string;
  readonly rule: ImportRule;
  readonly isTest: boolean;
}

function checkModule({ specifier, line }: ModuleReference, { path, folder, rule, isTest }: Place): Found[] {
  if (specifier === null) return [{ line, message: 'the name of an imported module must be a literal' }];
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(path), specifier);
    if (!target.startsWith(`${folder}/`)) {
      return [{ line, message: `'${specifier}' leaves the package: import the other package by its name` }];
    }
    // `.js` type-checks and then is not there when Node runs the source.
    const runs = /\.(ts|json)$/.test(specifier) || target.startsWith(`${folder}/dist/`);
    return runs ? [] : [{ line, message: `'${specifier}' must end in .ts` }];
  }
  if (isBuiltin(specifier)) {
    const name = specifier.replace(/^node:/, '');
    if (!specifier.startsWith('node:')) return [{ line, message: `write 'node:${name}'` }];
    // A test may serve real HTTP; time and timers stay refused by the rule on clocks.
    const refused = rule.withoutNode?.includes(name) && !(isTest && !/^(timers|perf_hooks)/.test(name));
    return refused ? [{ line, message: `${folder} may not import '${specifier}'` }] : [];
  }
  const name = packageNameOf(specifier);
  const allowed = isTest ? [...rule.production, ...rule.tests] : rule.production;
  if (!allowed.includes(name)) {
    const where = isTest ? 'a test of' : '';
    return [{ line, message: `${where} ${folder} may not import '${specifier}'`.trim() }];
  }
  if (folder === 'packages/testkit' && name === '@hq-oauth/emulator' && !path.includes('/adapters/')) {
    return [{ line, message: 'only the adapter suites of packages/testkit may import the emulator' }];
  }
  return [];
}

/** `@scope/name/sub/path` → `@scope/name` */
function packageNameOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function checkClocks(path: string, tokens: Token[], rule: ImportRule, isTest: boolean): Found[] {
  switch (rule.clocks) {
    case undefined:
      return [];
    case 'clock.ts only':
      if (path === 'packages/core/src/clock.ts' || path === CLOCK_TEST) return [];
      return clockUsesOf(tokens)
        .filter(({ what }) => !(what === 'performance.now' && path.endsWith('.test.ts')))
        .map(({ what, line }) => ({
          line,
          message: `${what}: core takes time and randomness from clock.ts`,
        }));
    case 'none':
      if (isTest) return [];
      return [
        ...clockUsesOf(tokens).map(({ what, line }) => ({
          line,
          message: `${what}: an adapter has no clock`,
        })),
        ...modulesOf(tokens)
          .filter(({ specifier }) => /^node:(timers|perf_hooks)/.test(specifier ?? ''))
          .map(({ specifier, line }) => ({ line, message: `'${specifier}': an adapter has no clock` })),
      ];
    default:
      return rule.clocks satisfies never;
  }
}

function checkTest(tokens: Token[]): Found[] {
  return [
    ...testProblemsOf(tokens).map(({ what, line }) => ({ line, message: `${what} in a test` })),
    ...modulesOf(tokens)
      .filter(({ specifier }) => specifier?.startsWith('node:timers'))
      .map(({ specifier, line }) => ({ line, message: `a sleep ('${specifier}') in a test` })),
  ];
}

/** The secret scan finds what an emulator issued only if that begins with the marker of the run. */
function checkMarker(tokens: Token[]): Found[] {
  if (tokens.some(({ text }) => text === 'tokenMarker')) return [];
  return tokens
    .filter(({ text }, index) => text === 'createEmulator' && tokens[index + 1]?.text === '(')
    .map(({ line }) => ({
      line,
      message:
        'createEmulator without `tokenMarker` (from HQ_EMULATOR_TOKEN_MARKER): the secret scan would miss its tokens',
    }));
}

function checkSize(source: string, below: number): Found[] {
  const lines = source.replace(/\n$/, '').split('\n').length;
  return lines < below ? [] : [{ line: lines, message: `${lines} lines, must be below ${below}` }];
}
