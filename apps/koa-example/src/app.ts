import { highq, highqErrors } from '@hq-oauth/koa';
import { failureOf, failureView, type Html, layout, PAGE_HEADERS, type Section } from 'example-kit';
import Koa, { type Context, HttpError, type Middleware } from 'koa';
import { firmRoutes } from './firm-routes.ts';
import type { Instances } from './instances.ts';
import { matterRoutes } from './matter-routes.ts';
import { createSessions } from './session.ts';

export interface Dependencies {
  readonly instances: Instances;
  readonly sessionSecret: string;
  readonly firmPassword: string;
}

/** Answers with a page of this program. */
export type Show = (ctx: Context, title: string, content: Html, section?: Section) => void;

export function createApp({ instances, sessionSecret, firmPassword }: Dependencies): Koa {
  const app = new Koa();
  const sessions = createSessions(instances, sessionSecret);
  const show: Show = (ctx, title, content, section) => {
    const here = instances.find(ctx);
    const frame = {
      title,
      user: here ? sessions.userOf(ctx) : null,
      places: instances.all.map(({ name, publicUrl }) => ({
        name,
        url: publicUrl,
        here: name === here?.name,
      })),
      ...(section && { section }),
    };
    ctx.type = 'html';
    ctx.body = layout(frame, content);
  };

  app.use(async (ctx, next) => {
    ctx.set(PAGE_HEADERS);
    await next();
  });
  app.use(unexpected(show));
  // Before anything else looks at the visitor: at which instance they are.
  app.use(async (ctx, next) => {
    instances.of(ctx);
    await next();
  });
  app.use(firmRoutes({ instances, sessions, firmPassword, show }).routes());

  app.use(highqErrors());
  app.use(
    highq({
      manager: (ctx) => instances.of(ctx).manager,
      connectionId: (ctx) => sessions.userOf(ctx)?.id,
      authorize: (ctx, action) => sessions.userOf(ctx) !== null && action !== 'status-all',
      returnTo: '/matters',
      statusBackTo: '/connection',
    }),
  );
  app.use(matterRoutes({ sessions, show }).routes());
  app.use((ctx) => {
    ctx.status = 404;
    show(ctx, 'Not found', failureView('Not found', 'There is no such page.'));
  });
  return app;
}

/** Koa runs middleware like the layers of an onion: this one sees what the ones within let through. */
function unexpected(show: Show): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      if (ctx.headerSent) throw error;
      if (error instanceof HttpError && error.expose) {
        ctx.status = error.status;
        return show(ctx, 'Not accepted', failureView('Not accepted', error.message));
      }
      const { status, title, text, log } = failureOf(error);
      console.error(`${ctx.method} ${ctx.path}:`, log);
      ctx.status = status;
      show(ctx, title, failureView(title, text));
    }
  };
}
