import { isHighQError, type TokenManager } from '@hq-oauth/core';
import { highq, highqErrors, highqHealth, requireHighQ } from '@hq-oauth/express';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import { type FirmUser, signedInAs } from './firm-users.ts';
import { matterRoutes } from './matter-routes.ts';
import { createSessions, sentFromHere } from './session.ts';
import { connectionView } from './views/connection.ts';
import { failureView } from './views/failure.ts';
import type { Html } from './views/html.ts';
import { layout, type Section } from './views/layout.ts';
import { loginView } from './views/login.ts';
import { STYLE } from './views/style.ts';

export interface Dependencies {
  readonly manager: TokenManager;
  readonly publicUrl: string;
  readonly sessionSecret: string;
  readonly firmPassword: string;
}

/** Answers with a page of this program. */
export type Show = (req: Request, res: Response, title: string, content: Html, section?: Section) => void;

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

export function createApp({ manager, publicUrl, sessionSecret, firmPassword }: Dependencies): Express {
  const app = express();
  const sessions = createSessions({ secret: sessionSecret, secure: publicUrl.startsWith('https:') });
  const userOf = (req: Request): FirmUser | null => sessions.userOf(req);
  const show: Show = (req, res, title, content, section) => {
    res.type('html').send(layout({ title, user: userOf(req), ...(section && { section }) }, content));
  };
  const ownForm: RequestHandler = (req, res, next) => {
    if (sentFromHere(req, publicUrl)) return next();
    res.status(403);
    show(req, res, 'Not accepted', failureView('Not accepted', 'This form was sent from another site.'));
  };
  const firmOnly: RequestHandler = (req, res, next) => {
    if (userOf(req)) return next();
    const to = req.method === 'GET' ? req.originalUrl : '/';
    res.redirect(303, `/login?to=${encodeURIComponent(to)}`);
  };

  app.disable('x-powered-by');
  app.get('/style.css', (_req, res) => {
    res.type('css').set('Cache-Control', 'public, max-age=3600').send(STYLE);
  });
  app.get('/health', highqHealth(manager));
  app.use((_req, res, next) => {
    res.set(HEADERS);
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

  app.use(highq({ manager, connectionId: (req) => userOf(req)?.id, returnTo: '/matters' }));
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

/** A path of this program, whatever was asked for. */
function pathIn(value: unknown): string {
  const here = 'http://here.invalid';
  if (typeof value !== 'string' || !value.startsWith('/') || !URL.canParse(value, here)) return '/';
  const url = new URL(value, here);
  return url.origin === here && !url.pathname.startsWith('//') ? url.pathname + url.search : '/';
}

function unexpected(show: Show): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    if (res.headersSent) return next(error);
    const status = statusFromHighQ(error);
    console.error(status === null ? error : `HighQ answered ${status} to ${req.method} ${req.path}`);
    if (status === 404) {
      res.status(404);
      return show(req, res, 'Not found', failureView('Not found', 'HighQ does not know what you asked for.'));
    }
    res.status(status === null ? 500 : 502);
    const text =
      status === null
        ? 'This program failed. Its log says how.'
        : `HighQ answered with an error (${status}). Try again in a moment.`;
    show(req, res, 'Something went wrong', failureView('Something went wrong', text));
  };
}

/** The status of an answer of HighQ's API that the client threw; `null` for any other error. */
export function statusFromHighQ(error: unknown): number | null {
  if (isHighQError(error) || !(error instanceof Error) || error.name !== 'HTTPError') return null;
  return 'response' in error && error.response instanceof globalThis.Response ? error.response.status : null;
}
