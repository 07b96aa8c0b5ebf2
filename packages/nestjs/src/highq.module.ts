import {
  type ConfigurableModuleAsyncOptions,
  type DynamicModule,
  Inject,
  Module,
  type NestModule,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { HttpAdapterHost, ModuleRef } from '@nestjs/core';
import { behindGlobalGuards, type Route } from './highq.guards.ts';
import { type HighQReply, type HighQRequest, send, toRequest } from './highq.http.ts';
import {
  ConfigurableModuleClass,
  HIGHQ_RUNTIME,
  type HighQModuleExtras,
  type HighQModuleOptions,
  type HighQRuntime,
} from './highq.module-definition.ts';
import { type MountedRoutes, mount } from './highq.mount.ts';

/**
 * A token manager with its sign-in routes, on platform-express and on platform-fastify.
 * @example
 * HighQModule.forRoot({ isGlobal: true, manager, connectionId: (req: Request) => req.session?.userId })
 */
@Module({})
export class HighQModule extends ConfigurableModuleClass implements NestModule, OnApplicationShutdown {
  readonly #runtime: HighQRuntime;
  readonly #host: HttpAdapterHost;
  readonly #refs: ModuleRef;

  constructor(
    @Inject(HIGHQ_RUNTIME) runtime: HighQRuntime,
    @Inject(HttpAdapterHost) host: HttpAdapterHost,
    @Inject(ModuleRef) refs: ModuleRef,
  ) {
    super();
    this.#runtime = runtime;
    this.#host = host;
    this.#refs = refs;
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
    const guarded = (what: string, route: Route): Route => behindGlobalGuards(this.#refs, this, what, route);
    const routes: MountedRoutes[] = [
      { paths: web.paths, owns: web.owns, serve: guarded('serve', (req, res) => this.#serve(req, res)) },
      ...(proxy ? [{ ...proxy, serve: guarded('serveProxy', proxy.serve) }] : []),
    ];
    mount(this.#host.httpAdapter, name, web, routes);
  }

  async #serve(req: HighQRequest, res: HighQReply): Promise<void> {
    const response = await this.#runtime.web.handle(toRequest(req), req);
    if (response) await send(res, response);
  }

  /** By now the server has answered its last request. What the module did not make stays open. */
  async onApplicationShutdown(): Promise<void> {
    await this.#runtime.close();
  }
}
