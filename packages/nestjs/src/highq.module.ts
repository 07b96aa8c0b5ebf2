import {
  type ConfigurableModuleAsyncOptions,
  type DynamicModule,
  Inject,
  Module,
  type NestModule,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { ExternalContextCreator, HttpAdapterHost } from '@nestjs/core';
import { AllowDisconnected } from './highq.decorators.ts';
import { type HighQReply, type HighQRequest, send, toRequest } from './highq.http.ts';
import {
  ConfigurableModuleClass,
  HIGHQ_RUNTIME,
  type HighQModuleExtras,
  type HighQModuleOptions,
  type HighQRuntime,
} from './highq.module-definition.ts';
import { type MountedRoutes, mount } from './highq.mount.ts';

type Guarded = (...args: unknown[]) => unknown;
const NOTHING_ELSE = [undefined, undefined, undefined, undefined] as const;

/**
 * A token manager with its sign-in routes, on platform-express and on platform-fastify.
 * @example
 * HighQModule.forRoot({ isGlobal: true, manager, connectionId: (req: Request) => req.session?.userId })
 */
@Module({})
export class HighQModule extends ConfigurableModuleClass implements NestModule, OnApplicationShutdown {
  readonly #runtime: HighQRuntime;
  readonly #host: HttpAdapterHost;
  readonly #contexts: ExternalContextCreator;

  constructor(
    @Inject(HIGHQ_RUNTIME) runtime: HighQRuntime,
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
    @Inject(ExternalContextCreator) contexts: ExternalContextCreator,
  ) {
    super();
    this.#runtime = runtime;
    this.#host = host;
    this.#contexts = contexts;
  }

  static override forRoot<Req extends HighQRequest = HighQRequest>(
    options: HighQModuleOptions<Req> & Partial<HighQModuleExtras>,
  ): DynamicModule {
    // The platform hands its own request to the functions in the options, whatever they call it.
    // biome-ignore lint/complexity/noThisInStatic: Nest's builder takes the module from `this`
    return super.forRoot(options as HighQModuleOptions);
  }

  static override forRootAsync<Req extends HighQRequest = HighQRequest>(
    options: ConfigurableModuleAsyncOptions<HighQModuleOptions<Req>, 'createHighQOptions'> &
      Partial<HighQModuleExtras>,
  ): DynamicModule {
    // biome-ignore lint/complexity/noThisInStatic: Nest's builder takes the module from `this`
    return super.forRootAsync(
      options as ConfigurableModuleAsyncOptions<HighQModuleOptions, 'createHighQOptions'>,
    );
  }

  /** Nest calls this before it registers controllers, and after the application has set itself up. */
  configure(): void {
    const { name, web, proxy } = this.#runtime;
    const routes: MountedRoutes[] = [
      { paths: web.paths, owns: web.owns, serve: this.#guarded('serve') },
      ...(proxy ? [{ ...proxy, serve: this.#guarded('serveProxy') }] : []),
    ];
    mount(this.#host.httpAdapter, name, web, routes);
  }

  /** Global guards first, as for a controller: one of them may be what says who the visitor is. */
  #guarded(method: 'serve' | 'serveProxy'): MountedRoutes['serve'] {
    const options = { guards: true, interceptors: false, filters: false };
    const handler = this[method] as Guarded;
    return this.#contexts.create(this, handler, method, ...NOTHING_ELSE, options) as MountedRoutes['serve'];
  }

  @AllowDisconnected()
  async serve(req: HighQRequest, res: HighQReply): Promise<void> {
    const response = await this.#runtime.web.handle(toRequest(req), req);
    if (response) await send(res, response);
  }

  @AllowDisconnected()
  async serveProxy(req: HighQRequest, res: HighQReply): Promise<void> {
    await this.#runtime.proxy?.serve(req, res);
  }

  /** By now the server has answered its last request. What the module did not make stays open. */
  async onApplicationShutdown(): Promise<void> {
    await this.#runtime.close();
  }
}
