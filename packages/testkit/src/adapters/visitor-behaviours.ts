import { expect } from 'vitest';
import { type Behaviour, DEFAULT_ROUTES, LIMITED, userOf } from './bench.ts';
import { refusalOf } from './refusal.ts';

const SAME = { 'sec-fetch-site': 'same-origin' };

/** Who a visitor is, and what this one may. */
export const VISITOR_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'F109 undefined, null and an empty id are nobody: no connection, and 401 where one is needed',
    async run(bench) {
      for (const nobody of [undefined, null, '']) {
        const app = await bench.open({ mount: { connectionId: async () => nobody } });
        await app.manager.connection().importTokens({
          access_token: 'a',
          refresh_token: 'r',
          expires_in: 18_000,
        });
        expect(await (await app.ask('/')).json()).toEqual({ highq: null });
        const refused = await app.ask('/sites');
        expect([refused.status, refused.headers.get('content-type')]).toEqual([
          401,
          'application/problem+json',
        ]);
        const problem = await refused.json();
        expect(problem).toMatchObject({ code: 'not_connected', status: 401 });
        expect(problem).not.toHaveProperty('connectUrl');
        expect((await app.ask('/highq/connect')).status).toBe(401);
        const post = { method: 'POST', headers: SAME };
        for (const path of ['/highq/connect', '/highq/confirm', '/highq/disconnect']) {
          expect([path, (await app.ask(path, 'ann', post)).status]).toEqual([path, 401]);
        }
        expect((await app.manager.connection().status()).state).toBe('active');
      }
    },
  },
  {
    title: 'connectionId: a string is one connection for all visitors, and authorize says who may change it',
    async run(bench) {
      const asked: string[] = [];
      const app = await bench.open({
        mount: {
          connectionId: 'firm',
          authorize: async (visitor, action) => {
            asked.push(action);
            return userOf(visitor) === 'ann';
          },
        },
      });
      await app.connect('firm');
      for (const user of ['ann', 'bob', null]) {
        expect(await (await app.ask('/', user)).json()).toEqual({ highq: 'firm' });
        expect((await app.ask('/sites', user)).status).toBe(200);
      }
      expect(asked).toEqual([]);
      expect((await app.ask('/highq/connect', 'bob')).status).toBe(403);
      const post = { method: 'POST', headers: SAME };
      const refused = await app.ask('/highq/disconnect', 'bob', post);
      expect([refused.status, await refused.json()]).toMatchObject([
        403,
        { code: 'route_refused', reason: 'not_authorized' },
      ]);
      expect((await app.ask('/highq/disconnect', 'ann', post)).status).toBe(204);
      expect(asked).toEqual(['connect', 'disconnect', 'disconnect']);
    },
  },
  {
    title: 'connectionId: a string without authorize is refused at the start',
    async run(bench) {
      const refusal = await refusalOf(bench, { mount: { connectionId: 'firm' } });
      expect(refusal).toMatch(/authorize: is required with a shared connectionId/);
    },
  },
  {
    title: 'connectionId: a function may take its time, and each visitor has a grant of their own',
    async run(bench) {
      const app = await bench.open({ mount: { connectionId: async (visitor) => userOf(visitor) ?? null } });
      await app.connect('ann');
      await app.connect('bob', LIMITED);
      expect(await (await app.ask('/', 'ann')).json()).toEqual({ highq: 'ann' });
      expect(await (await app.ask('/', 'bob')).json()).toEqual({ highq: 'bob' });
      expect(await (await app.ask('/', null)).json()).toEqual({ highq: null });
      expect((await app.ask('/sites', 'bob')).status).toBe(200);
    },
  },
  {
    title: 'connectionId: what is neither text nor nothing is told as a mistake of the configuration',
    async run(bench) {
      const app = await bench.open({ mount: { connectionId: (() => 5) as never } });
      for (const path of ['/sites', '/highq/connect']) {
        const answer = await app.ask(path);
        expect([answer.status, await answer.json()]).toMatchObject([500, { code: 'configuration' }]);
      }
    },
  },
  {
    title: 'authorize: who may not connect sees no button and begins nothing',
    async run(bench) {
      const app = await bench.open({
        mount: { authorize: (visitor, action) => action !== 'connect' || userOf(visitor) === 'ann' },
      });
      expect((await app.ask('/highq/connect', 'ann')).status).toBe(200);
      expect((await app.ask('/highq/connect', 'bob')).status).toBe(403);
      const begun = await app.ask('/highq/connect', 'bob', { method: 'POST', headers: SAME });
      expect([begun.status, begun.headers.getSetCookie()]).toEqual([403, []]);
      expect((await app.ask('/highq/disconnect', 'bob', { method: 'POST', headers: SAME })).status).toBe(204);
    },
  },
  {
    title:
      'a guarded route tells a program where a visitor who is known can connect, and a browser shows the button',
    async run(bench) {
      const app = await bench.open();
      const refused = await app.ask('/sites');
      expect(await refused.json()).toMatchObject({ code: 'not_connected', connectUrl: '/highq/connect' });
      const page = await app.browser().open(`${app.url}/sites?page=2`);
      expect([page.status, page.headers.get('content-type')]).toEqual([401, 'text/html; charset=utf-8']);
      expect(page.text).toContain('action="/highq/connect"');
      expect(page.text).toContain('value="/sites?page=2"');
      const anonymous = await app.browser(null).open(`${app.url}/sites`);
      expect([anonymous.status, anonymous.text.includes('<form')]).toEqual([401, false]);
    },
  },
  {
    title: 'a route without a guard serves everybody, with the connection of those who have one',
    async run(bench) {
      const app = await bench.open({ setup: () => ({ routes: DEFAULT_ROUTES }) });
      expect(await (await app.ask('/', null)).json()).toEqual({ highq: null });
      expect(await (await app.ask('/', 'ann')).json()).toEqual({ highq: 'ann' });
    },
  },
];
