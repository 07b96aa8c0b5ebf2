import {
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
import type { Express, Request, Response } from 'express';
import type { Show } from './app.ts';

/** The pages that show what is in HighQ. Each call goes out with a valid token, or throws what `highqErrors` answers. */
export function matterRoutes(app: Express, show: Show): void {
  const notFound = (req: Request, res: Response): void => {
    res.status(404);
    const text = 'HighQ does not show you a site or an iSheet of this number.';
    show(req, res, 'Not found', failureView('Not found', text), 'matters');
  };

  app.get('/matters', async (req, res) => {
    show(req, res, 'Matters', mattersView(await matters(req.highq.client)), 'matters');
  });

  app.get('/matters/:id', async (req, res) => {
    const matter = await matterOf(req);
    if (!matter) return notFound(req, res);
    show(req, res, matter.name, matterView(matter, await sheets(req.highq.client, matter.id)), 'matters');
  });

  app.get('/matters/:id/sheets/:sheet', async (req, res) => {
    const matter = await matterOf(req);
    const all = matter ? await sheets(req.highq.client, matter.id) : [];
    const sheet = all.find(({ id }) => id === req.params.sheet);
    if (!matter || !sheet) return notFound(req, res);
    const offset = offsetIn(req.query.offset);
    const page = await sheetPage(req.highq.client, sheet.id, offset);
    show(req, res, sheet.name, sheetView(matter, sheet, page, offset), 'matters');
  });

  app.get('/people', async (req, res) => {
    const email = typeof req.query.email === 'string' ? req.query.email.trim() : '';
    const found = email === '' ? {} : await lookUp(req.highq.client, email);
    show(req, res, 'People', peopleView({ email, ...found }), 'people');
  });
}

async function matterOf(req: Request): Promise<Matter | undefined> {
  return (await matters(req.highq.client)).find(({ id }) => id === req.params.id);
}
