import { memoryStore } from '@hq-oauth/core';
import { expect } from 'vitest';
import { HingedStore } from '../crash/hinged-store.ts';
import {
  type App,
  type Behaviour,
  type Bench,
  HOUR_MS,
  LIMITED,
  type OpenOptions,
  USER,
  userOf,
} from './bench.ts';
import type { HttpBrowser } from './http-browser.ts';
import { refusalOf } from './refusal.ts';
import { signIn } from './steps.ts';

const STATUS = '/highq/status';
const SAME = { 'sec-fetch-site': 'same-origin' };
const JSON_ONLY = { accept: 'application/json' };
const MOST_BYTES = 50_000;

function open(bench: Bench, mount: Exclude<OpenOptions['mount'], undefined> = {}): Promise<App> {
  return bench.open({
    mount: (world) => ({
      authorize: (visitor, action) => action !== 'status-all' || userOf(visitor) === 'admin',
      ...(typeof mount === 'function' ? mount(world) : mount),
    }),
  });
}

async function jsonOf(answer: Response): Promise<Record<string, unknown>> {
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    'application/json; charset=utf-8',
  ]);
  return (await answer.json()) as Record<string, unknown>;
}

/** Presses a button of the page that the browser shows. */
async function press(app: App, browser: HttpBrowser, action: string) {
  const page = await browser.open(app.url + STATUS);
  const form =
    page.text.match(/<form[\s\S]*?<\/form>/g)?.find((one) => one.includes(`value="${action}"`)) ?? '';
  expect(form).toContain(`action="${STATUS}"`);
  return browser.submit(STATUS, { seen: /name="seen" value="([^"]*)"/.exec(form)?.[1] ?? '', action });
}

