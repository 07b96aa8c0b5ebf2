/** What the sources of one workspace package may import. Node's own modules are allowed unless `withoutNode` names them. */
export interface ImportRule {
  readonly production: readonly string[];
  /** Further modules that `*.test.ts` and `*.fixture.ts` may import. */
  readonly tests: readonly string[];
  readonly withoutNode?: readonly string[];
  /** Core takes time, timers and randomness from `clock.ts`; an adapter has none at all. */
  readonly clocks?: 'clock.ts only' | 'none';
  /** A production file has fewer lines than this. */
  readonly maxLines?: number;
}

const CORE = '@hq-oauth/core';
const EMULATOR = '@hq-oauth/emulator';
const TESTKIT = '@hq-oauth/testkit';
const TEST_TOOLS = ['vitest', 'fast-check'];
const BROWSER = ['playwright-core', 'axe-core'];

const adapter = (...framework: string[]): ImportRule => ({
  production: [CORE, ...framework],
  tests: [EMULATOR, TESTKIT, ...BROWSER, ...TEST_TOOLS],
  clocks: 'none',
  maxLines: 150,
});

const store = (...driver: string[]): ImportRule => ({
  production: [CORE, ...driver],
  tests: [TESTKIT, EMULATOR, ...TEST_TOOLS],
});

const example = (...framework: string[]): ImportRule => ({
  production: [
    CORE,
    '@hq-oauth/store-sqlite',
    '@hq-oauth/store-redis',
    '@hq-oauth/store-postgres',
    'example-kit',
    ...framework,
  ],
  tests: [EMULATOR, ...BROWSER, ...TEST_TOOLS],
});

/** The table of the architecture: arrows point from apps to adapters to core, and from stores to core. */
export const IMPORT_TABLE: Readonly<Record<string, ImportRule>> = {
  'packages/core': {
    production: ['ky', 'fast-xml-parser', 'valibot', 'jose', 'undici'],
    tests: [EMULATOR, ...TEST_TOOLS],
    withoutNode: ['http', 'https', 'http2', 'sqlite', 'timers', 'timers/promises', 'perf_hooks'],
    clocks: 'clock.ts only',
  },
  'packages/express': adapter('express'),
  'packages/koa': adapter('koa'),
  'packages/nestjs': {
    ...adapter('@nestjs/common', '@nestjs/core'),
    tests: [
      EMULATOR,
      TESTKIT,
      ...BROWSER,
      '@nestjs/platform-express',
      '@nestjs/platform-fastify',
      '@nestjs/terminus',
      ...TEST_TOOLS,
    ],
  },
  'packages/store-sqlite': store(),
  'packages/store-redis': store('redis', 'ioredis'),
  'packages/store-postgres': store('pg'),
  'packages/testkit': { production: [CORE, EMULATOR, 'vitest'], tests: ['fast-check'] },
  'packages/bench': {
    production: [
      CORE,
      EMULATOR,
      '@hq-oauth/express',
      '@hq-oauth/store-sqlite',
      '@hq-oauth/store-redis',
      '@hq-oauth/store-postgres',
      'express',
      'ky',
    ],
    tests: TEST_TOOLS,
  },
  'packages/emulator': { production: ['hono', '@hono/node-server'], tests: [...BROWSER, ...TEST_TOOLS] },
  'packages/cli': {
    production: [
      CORE,
      EMULATOR,
      '@hq-oauth/store-sqlite',
      '@hq-oauth/store-redis',
      '@hq-oauth/store-postgres',
      'commander',
      '@clack/prompts',
      'open',
      'env-paths',
    ],
    tests: TEST_TOOLS,
  },
  'apps/example-kit': { production: [CORE], tests: [EMULATOR, ...BROWSER, ...TEST_TOOLS] },
  'apps/express-example': example('express', '@hq-oauth/express'),
  // Its start without any instance makes two emulators: one command serves one.
  'apps/koa-example': example('koa', '@koa/router', '@koa/bodyparser', '@hq-oauth/koa', EMULATOR),
  'apps/nestjs-example': example(
    '@nestjs/common',
    '@nestjs/core',
    '@nestjs/platform-express',
    '@nestjs/terminus',
    'express',
    'pg',
    '@hq-oauth/nestjs',
  ),
};
