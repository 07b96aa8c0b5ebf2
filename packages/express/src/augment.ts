import type { Connection } from '@hq-oauth/core';

declare global {
  namespace Express {
    interface Request {
      /**
       * The visitor's connection to HighQ. Behind `requireHighQ()` it is always there; elsewhere it is absent for an
       * anonymous visitor. For another name (`as: 'highqClient'`), declare it the same way.
       */
      highq: Connection;
    }
  }
}