/** The page that tells a visitor about the connection. */
export const STATUS_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'status: a page for who asks for HTML, JSON for everybody else, and no token in either',
    async run(bench) {
      const app = await open(bench);
      await app.connect();
      const token = await app.manager.connection('ann').getAccessToken();
      const page = await app.browser().open(app.url + STATUS);
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(page.text).toContain(USER);
      expect(page.headers.get('vary')).toContain('Accept');
      expect(page.headers.get('cache-control')).toBe('no-store');
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(Buffer.byteLength(page.text)).toBeLessThan(MOST_BYTES);
      const answer = await app.ask(STATUS, 'ann', { headers: JSON_ONLY });
      const text = await answer.clone().text();
      expect(await jsonOf(answer)).toMatchObject({ connectionId: 'ann', state: 'active', generation: 1 });
      expect([page.text.includes(token), text.includes(token)]).toEqual([false, false]);
      expect(await jsonOf(await app.ask(STATUS))).toMatchObject({ userEmail: USER });
    },
  },
  {
    title: 'status: shows the next generation after the token has been renewed',
    async run(bench) {
      const app = await open(bench);
      const browser = app.browser();
      await signIn(app, browser);
      await bench.advance(6 * HOUR_MS);
      expect(await jsonOf(await app.ask(STATUS))).toMatchObject({ state: 'expired', generation: 1 });
      await browser.open(`${app.url}/sites`);
      expect(await jsonOf(await app.ask(STATUS))).toMatchObject({ state: 'active', generation: 2 });
    },
  },
  {
    title: 'status: is for those only whom authorize lets in, and nobody sees the connection of another',
    async run(bench) {
      const asked: string[] = [];
      const app = await open(bench, {
        authorize: async (visitor, action) => {
          asked.push(action);
          return action === 'status' && userOf(visitor) === 'ann';
        },
      });
      await app.connect('ann');
      await app.connect('bob', LIMITED);
      expect((await app.ask(STATUS, null)).status).toBe(401);
      expect((await app.ask(STATUS, 'bob')).status).toBe(403);
      expect((await app.ask(STATUS, 'ann')).status).toBe(200);
      for (const id of ['bob', 'nobody']) {
        const refused = await app.ask(`${STATUS}?connection=${id}`, 'ann');
        expect([refused.status, await refused.json()]).toMatchObject([403, { reason: 'not_authorized' }]);
      }
      expect(new Set(asked)).toEqual(new Set(['status', 'status-all']));
    },
  },
  {
    title: 'status: who may see all of them gets a list, and each by its id',
    async run(bench) {
      const app = await open(bench);
      await app.connect('ann');
      await app.connect('bob', LIMITED);
      const { connections } = await jsonOf(await app.ask(STATUS, 'admin'));
      expect(connections).toMatchObject([{ connectionId: 'ann' }, { connectionId: 'bob' }]);
      const one = await jsonOf(await app.ask(`${STATUS}?connection=bob`, 'admin'));
      expect(one).toMatchObject({ connectionId: 'bob', userEmail: LIMITED });
      expect(await jsonOf(await app.ask(STATUS, 'ann'))).not.toHaveProperty('connections');
    },
  },
  {
    title: 'status: is off without authorize, and asking for it without is refused at the start',
    async run(bench) {
      const app = await bench.open();
      for (const method of ['GET', 'POST']) {
        expect((await app.ask(STATUS, 'ann', { method, headers: SAME })).status).toBe(404);
      }
      for (const mount of [{ routes: { status: 'status' } }, { statusActions: true }]) {
        expect(await refusalOf(bench, { mount })).toMatch(/needs authorize/);
      }
      const open = await bench.open({ mount: { authorize: 'unsafe-public' } });
      expect((await open.ask(STATUS, 'ann')).status).toBe(200);
    },
  },
  {
    title: 'status: does nothing unless actions are switched on',
    async run(bench) {
      const app = await open(bench);
      await app.connect();
      expect((await app.browser().open(app.url + STATUS)).text).not.toContain('<form');
      for (const action of ['renew', 'disconnect']) {
        const body = new URLSearchParams({ action });
        const answer = await app.ask(STATUS, 'ann', { method: 'POST', headers: SAME, body });
        expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
      }
      expect(await app.manager.connection('ann').status()).toMatchObject({ state: 'active', generation: 1 });
    },
  },
  {
    title: 'status: renews and disconnects by the buttons of its page, and says so once',
    async run(bench) {
      const app = await open(bench, { statusActions: true });
      await app.connect();
      const browser = app.browser();
      const renewed = await press(app, browser, 'renew');
      expect([renewed.status, renewed.url.href]).toEqual([200, app.url + STATUS]);
      expect(renewed.text).toContain('The access was renewed');
      expect((await browser.open(app.url + STATUS)).text).not.toContain('The access was renewed');
      expect(app.emulator.ledger.refreshes()).toBe(1);
      const gone = await press(app, browser, 'disconnect');
      expect(gone.text).toContain('The connection was disconnected');
      expect((await app.manager.connection('ann').status()).state).toBe('disconnected');
    },
  },
  {
    title: 'status: acts for a page of the application only, for each visitor on their own connection',
    async run(bench) {
      const app = await open(bench, { statusActions: true });
      await app.connect('ann');
      await app.connect('admin', LIMITED);
      const body = 'action=disconnect';
      for (const headers of [
        { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
        { 'sec-fetch-site': 'same-site' },
      ]) {
        expect((await app.browser().send(app.url + STATUS, 'POST', body, headers)).status).toBe(403);
      }
      expect((await app.ask(`${STATUS}?action=disconnect`)).status).toBe(200);
      // Who may see all of them acts on no other's.
      const other = await app.browser('admin').send(`${app.url}${STATUS}?connection=ann`, 'POST', body, SAME);
      expect(other.status).toBe(303);
      const stateOf = async (id: string) => (await app.manager.connection(id).status()).state;
      expect([await stateOf('ann'), await stateOf('admin')]).toEqual(['active', 'disconnected']);
    },
  },
  {
    title: 'status: a program that acts gets the new status as JSON',
    async run(bench) {
      const app = await open(bench, { statusActions: true });
      await app.connect();
      const body = new URLSearchParams({ action: 'renew' });
      const headers = { ...SAME, ...JSON_ONLY };
      const answer = await app.ask(STATUS, 'ann', {
        method: 'POST',
        headers: { ...headers, origin: app.url },
        body,
      });
      expect(await jsonOf(answer)).toMatchObject({ generation: 2 });
    },
  },
  {
    title: 'F110 status: each of two managers has a page of its own, about its own connections',
    async run(bench) {
      const authorize = () => true;
      const app = await bench.open({
        setup: ({ manager, managerFor }) => ({
          mounts: [
            { manager, connectionId: userOf, authorize },
            {
              name: 'highqClient',
              basePath: '/client',
              manager: managerFor('/client/callback'),
              connectionId: userOf,
              authorize,
            },
          ],
        }),
      });
      await app.connect();
      expect(await jsonOf(await app.ask(STATUS))).toMatchObject({ state: 'active' });
      const other = await jsonOf(await app.ask('/client/status'));
      expect(other).toMatchObject({ state: 'disconnected', connections: [] });
    },
  },
  {
    title: 'status: a HEAD has the headers of the page and no body, and a store that is away is 503',
    async run(bench) {
      const store = new HingedStore(memoryStore());
      const app = await bench.open({ manager: { store }, mount: { authorize: 'unsafe-public' } });
      const head = await app.browser().send(app.url + STATUS, 'HEAD');
      expect([head.status, head.headers.get('content-type'), head.text]).toEqual([
        200,
        'text/html; charset=utf-8',
        '',
      ]);
      store.down = true;
      expect((await app.ask(STATUS)).status).toBe(503);
      store.down = false;
      expect((await app.ask(STATUS)).status).toBe(200);
    },
  },
];
