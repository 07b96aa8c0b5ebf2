import { highqHealth } from '@hq-oauth/koa';
import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import { loginView, pathIn, STYLE, signedInAs } from 'example-kit';
import type { Middleware } from 'koa';
import type { Show } from './app.ts';
import type { Instances } from './instances.ts';
import { type Sessions, seeOther } from './session.ts';

export interface FirmRoutesOptions {
  readonly instances: Instances;
  readonly sessions: Sessions;
  readonly firmPassword: string;
  readonly show: Show;
}

/** What needs no connection. The firm's own sign-in stands in for yours; HighQ has no part in it. */
export function firmRoutes({ instances, sessions, firmPassword, show }: FirmRoutesOptions): Router {
  const router = new Router();
  const ownForm: Middleware = async (ctx, next) => {
    if (!sessions.sentFromHere(ctx)) ctx.throw(403, 'This form was sent from another site.');
    await next();
  };

  router.get('/style.css', (ctx) => {
    ctx.type = 'css';
    ctx.set('Cache-Control', 'public, max-age=3600');
    ctx.body = STYLE;
  });
  router.get(
    '/health',
    highqHealth((ctx) => instances.of(ctx).manager),
  );
  router.get('/login', (ctx) => {
    show(ctx, 'Sign in', loginView({ to: pathIn(ctx.query.to) }));
  });
  router.post('/login', ownForm, bodyParser({ enableTypes: ['form'], formLimit: '8kb' }), (ctx) => {
    const { email = '', password = '', to } = (ctx.request.body ?? {}) as Record<string, string | undefined>;
    const user = signedInAs(email, password, firmPassword);
    if (!user) {
      ctx.status = 401;
      return show(ctx, 'Sign in', loginView({ email, failed: true, to: pathIn(to) }));
    }
    sessions.begin(ctx, user);
    seeOther(ctx, pathIn(to));
  });
  router.post('/logout', ownForm, (ctx) => {
    sessions.end(ctx);
    seeOther(ctx, '/login');
  });
  return router;
}
