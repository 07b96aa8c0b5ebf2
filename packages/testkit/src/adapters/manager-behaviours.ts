import { memoryStore } from '@hq-oauth/core';
import { expect } from 'vitest';
import { type App, type Behaviour, LIMITED, USER, userOf, type World } from './bench.ts';
import { exchange, textOf } from './exchange.ts';
import type { HostMount, HostRoute } from './host.ts';
import { refusalOf } from './refusal.ts';
import { signIn } from './steps.ts';

const SAME = { 'sec-fetch-site': 'same-origin' };

function second({ managerFor }: World, more: Partial<HostMount> = {}): HostMount {
  return {
    name: 'highqClient',
    basePath: '/client',
    manager: managerFor('/client/callback'),
    connectionId: userOf,
    ...more,
  };
}

const first = ({ manager }: World): HostMount => ({ manager, connectionId: userOf });

const TWO_ROUTES: readonly HostRoute[] = [
  { path: '/', guarded: false, answer: (connection) => ({ highq: connection?.id ?? null }) },
  { path: '/sites', guarded: true, answer: (connection) => connection?.client('6/sites').json() },
  {
    path: '/client-account',
    name: 'highqClient',
    guarded: true,
    answer: async (connection) => {
      await connection?.getAccessToken();
      const status = await connection?.status();
      return { instance: status?.instanceUrl, account: status?.userEmail };
    },
  },
];

async function hostOf(app: App, host: string, path: string): Promise<string> {
  return textOf(await exchange(app.url + path, { headers: { host, cookie: 'user=ann' } }));
}

