import type { TokenManager } from '@hq-oauth/core';
import {
  type Served,
  serveConnected,
  userOf as userOfVisitor,
  visitorOfHeaders,
} from '@hq-oauth/testkit/adapters';
import Koa, { type Context } from 'koa';

export type { Served };

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export const userOf = (ctx: Context): string | undefined => userOfVisitor(visitorOfHeaders(ctx.headers));

/** An application on a real port, with an emulator behind it, where `ann` is connected. */
export function serve(prepare: (app: Koa, manager: TokenManager) => void): Promise<Served> {
  return serveConnected((manager) => {
    const app = new Koa();
    app.silent = true;
    prepare(app, manager);
    // Koa takes what is mounted up to here, and nothing later.
    return app.callback();
  });
}
