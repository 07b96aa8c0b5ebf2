import { once } from 'node:events';
import { createServer } from 'node:http';
import {
  type AdapterHost,
  type HostSetup,
  optionsFor,
  type Visitor,
  visitorOfHeaders,
} from '@hq-oauth/testkit/adapters';
import express, { type ErrorRequestHandler, type Request, type RequestHandler, Router } from 'express';
import { highq, highqErrors, highqHealth, highqProxy, requireHighQ } from './index.ts';

const visitorOf = (req: Request): Visitor => visitorOfHeaders(req.headers);

/** What stands before hq-oauth in the application. */
function before({ bodies, cookie }: HostSetup): RequestHandler[] {
  const handlers: RequestHandler[] = [];
  if (cookie !== null) {
    handlers.push((_req, res, next) => {
      res.append('set-cookie', cookie);
      next();
    });
  }
  if (bodies === 'parsed') handlers.push(express.json(), express.urlencoded({ extended: true }));
  if (bodies === 'consumed') {
    handlers.push(async (req, _res, next) => {
      for await (const _chunk of req);
      next();
    });
  }
  return handlers;
}

function application(setup: HostSetup): Router {
  const router = Router();
  for (const mount of setup.mounts) router.use(highq({ ...optionsFor(mount, visitorOf), ...nameOf(mount) }));
  for (const { proxy, name } of setup.mounts) {
    if (!proxy) continue;
    const { path, ...options } = proxy;
    const at = path.slice(setup.prefix.length);
    router.use(at, requireHighQ(nameOf({ name })), highqProxy({ ...options, ...nameOf({ name }) }));
  }
  for (const { path, name, guarded, answer } of setup.routes) {
    const guards = guarded ? [requireHighQ(nameOf({ name }))] : [];
    router.get(path, ...guards, async (req, res) => {
      res.json(await answer(Reflect.get(req, name ?? 'highq') ?? null));
    });
  }
  if (setup.health) router.get('/health', highqHealth(setup.health));
  return router;
}

function nameOf({ name }: { readonly name?: string | undefined }): { as?: string } {
  return name === undefined ? {} : { as: name };
}

const ownErrors =
  (setup: HostSetup): ErrorRequestHandler =>
  (error, _req, res, next) => {
    setup.onError(error);
    if (res.headersSent) return next(error);
    // The framework's own, such as an address that cannot be decoded, have a status.
    res
      .status(error.status ?? 418)
      .type('text')
      .send(error.message);
  };

export const expressHost: AdapterHost = {
  name: 'express',
  async start(setup) {
    const app = express();
    const handlers = before(setup);
    if (handlers.length > 0) app.use(...handlers);
    app.use(setup.prefix === '' ? '/' : setup.prefix, application(setup));
    app.use(highqErrors(), ownErrors(setup));
    const server = createServer(app).listen(setup.port, '127.0.0.1');
    await once(server, 'listening');
    return {
      url: `http://127.0.0.1:${setup.port}`,
      async stop() {
        const closed = once(server, 'close');
        server.close();
        server.closeAllConnections();
        await closed;
      },
    };
  },
};
