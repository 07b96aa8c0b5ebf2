import { describe, expect, it } from 'vitest';
import { checkFile } from './check-file.ts';

/** The messages about `source`, without the path. */
function messages(path: string, source: string): string[] {
  return checkFile({ path, source }).map(({ line, message }) => `${line}: ${message}`);
}

const CORE = 'packages/core/src/machine.ts';
const CORE_TEST = 'packages/core/src/machine.test.ts';
const ADAPTER = 'packages/express/src/middleware.ts';

describe('import table', () => {
  it.each([
    ['a framework', "import express from 'express';", 'express'],
    ['a driver', "export { DatabaseSync } from 'node:sqlite';", 'node:sqlite'],
    ['node:http', "import type { IncomingMessage } from 'node:http';", 'node:http'],
    ['a subpath of a package', "import x from 'express/lib/router';", 'express/lib/router'],
    ['another package of the workspace', "export * from '@hq-oauth/store-sqlite';", '@hq-oauth/store-sqlite'],
    ['the emulator', "import '@hq-oauth/emulator';", '@hq-oauth/emulator'],
    ['by import()', "const x = await import('koa');", 'koa'],
    ['by a type', "type X = import('pg').Pool;", 'pg'],
    ['by require', "const x = require('redis');", 'redis'],
    ['by a template', 'const x = await import(`koa`);', 'koa'],
    ['by resolve', "import.meta.resolve('koa')", 'koa'],
    ['by getBuiltinModule', "process.getBuiltinModule('node:http')", 'node:http'],
    ['over several lines', "import {\n  type a,\n  b as c,\n} from 'pg';", 'pg'],
  ])('refuses core %s', (_what, source, specifier) => {
    expect(messages(CORE, source)).toEqual([`1: packages/core may not import '${specifier}'`]);
  });

  it('allows core its own dependencies, Node and its own files', () => {
    const source = [
      "import ky, { type KyInstance } from 'ky';",
      "import { XMLParser } from 'fast-xml-parser';",
      "import * as v from 'valibot';",
      "import { createHash } from 'node:crypto';",
      "import { Agent } from 'undici';",
      "export * from './expiry.ts';",
      "export { a } from './testing/index.ts';",
      'export { b };',
      'export type C = { from: string };',
      'const url = import.meta.url;',
    ].join('\n');
    expect(messages(CORE, source)).toEqual([]);
  });

  it('refuses a module whose name is computed, Node without its prefix, a path out of the package, and .js', () => {
    expect(messages(CORE, 'await import(name);')).toEqual([
      '1: the name of an imported module must be a literal',
    ]);
    expect(messages(CORE, `await import(\`\${name}\`);`)).toEqual([
      '1: the name of an imported module must be a literal',
    ]);
    expect(messages(CORE, "import 'fs';")).toEqual(["1: write 'node:fs'"]);
    expect(messages(CORE, "import '../../express/src/index.ts';")).toEqual([
      "1: '../../express/src/index.ts' leaves the package: import the other package by its name",
    ]);
    expect(messages(CORE, "import './expiry.js';")).toEqual(["1: './expiry.js' must end in .ts"]);
  });

  it('allows tests more than production: the emulator in core, where it is refused to the source', () => {
    const source = "import { createEmulator } from '@hq-oauth/emulator';\nimport { it } from 'vitest';";
    expect(messages(CORE_TEST, source)).toEqual([]);
    expect(messages('packages/core/src/server.fixture.ts', source)).toEqual([]);
    expect(messages(CORE, source)).toHaveLength(2);
    expect(messages(CORE_TEST, "import 'node:http';")).toEqual([]);
    expect(messages(CORE_TEST, "import '@hq-oauth/store-sqlite';")).toHaveLength(1);
  });

  it('refuses the emulator anything of the workspace, its tests too', () => {
    const source = "import { parseTokenResponse } from '@hq-oauth/core';";
    expect(messages('packages/emulator/src/state.ts', source)).toHaveLength(1);
    expect(messages('packages/emulator/src/state.test.ts', source)).toHaveLength(1);
  });

  it('keeps adapters, stores, testkit and apps to their rows', () => {
    expect(messages(ADAPTER, "import '@hq-oauth/core/web';\nimport 'express';")).toEqual([]);
    expect(messages(ADAPTER, "import '@hq-oauth/store-sqlite';")).toHaveLength(1);
    expect(messages(ADAPTER, "import '@hq-oauth/core-extra';")).toHaveLength(1);
    expect(messages('packages/store-sqlite/src/a.ts', "import '@hq-oauth/express';")).toHaveLength(1);
    expect(messages('packages/testkit/src/stores/a.ts', "import '@hq-oauth/emulator';")).toHaveLength(1);
    expect(messages('packages/testkit/src/adapters/a.ts', "import '@hq-oauth/emulator';")).toEqual([]);
    expect(messages('apps/express-example/src/app.ts', "import '@hq-oauth/emulator';")).toHaveLength(1);
    expect(messages('apps/express-example/src/app.test.ts', "import '@hq-oauth/emulator';")).toEqual([]);
  });

  it('refuses a package that has no row', () => {
    expect(messages('packages/extra/src/a.ts', '')).toEqual([
      '1: packages/extra is not in the import table (scripts/imports/table.ts)',
    ]);
  });
});

