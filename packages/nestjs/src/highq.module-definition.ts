import { createTokenManager, type TokenManagerOptions } from '@hq-oauth/core';
import { createWebHandlers, type WebHandlers, type WebOptions } from '@hq-oauth/core/web';
import { ConfigurableModuleBuilder } from '@nestjs/common';
import { DEFAULT_NAME, getHighQToken } from './highq.decorators.ts';
import { HighQHealthIndicator } from './highq.health.ts';
import type { HighQRequest } from './highq.http.ts';
import type { MountedRoutes } from './highq.mount.ts';
import { type HighQProxyOptions, proxyRoutes } from './highq.proxy.ts';

/** A manager that you made. You close it, too. */
interface GivenManager<Req> {
  /** One manager, or a function of the request: a tenant per host. */
  readonly manager: WebOptions<Req>['manager'];
  readonly managerOptions?: never;
  readonly closeTimeoutMs?: never;
}

/** A manager that the module makes, and closes when the application shuts down. The store in it stays yours. */
interface MadeManager {
  /** For `createTokenManager`; what is not given comes from the `HIGHQ_…` variables. */
  readonly managerOptions: TokenManagerOptions;
  /** How long the end of the application may wait for tokens that are not stored yet. @default as for `manager.close()` */
  readonly closeTimeoutMs?: number;
  readonly manager?: never;
}

/**
 * `Req` is your platform's request, `Request` of express or `FastifyRequest`: it follows from the type that you give to
 * the parameter of `connectionId`.
 */
export type HighQModuleOptions<Req extends HighQRequest = HighQRequest> = Omit<WebOptions<Req>, 'manager'> &
  (GivenManager<Req> | MadeManager) & {
    /**
     * Passes calls of browsers on to the API with the visitor's token: `GET` and `HEAD` unless `allow` says more. It
     * needs bodies as they were sent: on platform-express, keep body parsers away from its path.
     * @example { path: '/highq-api', allow: ['GET', 'POST'] }
     */
    readonly proxy?: HighQProxyOptions;
  };

/** What stands beside the options, for `forRootAsync` as well. */
export interface HighQModuleExtras {
  /** Tells several of these modules apart: `@HighQ('client')`. @default 'default' */
  name: string;
  /** Whether `@InjectHighQ()` works in modules that do not import this one. @default false */
  isGlobal: boolean;
}

/** For `useClass` and `useExisting`. */
export interface HighQOptionsFactory<Req extends HighQRequest = HighQRequest> {
  createHighQOptions(): HighQModuleOptions<Req> | Promise<HighQModuleOptions<Req>>;
}

/** What one module has made of its options. */
export interface HighQRuntime {
  readonly name: string;
  readonly web: WebHandlers<HighQRequest>;
  readonly proxy: MountedRoutes | null;
  readonly manager: WebOptions<HighQRequest>['manager'];
  /** Ends what the module made. */
  close(): Promise<void>;
}

export const HIGHQ_RUNTIME = Symbol('hq-oauth.runtime');
const HIGHQ_OPTIONS = Symbol('hq-oauth.options');
const HIGHQ_NAME = Symbol('hq-oauth.name');

export const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<HighQModuleOptions>({
  optionsInjectionToken: HIGHQ_OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createHighQOptions')
  .setExtras<HighQModuleExtras>(
    { name: DEFAULT_NAME, isGlobal: false },
    (definition, { name, isGlobal }) => ({
      ...definition,
      global: isGlobal,
      providers: [
        ...(definition.providers ?? []),
        { provide: HIGHQ_NAME, useValue: name },
        { provide: HIGHQ_RUNTIME, inject: [HIGHQ_OPTIONS, HIGHQ_NAME], useFactory: runtimeOf },
        {
          provide: getHighQToken(name),
          inject: [HIGHQ_RUNTIME],
          useFactory: ({ manager }: HighQRuntime) => manager,
        },
        HighQHealthIndicator,
      ],
      exports: [getHighQToken(name), HighQHealthIndicator],
    }),
  )
  .build();

/** @throws ConfigurationError with every problem of the options */
async function runtimeOf(options: HighQModuleOptions, name: string): Promise<HighQRuntime> {
  const { managerOptions, closeTimeoutMs, manager: given, proxy, ...rest } = options;
  const made = managerOptions === undefined ? null : createTokenManager(managerOptions);
  const close = async (): Promise<void> => {
    await made?.close(closeTimeoutMs === undefined ? {} : { timeoutMs: closeTimeoutMs });
  };
  try {
    const manager = (made ?? given) as HighQRuntime['manager'];
    const web = createWebHandlers<HighQRequest>({ ...rest, manager });
    return { name, manager, close, web, proxy: proxy ? proxyRoutes(proxy, web) : null };
  } catch (error) {
    await close();
    throw error;
  }
}
