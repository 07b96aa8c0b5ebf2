import type { Connection, TokenManager } from '@hq-oauth/core';
import {
  type AdapterHost,
  type HostMount,
  type HostRoute,
  type HostSetup,
  optionsFor,
  type RunningHost,
  type Visitor,
  visitorOfHeaders,
} from '@hq-oauth/testkit/adapters';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type DynamicModule,
  Get,
  HttpException,
  type INestApplication,
  Inject,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { type AbstractHttpAdapter, BaseExceptionFilter, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import {
  HighQ,
  HighQExceptionFilter,
  HighQGuard,
  HighQHealthIndicator,
  HighQModule,
  type HighQRequest,
} from './index.ts';

type Platform = 'express' | 'fastify';

const visitorOf = (req: HighQRequest): Visitor => visitorOfHeaders(req.headers);

function moduleOf(mount: HostMount): DynamicModule {
  const { name, proxy } = mount;
  return HighQModule.forRoot({
    ...optionsFor(mount, visitorOf),
    ...(proxy && { proxy }),
    ...(name !== undefined && { name }),
  });
}

function controllerOf({ path, name, guarded, answer }: HostRoute): Type {
  const guards = guarded ? [name === undefined ? HighQGuard : HighQGuard.for(name)] : [];
  @Controller()
  @UseGuards(...guards)
  class RouteController {
    @Get(path)
    async answer(@HighQ(name) highq: Connection | null) {
      return JSON.stringify(await answer(highq));
    }
  }
  return RouteController;
}

function healthOf(manager: TokenManager): Type {
  @Controller('health')
  class HealthController {
    readonly #checks: HealthCheckService;
    readonly #highq: HighQHealthIndicator;

    constructor(
      @Inject(HealthCheckService) checks: HealthCheckService,
      @Inject(HighQHealthIndicator) highq: HighQHealthIndicator,
    ) {
      this.#checks = checks;
      this.#highq = highq;
    }

    @Get()
    check() {
      return this.#checks.check([() => this.#highq.isHealthy('highq', { manager })]);
    }
  }
  return HealthController;
}

/** The application's own way with errors that are not of hq-oauth; those of Nest have an answer in them. */
@Catch()
class OwnErrors extends BaseExceptionFilter {
  readonly #onError: HostSetup['onError'];

  constructor(adapter: AbstractHttpAdapter, onError: HostSetup['onError']) {
    super(adapter);
    this.#onError = onError;
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    if (error instanceof HttpException) {
      super.catch(error, host);
      return;
    }
    this.#onError(error);
    const response = host.switchToHttp().getResponse();
    const message = error instanceof Error ? error.message : String(error);
    if ('raw' in response) response.code(418).type('text/plain').send(message);
    else response.status(418).type('text').send(message);
  }
}

interface Hooks {
  addHook(name: 'onRequest', hook: (req: HighQRequest, reply: Reply) => Promise<void>): unknown;
}
interface Reply {
  header(name: string, value: string): unknown;
}

/** What stands before hq-oauth in the application. */
function prepare(app: INestApplication, platform: Platform, { bodies, cookie }: HostSetup): void {
  const consume = async (stream: AsyncIterable<unknown>): Promise<void> => {
    for await (const _chunk of stream);
  };
  if (platform === 'fastify') {
    const instance: Hooks = app.getHttpAdapter().getInstance();
    instance.addHook('onRequest', async (req, reply) => {
      if (cookie !== null) reply.header('set-cookie', cookie);
      if (bodies === 'consumed') await consume(Reflect.get(req, 'raw'));
    });
    return;
  }
  app.use(
    async (
      req: AsyncIterable<unknown>,
      res: NodeJS.WritableStream & { appendHeader(n: string, v: string): unknown },
      next: () => void,
    ) => {
      if (cookie !== null) res.appendHeader('set-cookie', cookie);
      if (bodies === 'consumed') await consume(req);
      next();
    },
  );
}

async function start(platform: Platform, setup: HostSetup): Promise<RunningHost> {
  const { port, prefix, mounts, routes, health } = setup;
  class AppModule {}
  const root: DynamicModule = {
    module: AppModule,
    imports: [...mounts.map(moduleOf), ...(health ? [TerminusModule.forRoot({ logger: false })] : [])],
    controllers: [...routes.map(controllerOf), ...(health ? [healthOf(health)] : [])],
  };
  const adapter: AbstractHttpAdapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = await NestFactory.create(root, adapter, {
    logger: false,
    abortOnError: false,
    forceCloseConnections: true,
    bodyParser: setup.bodies === 'parsed',
  });
  app.useGlobalFilters(new OwnErrors(adapter, setup.onError), new HighQExceptionFilter());
  if (prefix !== '') app.setGlobalPrefix(prefix);
  prepare(app, platform, setup);
  await app.listen(port, '127.0.0.1');
  return { url: `http://127.0.0.1:${port}`, stop: () => app.close() };
}

export const nestOnExpress: AdapterHost = {
  name: 'nest on express',
  start: (setup) => start('express', setup),
};
export const nestOnFastify: AdapterHost = {
  name: 'nest on fastify',
  start: (setup) => start('fastify', setup),
};
