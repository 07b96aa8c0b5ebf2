import { type Connection, isHighQError, NotConnectedError, type TokenManager } from '@hq-oauth/core';
import { createEmulator } from '@hq-oauth/emulator';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Inject,
  Injectable,
  Module,
  type ModuleMetadata,
  Res,
  Scope,
  UseGuards,
} from '@nestjs/common';
import { APP_GUARD, NestFactory, REQUEST } from '@nestjs/core';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { afterEach, describe, expect, it } from 'vitest';
import { managerOptions, PLATFORMS, type Served, serve, userOf, type World } from './app.fixture.ts';
import {
  AllowDisconnected,
  getHighQToken,
  HighQ,
  HighQGuard,
  HighQHealthIndicator,
  HighQModule,
  type HighQModuleOptions,
  type HighQOptionsFactory,
  type HighQRequest,
  InjectHighQ,
} from './index.ts';

const HOUR = 3_600_000;

@Controller()
@UseGuards(HighQGuard)
class SitesController {
  readonly manager: TokenManager;

  constructor(@InjectHighQ() manager: TokenManager) {
    this.manager = manager;
  }

  @Get()
  @AllowDisconnected()
  async start(@HighQ() highq: Connection | null) {
    return { highq: highq?.id ?? null, state: (await highq?.status())?.state ?? null };
  }

  @Get('sites')
  sites(@HighQ() highq: Connection) {
    return highq.client('6/sites').json();
  }

  @Get('injected')
  async injected() {
    return { same: (await this.manager.health()).status };
  }
}

@Controller('client')
class ClientController {
  @Get()
  @UseGuards(HighQGuard.for('client'))
  async token(@HighQ('client') highq: Connection) {
    return { id: highq.id };
  }
}

@Controller('picky')
class PickyController {
  readonly manager: unknown;
  constructor(@InjectHighQ() manager: unknown) {
    this.manager = manager;
  }

  @Get()
  injected() {
    return { injected: typeof this.manager };
  }
}

@Controller('health')
class HealthController {
  readonly health: HealthCheckService;
  readonly highq: HighQHealthIndicator;
  constructor(
    @Inject(HealthCheckService) health: HealthCheckService,
    @Inject(HighQHealthIndicator) highq: HighQHealthIndicator,
  ) {
    this.health = health;
    this.highq = highq;
  }

  @Get()
  check() {
    return this.health.check([() => this.highq.isHealthy('highq')]);
  }
}

interface HasHeader {
  header(name: string, value: string): unknown;
}
interface Hooks {
  addHook(name: 'preHandler', hook: (req: HighQRequest) => Promise<void>): unknown;
}

const controllers = [SitesController];
const plain = ({ manager }: World): ModuleMetadata => ({
  imports: [HighQModule.forRoot({ manager, connectionId: userOf })],
  controllers,
});

async function connected(served: Served, user = 'ann', manager = served.manager): Promise<void> {
  const { code } = await served.emulator.authorize({});
  await manager.connection(user).exchangeCode(code);
}