/** One manager or several, where their routes are, and which of them a request is for. */
export const MANAGER_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'manager: a function of the request gives each host a tenant of its own',
    async run(bench) {
      const other = await bench.other();
      const app = await bench.open({
        mount: ({ manager, managerFor }) => {
          const beta = managerFor('/highq/callback', {
            instanceUrl: other.instanceUrl,
            clientId: other.env.HIGHQ_CLIENT_ID,
            clientSecret: other.env.HIGHQ_CLIENT_SECRET,
          });
          return { manager: async (visitor) => (visitor.header('host') === 'b.example' ? beta : manager) };
        },
        setup: () => ({
          routes: [
            {
              path: '/instance',
              guarded: false,
              answer: async (connection) => (await connection?.status())?.instanceUrl,
            },
          ],
        }),
      });
      for (const [host, { instanceUrl }] of [
        ['a.example', app.emulator],
        ['b.example', other],
      ] as const) {
        expect(JSON.parse(await hostOf(app, host, '/instance'))).toBe(instanceUrl);
        expect(await hostOf(app, host, '/highq/connect')).toContain(new URL(instanceUrl).host);
        const headers = { host, cookie: 'user=ann', ...SAME };
        const begun = await exchange(`${app.url}/highq/connect`, { method: 'POST', headers });
        expect(begun.headers.location).toContain(`${instanceUrl}/authorize.action`);
      }
    },
  },
  {
    title: 'manager: a function of the request serves a whole sign-in',
    async run(bench) {
      const app = await bench.open({ mount: ({ manager }) => ({ manager: async () => manager }) });
      expect((await signIn(app, app.browser())).status).toBe(200);
    },
  },
  {
    title: 'F110 two managers stand side by side, each with its own routes, cookies and errors',
    async run(bench) {
      const app = await bench.open({
        setup: (world) => ({ mounts: [first(world), second(world)], routes: TWO_ROUTES }),
      });
      const refused = await app.ask('/client-account');
      expect(await refused.json()).toMatchObject({ connectUrl: '/client/connect' });
      expect((await app.ask('/client-account', null)).status).toBe(401);
      expect(await (await app.ask('/sites')).json()).toMatchObject({ connectUrl: '/highq/connect' });
      const browser = app.browser();
      await signIn(app, browser, { path: '/client-account', basePath: '/client', account: LIMITED });
      await signIn(app, browser, { path: '/highq/connect?returnTo=/sites', account: LIMITED });
      expect((await app.ask('/client-account')).status).toBe(200);
      const begun = await Promise.all(
        ['/highq/connect', '/client/connect'].map((path) => browser.send(app.url + path, 'POST', '', SAME)),
      );
      const names = begun.map(({ headers }) => headers.getSetCookie().map((line) => line.split('=')[0]));
      expect(names).toEqual([['highq-login'], ['highq-login-client']]);
    },
  },
  {
    title:
      'F110 two instances on one store with the same ids are never mixed: routes, lists, callbacks and proxies',
    async run(bench) {
      const other = await bench.other();
      const store = memoryStore();
      const beta = {
        store,
        instanceUrl: other.instanceUrl,
        clientId: other.env.HIGHQ_CLIENT_ID,
        clientSecret: other.env.HIGHQ_CLIENT_SECRET,
      };
      let client: HostMount['manager'] | null = null;
      const app = await bench.open({
        manager: { store },
        setup: (world) => {
          const own = second(world, {
            manager: world.managerFor('/client/callback', beta),
            proxy: { path: '/client-api' },
          });
          client = own.manager;
          return { mounts: [{ ...first(world), proxy: { path: '/highq-api' } }, own], routes: TWO_ROUTES };
        },
      });
      const { code } = await other.authorize({ user: LIMITED });
      if (client === null || typeof client === 'function') throw new Error('the second manager is missing');
      const manager: App['manager'] = client;
      await manager.connection('ann').exchangeCode(code);
      // The other one is connected now, and this one is as it was.
      expect((await app.ask('/sites')).status).toBe(401);
      expect((await app.ask('/highq-api/6/sites')).status).toBe(401);
      expect(await (await app.ask('/client-account')).json()).toEqual({
        instance: other.instanceUrl,
        account: LIMITED,
      });
      await app.connect('ann');
      const asked = [app.emulator.requests.count(), other.requests.count()];
      expect((await app.ask(`/highq-api/6/users/${USER}?type=email`)).status).toBe(200);
      expect((await app.ask(`/client-api/6/users/${LIMITED}?type=email`)).status).toBe(200);
      expect([app.emulator.requests.count(), other.requests.count()]).toEqual(
        asked.map((count) => count + 1),
      );
      const list = async (from: App['manager']) => {
        const found: unknown[] = [];
        for await (const { connectionId, userEmail } of from.connections())
          found.push([connectionId, userEmail]);
        return found;
      };
      expect([await list(app.manager), await list(manager)]).toEqual([[['ann', USER]], [['ann', LIMITED]]]);
      const out = await app.ask('/client/disconnect', 'ann', { method: 'POST', headers: SAME });
      expect(out.status).toBe(204);
      expect((await app.ask('/sites')).status).toBe(200);
    },
  },
  {
    title: 'two managers on one path are refused',
    async run(bench) {
      const refusal = await refusalOf(bench, {
        setup: (world) => ({
          mounts: [first(world), { ...second(world), basePath: '/highq', manager: world.manager }],
        }),
      });
      expect(refusal).toMatch(/basePath: two of .* have the path \/highq/);
    },
  },
  {
    title: 'two managers of one name are refused',
    async run(bench) {
      const refusal = await refusalOf(bench, {
        setup: (world) => {
          const { name: _, ...nameless } = second(world);
          return { mounts: [first(world), nameless] };
        },
      });
      expect(refusal).toMatch(/two of .* have the name/);
    },
  },
  {
    title: 'a callback route elsewhere than the redirect URI is refused at the start',
    async run(bench) {
      const refusal = await refusalOf(bench, { mount: { basePath: '/elsewhere' } });
      expect(refusal).toMatch(/redirectUri .*has the path \/highq\/callback, .* is at \/elsewhere\/callback/);
    },
  },
  {
    title: 'routes can be moved, and a sign-in goes by where they are',
    async run(bench) {
      const app = await bench.open({
        mount: ({ managerFor }) => ({
          basePath: '/oauth',
          manager: managerFor('/return/from/highq'),
          routes: { callback: '/return/from/highq', disconnect: 'bye' },
        }),
      });
      const browser = app.browser();
      expect((await signIn(app, browser, { basePath: '/oauth' })).status).toBe(200);
      expect(browser.trail.some((url) => url.startsWith(`${app.url}/return/from/highq?code=`))).toBe(true);
      for (const gone of ['/highq/connect', '/oauth/callback'])
        expect((await app.ask(gone)).status).toBe(404);
      expect((await app.ask('/oauth/bye', 'ann', { method: 'POST', headers: SAME })).status).toBe(204);
    },
  },
  {
    title: 'a route that is off belongs to the application, and errors do not lead there',
    async run(bench) {
      const app = await bench.open({
        mount: { routes: { connect: false, disconnect: false } },
        setup: () => ({
          routes: [
            { path: '/highq/connect', guarded: false, answer: () => 'of the application' },
            { path: '/sites', guarded: true, answer: (connection) => connection?.client('6/sites').json() },
          ],
        }),
      });
      expect(await (await app.ask('/highq/connect')).json()).toBe('of the application');
      expect((await app.ask('/highq/disconnect', 'ann', { method: 'POST', headers: SAME })).status).toBe(404);
      expect(await (await app.ask('/sites')).json()).not.toHaveProperty('connectUrl');
    },
  },
  {
    title: 'returnTo: a sign-in that did not say goes where the options say',
    async run(bench) {
      const app = await bench.open({
        mount: { returnTo: '/home?from=highq', expectedUser: () => USER },
      });
      const begun = await app.ask('/highq/connect', 'ann', { method: 'POST', headers: SAME });
      const [cookie = ''] = begun.headers.getSetCookie();
      const { code } = await app.emulator.authorize({});
      const browser = app.browser();
      const [name = '', value = ''] = (cookie.split(';')[0] ?? '').split('=');
      browser.cookies.get(new URL(app.url).host)?.set(name, value);
      const back = await browser.send(`${app.url}/highq/callback?code=${code}`);
      expect([back.status, back.headers.get('location')]).toEqual([303, '/home?from=highq']);
    },
  },
];
