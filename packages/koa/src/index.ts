import './augment.ts';

export { type ProxyCall, type ProxyMethod, type ProxyOptions, scrubUrl } from '@hq-oauth/core/web';
export {
  type HighQOptions,
  type HighQProxyOptions,
  highq,
  highqErrors,
  highqHealth,
  highqProxy,
  requireHighQ,
} from './middleware.ts';
