import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = join(here, '.user-program');
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What a program on Nest does with every name of the package, without a cast. */
const BODY = `
@Injectable()
class Settings implements HighQOptionsFactory<FastifyRequest> {
  createHighQOptions(): HighQModuleOptions<FastifyRequest> {
    return { managerOptions: { store: memoryStore() }, connectionId: (req) => req.routeOptions.url };
  }
}
@Controller()
@UseGuards(HighQGuard, HighQGuard.for('client'))
class Sites {
  constructor(
    @InjectHighQ() readonly manager: TokenManager,
    @Inject(HighQHealthIndicator) readonly health: HighQHealthIndicator,
  ) {}
  @Get()
  sites(@HighQ() highq: Connection, @HighQ('client') client: Connection) {
    return [highq.client('6/sites').json(), client.id];
  }
  @Get('start')
  @AllowDisconnected()
  start(@HighQ() highq: Connection | null) {
    return highq?.status();
  }
  @Get('health')
  check(checks: HealthCheckService) {
    return checks.check([() => this.health.isHealthy('highq'), () => this.health.isHealthy('c', { name: 'client' })]);
  }
}
const manager = createTokenManager({
  instanceUrl: 'https://acme.highq.com/acme', clientId: '1012', clientSecret: 's', encryption: false,
  redirectUri: 'https://app.example/highq/callback', store: memoryStore(),
});
const modules = [
  HighQModule.forRoot({ manager, connectionId: (req) => req.headers.cookie }),
  HighQModule.forRoot({
    isGlobal: true, manager, connectionId: (req: Request) => req.get('cookie'),
    proxy: { path: '/highq-api', allow: ({ method, path }) => method === 'GET' && path.startsWith('6/sites') },
  }),
  HighQModule.forRoot({
    name: 'shared', manager: async (req: Request) => (req.host ? manager : manager), connectionId: 'firm',
    authorize: (req, action) => action === 'connect' && req.secure,
  }),
  HighQModule.forRootAsync({ useClass: Settings }),
  HighQModule.forRootAsync({ name: 'x', isGlobal: true, imports: [], useExisting: Settings }),
  HighQModule.forRootAsync({
    inject: [getHighQToken('x')],
    useFactory: async (given: TokenManager) => ({ manager: given, connectionId: (req: FastifyRequest) => req.id }),
  }),
];
console.log(modules.length, typeof new HighQExceptionFilter().catch, Sites.name);
void manager.close();
`;
const NAMES: readonly (readonly [string, string, string])[] = [
  ['reflect-metadata', '', ''],
  ['@hq-oauth/core', 'createTokenManager, memoryStore', 'Connection, TokenManager'],
  [
    '@hq-oauth/nestjs',
    'AllowDisconnected, getHighQToken, HighQ, HighQExceptionFilter, HighQGuard, HighQHealthIndicator, HighQModule, InjectHighQ',
    'HighQModuleOptions, HighQOptionsFactory',
  ],
  ['@nestjs/common', 'Controller, Get, Inject, Injectable, UseGuards', ''],
  ['@nestjs/terminus', '', 'HealthCheckService'],
  ['express', '', 'Request'],
  ['fastify', '', 'FastifyRequest'],
];
const imports = NAMES.map(([from, values, types]) => {
  const parts = [values, types.replace(/(\w+)/g, 'type $1')].filter((part) => part !== '');
  return parts.length > 0 ? `import { ${parts.join(', ')} } from '${from}';` : `import '${from}';`;
}).join('\n');

/** Compiles under strict, with and without metadata; gives the compiler's words. */
function compile(file: string, source: string, metadata: boolean): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), source);
  const config = {
    extends: '../../../tsconfig.base.json',
    compilerOptions: {
      ...{ rootDir: '.', noUnusedLocals: false, noUnusedParameters: false, erasableSyntaxOnly: false },
      ...{ experimentalDecorators: true, emitDecoratorMetadata: metadata, verbatimModuleSyntax: false },
      skipLibCheck: false,
    },
    include: [file],
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  try {
    const tsc = join(here, '../../node_modules/typescript/bin/tsc');
    return execFileSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' });
  } catch (error) {
    return (error as { stdout?: string }).stdout ?? String(error);
  }
}

describe("a user's program", () => {
  it.each([
    { file: 'program.mts', metadata: false },
    { file: 'program.mts', metadata: true },
    { file: 'program.cts', metadata: false },
    { file: 'program.cts', metadata: true },
  ])(
    'compiles without a cast and runs: $file, metadata: $metadata',
    async ({ file, metadata }) => {
      expect(compile(file, imports + BODY, metadata)).toBe('');
      const { stdout } = await promisify(execFile)(process.execPath, [
        join(folder, file.replace('ts', 'js')),
      ]);
      expect(stdout).toBe('6 function Sites\n');
    },
    60_000,
  );

  it.each([
    ['neither manager nor options', "HighQModule.forRoot({ connectionId: 'x' });"],
    [
      'both of them',
      "HighQModule.forRoot({ manager, managerOptions: { store: memoryStore() }, connectionId: 'x' });",
    ],
    [
      'a member that the request has not',
      'HighQModule.forRoot({ manager, connectionId: (req) => req.session });',
    ],
    ['a connection that is a number', 'HighQModule.forRoot({ manager, connectionId: () => 5 });'],
  ])(
    'does not compile with %s',
    (_what, line) => {
      const source = `${imports}${BODY}\n${line}`;
      const found = compile('program.mts', source, false).match(/program\.mts\(\d+,\d+\): error TS2\d+/g);
      // In that line and in no other.
      expect(found).toEqual([expect.stringContaining(`program.mts(${source.split('\n').length},`)]);
    },
    60_000,
  );
});