describe('clocks, timers and randomness', () => {
  const uses = [
    'Date.now()',
    'Date?.now()',
    "Date['now']()",
    "globalThis.Date?.['now']()",
    'const { now } = Date;',
    'new Date()',
    'new Date',
    'Date()',
    'performance.now()',
    'setTimeout(fn, 1)',
    'globalThis.setInterval(fn, 1)',
    'const later = setImmediate;',
    'Math.random()',
    'AbortSignal.timeout(5)',
    "import { randomUUID } from 'node:crypto';",
    'crypto.randomBytes(16)',
    'crypto.getRandomValues(bytes)',
    'process.hrtime.bigint()',
    "import 'node:timers/promises';",
    `\`\${Date.now()}\``,
    '/* not here */ Date.now() // nor here',
  ];

  it.each(uses)('refuses core %s outside clock.ts', (source) => {
    expect(messages(CORE, source)).toHaveLength(1);
  });

  it('refuses them to the tests of core as well, but for measuring', () => {
    expect(messages(CORE_TEST, 'Date.now();')).toHaveLength(1);
    expect(messages(CORE_TEST, 'performance.now();')).toEqual([]);
    expect(messages('packages/core/src/a.fixture.ts', 'performance.now();')).toHaveLength(1);
  });

  it.each(uses.filter((source) => !source.startsWith('import')))('refuses an adapter %s', (source) => {
    expect(messages(ADAPTER, source)).toHaveLength(1);
  });

  it('refuses an adapter node:timers', () => {
    expect(
      messages(ADAPTER, "import { setTimeout as sleep } from 'node:timers/promises';").length,
    ).toBeGreaterThan(0);
  });

  it('lets clock.ts use them, and everyone write about them', () => {
    expect(messages('packages/core/src/clock.ts', 'Date.now(); setTimeout(fn, 1); Math.random();')).toEqual(
      [],
    );
    const harmless = [
      '// Date.now() and setTimeout',
      '/* Math.random() */',
      "const text = 'Date.now()';",
      `const template = \`setTimeout \${text} Date.now()\`;`,
      'const pattern = /setTimeout\\/["\'`]/;',
      'new Date(at).toISOString();',
      'clock.setTimer(fn, 5);',
      'Math.max(1, 2);',
      'const date: Date = other;',
    ].join('\n');
    expect(messages(CORE, harmless)).toEqual([]);
  });
});

describe('tests that do not run or wait', () => {
  it.each([
    'it.only("x", fn);',
    'describe.skip("x", fn);',
    'test.concurrent.todo("x");',
    'it("x", { skip: true }, fn);',
    'context.skip();',
    'await new Promise((resolve) => setTimeout(resolve, 5));',
    'await page.waitForTimeout(5);',
    "import { setTimeout as sleep } from 'node:timers/promises';",
  ])('refuses %s', (source) => {
    expect(messages('packages/emulator/src/state.test.ts', source).length).toBeGreaterThan(0);
    expect(messages('scripts/a.test.ts', source).length).toBeGreaterThan(0);
  });

  it('allows skipIf, and a source its timers', () => {
    expect(messages('packages/emulator/src/state.test.ts', 'it.skipIf(noChromium)("x", fn);')).toEqual([]);
    expect(messages('packages/emulator/src/clock.ts', 'setTimeout(fn, 5);')).toEqual([]);
  });
});

it('F96 refuses an emulator whose tokens the secret scan could not find', () => {
  const path = 'packages/express/src/middleware.test.ts';
  expect(messages(path, 'await createEmulator({ clock });')).toEqual([
    '1: createEmulator without `tokenMarker` (from HQ_EMULATOR_TOKEN_MARKER): the secret scan would miss its tokens',
  ]);
  expect(messages(path, 'await createEmulator({ clock, tokenMarker: marker });')).toEqual([]);
  expect(messages('packages/emulator/src/state.test.ts', 'await createEmulator();')).toEqual([]);
});

describe('sizes', () => {
  const lines = (count: number): string => 'x;\n'.repeat(count);

  it('takes 149 lines of an adapter, 800 of a test and 400 of any other file, and not one more', () => {
    expect(messages(ADAPTER, lines(149))).toEqual([]);
    expect(messages(ADAPTER, lines(150))).toEqual(['150: 150 lines, must be below 150']);
    expect(messages('packages/express/src/a.test.ts', lines(800))).toEqual([]);
    expect(messages('packages/express/src/a.test.ts', lines(801))).toHaveLength(1);
    expect(messages(CORE, lines(400))).toEqual([]);
    expect(messages(CORE, lines(401))).toEqual(['401: 401 lines, must be below 401']);
  });
});

it('refuses a file that it cannot read to its end', () => {
  expect(messages(CORE, "const a = 'open\n")).toEqual(['1: cannot be read: line 1: a string does not end']);
  expect(messages(CORE, '\n`open')).toEqual(['1: cannot be read: line 2: a template does not end']);
});
