import { type Connection, createTokenManager, memoryStore } from '@hq-oauth/core';
import { type HighQOptions, highq, highqErrors, highqHealth, requireHighQ } from '@hq-oauth/koa';
import Koa, { type Middleware } from 'koa';

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
  connectionId: (ctx) => ctx.get('x-user'),
  expectedUser: (ctx) => ctx.get('x-mail'),
  authorize: (ctx, action) => action === 'connect' && ctx.secure,
};
const sites: Middleware = async (ctx) => {
  const connection: Connection = ctx.highq;
  ctx.body = await connection.client('6/sites').json<{ site: unknown[] }>();
};
const app = new Koa<{ userId?: string }, { own: number }>();
app.use(highqErrors());
app.use(highq(options));
app.use((ctx, next) => (ctx.path === '/health' ? highqHealth(manager)(ctx, next) : next()));
app.use(requireHighQ());
app.use(async (ctx, next) => {
  ctx.state.userId = (await ctx.highq.status()).connectionId;
  await next();
});
app.use(sites);
console.log(app.middleware.length);
void manager.close();