describe.each(PLATFORMS)('HighQModule on %s', (platform) => {
  let served: Served | null = null;
  const start = async (...args: Parameters<typeof serve> extends [unknown, ...infer Rest] ? Rest : never) => {
    served = await serve(platform, ...args);
    return served;
  };
  afterEach(async () => {
    await served?.close();
    served = null;
  });

  it('F109 lets nobody in who is anonymous, or not connected, unless AllowDisconnected says so', async () => {
    const app = await start(plain);
    const [anonymous, stranger] = [await app.get('/sites'), await app.get('/injected', 'ann')];
    expect([anonymous.status, stranger.status]).toEqual([401, 401]);
    expect(anonymous.headers.get('content-type')).toBe('application/problem+json');
    expect(await anonymous.json()).not.toHaveProperty('connectUrl');
    expect(await stranger.json()).toMatchObject({ code: 'not_connected', connectUrl: '/highq/connect' });
    expect(await (await app.get('/')).json()).toEqual({ highq: null, state: null });
    expect(await (await app.get('/', 'ann')).json()).toEqual({ highq: 'ann', state: 'disconnected' });
    await connected(app);
    expect(await (await app.get('/injected', 'ann')).json()).toEqual({ same: 'up' });
  });

  it('has its routes outside of the global prefix of the controllers', async () => {
    const app = await start(plain, { prefix: 'api' });
    expect((await app.get('/api', 'ann')).status).toBe(200);
    expect((await app.get('/highq/connect', 'ann')).status).toBe(200);
    expect((await app.get('/api/highq/connect', 'ann')).status).toBe(404);
  });

  it('keeps two managers apart that it has made, by name', async () => {
    const app = await start(({ manager, emulator, url }) => ({
      imports: [
        HighQModule.forRoot({ manager, connectionId: userOf }),
        HighQModule.forRoot({
          name: 'client',
          basePath: '/of-client',
          managerOptions: managerOptions(emulator, url, '/of-client/callback'),
          connectionId: userOf,
          proxy: { path: '/client-api' },
        }),
      ],
      controllers: [...controllers, ClientController],
    }));
    await connected(app);
    expect((await app.get('/sites', 'ann')).status).toBe(200);
    for (const path of ['/client', '/client-api/6/sites']) {
      expect(await (await app.get(path, 'ann')).json()).toMatchObject({ connectUrl: '/of-client/connect' });
    }
  });

  it('runs the global guards before its proxy, and asks no guard for its connection', async () => {
    @Injectable()
    class Session implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        return userOf(context.switchToHttp().getRequest()) !== 'mallory';
      }
    }
    const proxy = { path: '/highq-api' };
    const app = await start(({ manager }) => ({
      imports: [HighQModule.forRoot({ manager, connectionId: userOf, proxy })],
      providers: [
        { provide: APP_GUARD, useClass: Session },
        { provide: APP_GUARD, useClass: HighQGuard.for('of nobody') },
      ],
    }));
    await connected(app);
    expect((await app.get('/highq-api/6/sites', 'mallory')).status).toBe(403);
    expect((await app.get('/highq-api/6/sites', 'ann')).status).toBe(200);
    expect((await app.get('/highq-api', 'ann')).status).toBe(400);
  });

  it.each(['', '/', 'highq-api', '/highq-api/', '/highq-api?x'])('refuses a proxy at %j', async (path) => {
    const starting = start(({ manager }) => ({
      imports: [HighQModule.forRoot({ manager, connectionId: userOf, proxy: { path } })],
    }));
    await expect(starting).rejects.toThrow('proxy.path: must be a path below the root');
  });

  it('injects the function where a manager is one of the request', async () => {
    const app = await start(({ manager }) => ({
      imports: [HighQModule.forRoot({ manager: async () => manager, connectionId: userOf })],
      controllers: [PickyController],
    }));
    expect(await (await app.get('/picky')).json()).toEqual({ injected: 'function' });
  });

  it('runs the global guards before its routes, and passes over its own', async () => {
    @Injectable()
    class Session implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const req = context.switchToHttp().getRequest();
        req.user = userOf(req);
        named.push(context.getHandler().name);
        return req.user !== 'mallory';
      }
    }
    const named: string[] = [];
    const app = await start(({ manager }) => ({
      imports: [
        HighQModule.forRoot({
          manager,
          connectionId: (req) => Reflect.get(req, 'user') as string | undefined,
          proxy: { path: '/highq-api' },
        }),
      ],
      providers: [
        { provide: APP_GUARD, useClass: Session },
        { provide: APP_GUARD, useClass: HighQGuard },
      ],
      controllers,
    }));
    expect((await app.get('/highq/connect', 'ann')).status).toBe(200);
    expect((await app.get('/highq/connect')).status).toBe(401);
    expect((await app.get('/highq/connect', 'mallory')).status).toBe(403);
    await connected(app);
    expect((await app.get('/sites', 'ann')).status).toBe(200);
    // What counts calls by route must not take the proxy's for those of a sign-in.
    const route = named[0];
    await app.get('/highq-api/6/sites', 'ann');
    expect(named.at(-1)).not.toBe(route);
    expect(named).not.toContain('handler');
  });

  it('runs the global guards that Nest makes for each request, too', async () => {
    const made: string[] = [];
    @Injectable({ scope: Scope.REQUEST })
    class Session implements CanActivate {
      readonly #req: HighQRequest;
      constructor(@Inject(REQUEST) req: HighQRequest) {
        this.#req = req;
        made.push(userOf(req) ?? 'nobody');
      }
      canActivate(context: ExecutionContext): boolean {
        const req = context.switchToHttp().getRequest();
        req.user = userOf(this.#req);
        return req.user !== 'mallory';
      }
    }
    @Injectable({ scope: Scope.TRANSIENT })
    class Leavers implements CanActivate {
      canActivate = (context: ExecutionContext) => userOf(context.switchToHttp().getRequest()) !== 'trudy';
    }
    const app = await start(({ manager }) => ({
      imports: [
        HighQModule.forRoot({
          manager,
          connectionId: (req) => Reflect.get(req, 'user') as string | undefined,
          proxy: { path: '/highq-api' },
        }),
      ],
      providers: [
        { provide: APP_GUARD, useClass: Session },
        { provide: APP_GUARD, useClass: Leavers },
      ],
    }));
    await connected(app);
    const asked = ['ann', 'bob', 'mallory', 'trudy'].map((user) => app.get('/highq/connect', user));
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 403, 403]);
    expect(made.sort()).toEqual(['ann', 'bob', 'mallory', 'trudy']);
    expect((await app.get('/highq-api/6/sites', 'ann')).status).toBe(200);
    expect((await app.get('/highq-api/6/sites', 'mallory')).status).toBe(403);
  });

  it("comes after the application's own middleware or hooks, with its routes as well", async () => {
    const sessionOf = (req: HighQRequest): string | undefined => Reflect.get(req, 'session');
    const begin = (req: HighQRequest): void => void Reflect.set(req, 'session', userOf(req));
    const app = await start(
      ({ manager }) => ({
        imports: [HighQModule.forRoot({ manager, connectionId: sessionOf })],
        controllers,
      }),
      {
        prepare(application) {
          if (platform === 'express') {
            application.use((req: HighQRequest, _res: unknown, next: () => void) => {
              begin(req);
              next();
            });
          } else {
            const instance: Hooks = application.getHttpAdapter().getInstance();
            instance.addHook('preHandler', async (req) => begin(req));
          }
        },
      },
    );
    expect((await app.get('/highq/connect', 'ann')).status).toBe(200);
    await connected(app);
    expect((await app.get('/sites', 'ann')).status).toBe(200);
  });

  it('takes options from a factory, a class and a provider', async () => {
    const given = Symbol('given');
    let world: World | null = null;
    @Injectable()
    class Factory implements HighQOptionsFactory {
      createHighQOptions(): HighQModuleOptions {
        if (!world) throw new Error('no world');
        return { manager: world.manager, connectionId: userOf };
      }
    }
    @Module({
      providers: [Factory, { provide: given, useFactory: () => world?.manager }],
      exports: [Factory, given],
    })
    class Settings {}
    const imports = [Settings];
    const styles = [
      HighQModule.forRootAsync({
        imports,
        inject: [given],
        isGlobal: true,
        useFactory: async (manager: TokenManager) => ({ manager, connectionId: userOf }),
      }),
      HighQModule.forRootAsync({ isGlobal: true, useClass: Factory }),
      HighQModule.forRootAsync({ imports, isGlobal: true, useExisting: Factory }),
    ];
    for (const style of styles) {
      const app = await start((made) => {
        world = made;
        // A module that does not import it: it is global.
        class Feature {}
        return { imports: [style, { module: Feature, controllers }] };
      });
      await connected(app);
      expect((await app.get('/injected', 'ann')).status).toBe(200);
      await app.close();
    }
  });

  it('closes the manager that it made, and no other, when the application ends', async () => {
    const closed: string[] = [];
    class Store {
      onApplicationShutdown(): void {
        closed.push('store');
      }
    }
    @Module({ providers: [Store], exports: [Store] })
    class StoreModule {}
    const watch = (made: TokenManager): void => {
      const close = made.close.bind(made);
      made.close = async () => {
        closed.push('manager');
        await close();
      };
    };
    const app = await start(({ manager, emulator, url }) => ({
      imports: [
        HighQModule.forRoot({ manager, connectionId: userOf }),
        HighQModule.forRootAsync({
          name: 'made',
          imports: [StoreModule],
          inject: [Store],
          useFactory: () => ({
            basePath: '/made',
            managerOptions: managerOptions(emulator, url, '/made/callback'),
            connectionId: userOf,
          }),
        }),
      ],
      providers: [{ provide: 'watch', inject: [getHighQToken('made')], useFactory: watch }],
    }));
    await connected(app);
    await app.stop();
    // The store's module is imported by the one that uses it, so it ends after it.
    expect(closed).toEqual(['manager', 'store']);
    app.emulator.clock.advance(6 * HOUR);
    expect(await app.manager.connection('ann').getAccessToken()).toBeTypeOf('string');
  });

  it('tells its health to terminus', async () => {
    const app = await start(({ manager }) => ({
      imports: [
        HighQModule.forRoot({ manager, connectionId: userOf }),
        TerminusModule.forRoot({ logger: false }),
      ],
      controllers: [HealthController],
    }));
    const answer = await app.get('/health');
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({
        status: 'ok',
        details: { highq: { status: 'up', store: 'up', unpersisted: 0 } },
      }),
    ]);
    app.manager.health = async () => ({ status: 'down', store: 'down', unpersisted: 1 });
    expect((await app.get('/health')).status).toBe(503);
  });

  it('takes back what a handler had said about the body that does not come', async () => {
    @Controller()
    class Downloads {
      @Get()
      download(@Res({ passthrough: true }) res: HasHeader): never {
        res.header('ETag', '"1"');
        res.header('Content-Encoding', 'br');
        res.header('Content-Disposition', 'attachment');
        throw new NotConnectedError('Nobody is there.');
      }
    }
    const app = await start((world) => ({ ...plain(world), controllers: [Downloads] }));
    const answer = await app.get('/');
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'not_connected' }]);
    for (const name of ['content-disposition', 'etag', 'content-encoding']) {
      expect([name, answer.headers.get(name)]).toEqual([name, null]);
    }
  });

  it('answers errors of its own only, and leaves the others to Nest', async () => {
    @Controller()
    class Failing {
      @Get()
      fail(): never {
        throw new Error('of the application');
      }
    }
    const app = await start((world) => ({ ...plain(world), controllers: [Failing] }));
    const answer = await app.get('/');
    expect([answer.status, await answer.json()]).toEqual([
      500,
      { statusCode: 500, message: 'Internal server error' },
    ]);
  });

  it.each([
    ['of one path', { name: 'b' }, /basePath: two of HighQModule have the path \/highq/],
    ['of one name', { basePath: '/b', routes: { callback: '/highq/callback' } }, /name: two of HighQModule/],
  ])('refuses two %s at start', async (_what, second, message) => {
    const starting = start(({ manager }) => ({
      imports: [
        HighQModule.forRoot({ manager, connectionId: userOf }),
        HighQModule.forRoot({ manager, connectionId: userOf, ...second }),
      ],
    }));
    await expect(starting).rejects.toThrow(message);
    await expect(starting).rejects.toSatisfy(isHighQError);
  });

  it('says so where a decorator names a module that is not there', async () => {
    const app = await start((world) => ({ ...plain(world), controllers: [ClientController] }));
    expect((await app.get('/client', 'ann')).status).toBe(500);
  });
});

it('serves jobs of a program that has no server', async () => {
  const emulator = await createEmulator({ tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
  class Jobs {}
  const highq = HighQModule.forRoot({
    managerOptions: managerOptions(emulator, 'http://127.0.0.1:1'),
    connectionId: () => null,
  });
  const context = await NestFactory.createApplicationContext(
    { module: Jobs, imports: [highq] },
    { logger: false },
  );
  const manager = context.get<TokenManager>(getHighQToken(), { strict: false });
  const { code } = await emulator.authorize({});
  await manager.connection('ann').exchangeCode(code);
  expect((await manager.connection('ann').fetch('6/sites')).status).toBe(200);
  await context.close();
  await emulator.close();
});
