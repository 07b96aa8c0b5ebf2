import type { TokenManager } from '@hq-oauth/core';
import { highq, highqErrors, highqHealth, requireHighQ } from '@hq-oauth/express';
import {
  connectionView,
  failureOf,
  failureView,
  type Html,
  layout,
  loginView,
  PAGE_HEADERS,
  pathIn,
  type Section,
  STYLE,
  signedInAs,
} from 'example-kit';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import { matterRoutes } from './matter-routes.ts';
import { createSessions } from './session.ts';

export interface Dependencies {
  readonly manager: TokenManager;
  readonly publicUrl: string;
  readonly sessionSecret: string;
  readonly firmPassword: string;
}

/** Answers with a page of this program. */
export type Show = (req: Request, res: Response, title: string, content: Html, section?: Section) => void;

export function createApp({ manager, firmPassword, ...sessionOptions }: Dependencies): Express {
  const app = express();
  const sessions = createSessions(sessionOptions);
  const { firmOnly } = sessions;
  const show: Show = (req, res, title, content, section) => {
    res
      .type('html')
      .send(layout({ title, user: sessions.userOf(req), ...(section && { section }) }, content));
  };
  const ownForm: RequestHandler = (req, res, next) => {
    if (sessions.sentFromHere(req)) return next();
    res.status(403);
    show(req, res, 'Not accepted', failureView('Not accepted', 'This form was sent from another site.'));
  };

  app.disable('x-powered-by');
  app.get('/style.css', (_req, res) => {
    res.type('css').set('Cache-Control', 'public, max-age=3600').send(STYLE);
  });
  app.get('/health', highqHealth(manager));
  app.use((_req, res, next) => {
    res.set(PAGE_HEADERS);
    next();
  });

  app.get('/login', (req, res) => {
    show(req, res, 'Sign in', loginView({ to: pathIn(req.query.to) }));
  });
  app.post('/login', ownForm, express.urlencoded({ extended: false, limit: '8kb' }), (req, res) => {
    const { email = '', password = '', to } = req.body as Record<string, string | undefined>;
    const user = signedInAs(email, password, firmPassword);
    if (!user) {
      res.status(401);
      return show(req, res, 'Sign in', loginView({ email, failed: true, to: pathIn(to) }));
    }
    sessions.begin(res, user);
    res.redirect(303, pathIn(to));
  });
  app.post('/logout', ownForm, (_req, res) => {
    sessions.end(res);
    res.redirect(303, '/login');
  });

  app.use(
    highq({
      manager,
      connectionId: (req) => sessions.userOf(req)?.id,
      authorize: (req, action) => sessions.userOf(req) !== null && action !== 'status-all',
      returnTo: '/matters',
      statusBackTo: '/connection',
    }),
  );
  app.get('/', firmOnly, (_req, res) => res.redirect(303, '/matters'));
  app.use(['/matters', '/people', '/connection'], firmOnly, requireHighQ());
  matterRoutes(app, show);
  app.get('/connection', async (req, res) => {
    const [status, history] = await Promise.all([req.highq.status(), req.highq.history({ limit: 10 })]);
    show(req, res, 'Connection', connectionView(status, history), 'connection');
  });

  app.use((req, res) => {
    res.status(404);
    show(req, res, 'Not found', failureView('Not found', 'There is no such page.'));
  });
  app.use(highqErrors());
  app.use(unexpected(show));
  return app;
}

function unexpected(show: Show): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    if (res.headersSent) return next(error);
    const { status, title, text, log } = failureOf(error);
    console.error(`${req.method} ${req.path}:`, log);
    res.status(status);
    show(req, res, title, failureView(title, text));
  };
}
