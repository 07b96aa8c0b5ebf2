import { type Connection, createTokenManager, memoryStore } from '@hq-oauth/core';
import {
  type HighQOptions,
  highq,
  highqErrors,
  highqHealth,
  highqProxy,
  requireHighQ,
} from '@hq-oauth/express';
import express, { type Express, type RequestHandler } from 'express';

const manager = createTokenManager({
  instanceUrl: 'https://acme.highq.com/acme',
  clientId: '1012',
  clientSecret: 'secret',
  redirectUri: 'https://matters.example.com/highq/callback',
  encryption: false,
  store: memoryStore(),
});
const options: HighQOptions = {
  manager,
  connectionId: (req) => req.get('x-user'),
  expectedUser: (req) => req.get('x-mail'),
  authorize: (req, action) => action === 'connect' && req.secure,
};
const sites: RequestHandler = async (req, res) => {
  const connection: Connection = req.highq;
  res.json(await connection.client('6/sites').json<{ site: unknown[] }>());
};
const app: Express = express();
app.use(highq(options));
app.get('/sites', requireHighQ(), sites);
app.get('/inline', requireHighQ(), async (req, res) => res.json(await req.highq.status()));
app.get('/health', highqHealth(manager));
app.use(
  '/api',
  requireHighQ(),
  highqProxy({ allow: ({ method, path }) => method === 'GET' && path.startsWith('6/') }),
);
app.use(highqErrors());
console.log(typeof app.listen);
void manager.close();
