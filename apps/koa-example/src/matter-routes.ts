import type { Connection } from '@hq-oauth/core';
import { requireHighQ } from '@hq-oauth/koa';
import Router from '@koa/router';
import {
  connectionView,
  failureView,
  lookUp,
  type Matter,
  matters,
  mattersView,
  matterView,
  offsetIn,
  peopleView,
  sheetPage,
  sheets,
  sheetView,
} from 'example-kit';
import type { Context } from 'koa';
import type { Show } from './app.ts';
import { type Sessions, seeOther } from './session.ts';

/** The pages that show what is in HighQ. Each call goes out with a valid token, or throws what `highqErrors` answers. */
export function matterRoutes({ sessions, show }: { sessions: Sessions; show: Show }): Router {
  const router = new Router();
  router.use(sessions.firmOnly, requireHighQ());
  const notFound = (ctx: Context): void => {
    ctx.status = 404;
    const text = 'HighQ does not show you a site or an iSheet of this number.';
    show(ctx, 'Not found', failureView('Not found', text), 'matters');
  };

  router.get('/', (ctx) => seeOther(ctx, '/matters'));

  router.get('/matters', async (ctx) => {
    show(ctx, 'Matters', mattersView(await matters(ctx.highq.client)), 'matters');
  });

  router.get('/matters/:id', async (ctx) => {
    const matter = await matterOf(ctx.highq, ctx.params.id);
    if (!matter) return notFound(ctx);
    show(ctx, matter.name, matterView(matter, await sheets(ctx.highq.client, matter.id)), 'matters');
  });

  router.get('/matters/:id/sheets/:sheet', async (ctx) => {
    const matter = await matterOf(ctx.highq, ctx.params.id);
    const all = matter ? await sheets(ctx.highq.client, matter.id) : [];
    const sheet = all.find(({ id }) => id === ctx.params.sheet);
    if (!matter || !sheet) return notFound(ctx);
    const offset = offsetIn(ctx.query.offset);
    const page = await sheetPage(ctx.highq.client, sheet.id, offset);
    show(ctx, sheet.name, sheetView(matter, sheet, page, offset), 'matters');
  });

  router.get('/people', async (ctx) => {
    const email = typeof ctx.query.email === 'string' ? ctx.query.email.trim() : '';
    const found = email === '' ? {} : await lookUp(ctx.highq.client, email);
    show(ctx, 'People', peopleView({ email, ...found }), 'people');
  });

  router.get('/connection', async (ctx) => {
    const [status, history] = await Promise.all([ctx.highq.status(), ctx.highq.history({ limit: 10 })]);
    show(ctx, 'Connection', connectionView(status, history), 'connection');
  });
  return router;
}

async function matterOf(highq: Connection, id: string | undefined): Promise<Matter | undefined> {
  return (await matters(highq.client)).find((one) => one.id === id);
}
