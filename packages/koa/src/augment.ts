import type { Connection } from '@hq-oauth/core';
import type {} from 'koa';

declare module 'koa' {
  interface ExtendableContext {
    /**
     * The visitor's connection to HighQ. Behind `requireHighQ()` it is always there; elsewhere it is absent for an
     * anonymous visitor. For another name (`as: 'highqClient'`), declare it the same way.
     */
    highq: Connection;
  }
}
