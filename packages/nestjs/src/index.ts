export { type ProxyCall, type ProxyMethod, type ProxyOptions, scrubUrl } from '@hq-oauth/core/web';
export { AllowDisconnected, getHighQToken, HighQ, InjectHighQ } from './highq.decorators.ts';
export { HighQExceptionFilter } from './highq.exception-filter.ts';
export { HighQGuard } from './highq.guard.ts';
export { HighQHealthIndicator, type HighQHealthOptions, type HighQHealthResult } from './highq.health.ts';
export type { HighQRequest } from './highq.http.ts';
export { HighQModule } from './highq.module.ts';
export type {
  HighQModuleExtras,
  HighQModuleOptions,
  HighQOptionsFactory,
} from './highq.module-definition.ts';
export type { HighQProxyOptions } from './highq.proxy.ts';
