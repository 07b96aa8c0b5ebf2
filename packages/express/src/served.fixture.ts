import type { TokenManager } from '@hq-oauth/core';
import {
  type Served,
  serveConnected,
  userOf as userOfVisitor,
  visitorOfHeaders,
} from '@hq-oauth/testkit/adapters';
import express, { type Express, type Request } from 'express';

export type { Served };

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export const userOf = (req: Request): string | undefined => userOfVisitor(visitorOfHeaders(req.headers));

/** An application on a real port, with an emulator behind it, where `ann` is connected. */
export function serve(prepare: (app: Express, manager: TokenManager) => void): Promise<Served> {
  return serveConnected((manager) => {
    const app = express();
    prepare(app, manager);
    return app;
  });
}
