import { Agent } from 'node:http';
import { expect } from 'vitest';
import { type Behaviour, DEFAULT_ROUTES, MIB, USER } from './bench.ts';
import { exchange, textOf } from './exchange.ts';
import { PROXY, SAME } from './proxy-steps.ts';
import { signIn } from './steps.ts';

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const COOKIE = { cookie: 'user=ann' };

/** HTTP itself, wherever the application is mounted. */
export const TRANSPORT_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'http: below a prefix, addresses are those that browsers see',
    async run(bench) {
      const app = await bench.open({
        mount: ({ managerFor }) => ({
          basePath: '/portal/highq',
          manager: managerFor('/portal/highq/callback'),
          proxy: { path: `/portal${PROXY}` },
        }),
        setup: () => ({ prefix: '/portal', routes: DEFAULT_ROUTES }),
      });
      const browser = app.browser();
      const sites = await signIn(app, browser, { path: '/portal/sites', basePath: '/portal/highq' });
      expect([sites.status, sites.url.href]).toEqual([200, `${app.url}/portal/sites`]);
      expect((await app.ask(`/portal${PROXY}/6/users/${USER}?type=email`)).status).toBe(200);
      expect((await app.ask('/portal/health')).status).toBe(200);
      for (const path of ['/highq/connect', '/portal/highq/nothing']) {
        expect([path, (await app.ask(path)).status]).toEqual([path, 404]);
      }
    },
  },
  {
    title: 'http: one connection serves one answer after the other, refused bodies and broken forms included',
    async run(bench) {
      const app = await bench.open({ mount: { proxy: { path: PROXY, allow: ['GET', 'POST'] } } });
      await app.connect();
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const reused: boolean[] = [];
      const ask = async (path: string, method = 'GET', headers: Record<string, string> = {}, body = '') => {
        const sent = { method, headers: { ...COOKIE, ...headers }, agent, ...(body !== '' && { body }) };
        const response = await exchange(app.url + path, sent);
        await textOf(response);
        reused.push(Reflect.get(response, 'req').reusedSocket);
        return response.statusCode;
      };
      const padding = `padding=${'x'.repeat(30_000)}`;
      const statuses = [
        await ask('/highq/connect'),
        await ask('/sites'),
        await ask('/highq/connect', 'POST', { ...SAME, ...FORM }, 'returnTo=%2F'),
        await ask('/highq/connect', 'POST', { 'sec-fetch-site': 'cross-site', ...FORM }, padding),
        await ask('/highq/confirm', 'POST', { ...SAME, ...FORM }, padding),
        await ask('/highq/callback', 'POST', { ...SAME, ...FORM }, padding),
        await ask('/highq/callback?code=1'),
        await ask(`${PROXY}/6/sites`),
        await ask(`${PROXY}/6/sites`, 'POST', { origin: 'https://evil.example', ...FORM }, padding),
        await ask(`${PROXY}/6/documents/1/content?size=100000`),
        await ask('/health'),
        await ask('/nothing'),
      ];
      expect(statuses).toEqual([200, 200, 303, 403, 400, 405, 400, 200, 403, 200, 200, 404]);
      expect(reused).toEqual(reused.map((_, index) => index > 0));
      agent.destroy();
    },
  },
  {
    title:
      'http: a HEAD of a page has its headers and no body, and a guarded route is guarded for it as well',
    async run(bench) {
      const app = await bench.open();
      const page = await exchange(`${app.url}/highq/connect`, { method: 'HEAD', headers: COOKIE });
      expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
      expect(await textOf(page)).toBe('');
      const refused = await exchange(`${app.url}/sites`, { method: 'HEAD' });
      expect([refused.statusCode, await textOf(refused)]).toEqual([401, '']);
    },
  },
  {
    title: 'http: a method that a route does not know is 405, with those that it knows and no type',
    async run(bench) {
      const app = await bench.open();
      const known = {
        connect: 'GET, HEAD, POST',
        callback: 'GET, HEAD',
        confirm: 'GET, HEAD, POST',
        disconnect: 'POST',
      };
      for (const [route, allow] of Object.entries(known)) {
        for (const method of ['PUT', 'DELETE', 'PATCH']) {
          const { status, headers } = await app.ask(`/highq/${route}`, 'ann', { method });
          expect([route, status, headers.get('allow'), headers.get('content-type')]).toEqual([
            route,
            405,
            allow,
            null,
          ]);
        }
      }
    },
  },
  {
    title: 'http: survives a Host header that is none',
    async run(bench) {
      const app = await bench.open();
      for (const host of ['a b', '[', 'x:y:z', '%00']) {
        const { statusCode } = await exchange(`${app.url}/sites`, { headers: { ...COOKIE, host } });
        expect([host, statusCode]).toEqual([host, 401]);
      }
      expect((await app.ask('/highq/connect')).status).toBe(200);
    },
  },
  {
    title: 'http: a form of 10 MiB is answered, and the next request served',
    async run(bench) {
      const app = await bench.open();
      const headers = { ...COOKIE, ...SAME, ...FORM };
      const body = `padding=${'x'.repeat(10 * MIB)}&decision=confirm`;
      const answer = await exchange(`${app.url}/highq/confirm`, { method: 'POST', headers, body });
      expect(answer.statusCode).toBe(400);
      answer.destroy();
      expect((await app.ask('/highq/connect')).status).toBe(200);
    },
  },
  {
    title: 'http: a route that is asked for in another spelling is none, and is answered',
    async run(bench) {
      const app = await bench.open();
      for (const path of ['/%68ighq/connect', '/highq/%63onnect', '/highq/connect/', '//highq/connect']) {
        const answer = await exchange(app.url + path, { headers: COOKIE });
        expect([path, answer.statusCode]).toEqual([path, 404]);
      }
    },
  },
  {
    title: 'http: an address that cannot be decoded is the mistake of who asked',
    async run(bench) {
      const app = await bench.open({ mount: { proxy: { path: PROXY } } });
      await app.connect();
      for (const path of ['/%E0%A4%A', '/highq/%', `${PROXY}/%E0%A4%A`]) {
        const answer = await exchange(app.url + path, { headers: COOKIE });
        const status = answer.statusCode ?? 0;
        expect([path, status >= 400 && status < 500]).toEqual([path, true]);
      }
    },
  },
  {
    title: 'http: fifty visitors at once each get their own answer',
    async run(bench) {
      const app = await bench.open();
      const users = Array.from({ length: 50 }, (_, index) => `user-${index}`);
      const answers = await Promise.all(users.map(async (user) => (await app.ask('/', user)).json()));
      expect(answers).toEqual(users.map((highq) => ({ highq })));
    },
  },
];
