import {
  ApiRequestError,
  BodyNotReplayableError,
  ConfigurationError,
  ForeignOriginError,
  type HighQError,
  memoryStore,
  NotConnectedError,
  PermissionDeniedError,
  ReauthorizationRequiredError,
  RecordUnreadableError,
  RefreshInProgressError,
  RotationUncertainError,
  SignInError,
  StoreUnavailableError,
  TokenEndpointError,
} from '@hq-oauth/core';
import { expect } from 'vitest';
import { HingedStore } from '../crash/hinged-store.ts';
import { type App, type Behaviour, type Bench, HOUR_MS, LIMITED, type OpenOptions } from './bench.ts';

const connectionId = 'ann';
const at = { connectionId };

/** Each class, and the status that a visitor gets for it. */
const ERRORS: Readonly<Record<string, readonly [number, () => HighQError]>> = {
  not_connected: [401, () => new NotConnectedError('Not connected yet.', at)],
  reauthorization_required: [
    401,
    () => new ReauthorizationRequiredError('It has ended.', { ...at, reason: 'revoked_or_expired' }),
  ],
  permission_denied: [403, () => new PermissionDeniedError('You may not.', at)],
  api_request: [502, () => new ApiRequestError('It failed.', { ...at, apiStatus: 404, apiMessage: null })],
  refresh_in_progress: [503, () => new RefreshInProgressError('Under way.', { ...at, retryAfterMs: 1_001 })],
  rotation_uncertain: [503, () => new RotationUncertainError('In doubt.', { ...at, retryAfterMs: 60_000 })],
  token_endpoint: [
    503,
    () => new TokenEndpointError('Away.', { ...at, reason: 'not_sent', retryAfterMs: 1 }),
  ],
  store_unavailable: [503, () => new StoreUnavailableError('No store.', { ...at, retryAfterMs: 5_000 })],
  record_unreadable: [
    500,
    () => new RecordUnreadableError('Secret inside.', { ...at, reason: 'unknown_key' }),
  ],
  body_not_replayable: [409, () => new BodyNotReplayableError('Not twice.', at)],
  foreign_origin: [500, () => new ForeignOriginError('Secret inside.', at)],
  sign_in: [400, () => new SignInError('It was not completed.', { ...at, reason: 'access_denied' })],
  configuration: [500, () => new ConfigurationError([{ option: 'x', problem: 'Secret inside.' }])],
};

function throwing(bench: Bench, options: OpenOptions = {}): Promise<App> {
  const routes = Object.entries(ERRORS).map(([code, [, make]]) => ({
    path: `/${code}`,
    guarded: false,
    answer: async () => {
      throw make();
    },
  }));
  return bench.open({ ...options, setup: () => ({ routes }) });
}

const NAVIGATION = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };

/** What a visitor is told when something goes wrong. */
export const ERROR_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'errors: each class has its status, and a program gets problem+json',
    async run(bench) {
      const app = await throwing(bench);
      for (const [code, [status]] of Object.entries(ERRORS)) {
        const answer = await app.ask(`/${code}`);
        expect([code, answer.status]).toEqual([code, status]);
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
        expect(answer.headers.get('cache-control')).toBe('no-store');
        const problem = (await answer.json()) as Record<string, unknown>;
        expect(problem).toMatchObject({
          code,
          status,
          title: expect.any(String),
          detail: expect.any(String),
        });
        expect(problem.type).toMatch(new RegExp(`/errors\\.md#${code}$`));
        expect(JSON.stringify(problem)).not.toContain('Secret inside');
      }
    },
  },
  {
    title: "errors: a browser's navigation gets a page, and what a page fetches gets problem+json",
    async run(bench) {
      const app = await throwing(bench);
      const signIns = ['not_connected', 'reauthorization_required', 'rotation_uncertain'];
      for (const [code, [status]] of Object.entries(ERRORS)) {
        const page = await app.browser().send(`${app.url}/${code}?a=1`, 'GET', null, NAVIGATION);
        expect([code, page.status]).toEqual([code, status]);
        expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
        expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
        expect(page.text.includes('action="/highq/connect"')).toBe(signIns.includes(code));
        expect(page.text.includes(`value="/${code}?a=1"`)).toBe(signIns.includes(code));
        expect(page.text).not.toContain('Secret inside');
        const fetched = { ...NAVIGATION, 'sec-fetch-mode': 'cors' };
        const asked = await app.browser().send(`${app.url}/${code}`, 'GET', null, fetched);
        expect(asked.headers.get('content-type')).toBe('application/problem+json');
      }
    },
  },
  {
    title: 'errors: Retry-After tells whole seconds where a time is known',
    async run(bench) {
      const app = await throwing(bench);
      const told = await Promise.all(
        Object.keys(ERRORS).map(async (code) => [
          code,
          (await app.ask(`/${code}`)).headers.get('retry-after'),
        ]),
      );
      expect(Object.fromEntries(told.filter(([, seconds]) => seconds !== null))).toEqual({
        refresh_in_progress: '2',
        rotation_uncertain: '60',
        token_endpoint: '1',
        store_unavailable: '5',
      });
    },
  },
  {
    title: 'errors: the two statuses of 401 can be changed, and no others follow',
    async run(bench) {
      const statuses = { notConnected: 409, reauthorizationRequired: 428 };
      const app = await throwing(bench, { mount: { statuses } });
      expect((await app.ask('/not_connected')).status).toBe(409);
      expect((await app.ask('/reauthorization_required')).status).toBe(428);
      expect((await app.ask('/permission_denied')).status).toBe(403);
      const anonymous = await app.ask('/highq/connect', null);
      expect([anonymous.status, await anonymous.json()]).toMatchObject([409, { status: 409 }]);
    },
  },
  {
    title: "errors: what hq-oauth did not throw goes to the framework's own handler",
    async run(bench) {
      const answer = (): never => {
        throw new Error('of the application');
      };
      const app = await bench.open({ setup: () => ({ routes: [{ path: '/', guarded: false, answer }] }) });
      const given = await app.ask('/');
      expect([given.status, await given.text()]).toEqual([418, 'of the application']);
    },
  },
  {
    title: "errors: what the application's own functions throw goes there as well, from every route",
    async run(bench) {
      const app = await bench.open({
        mount: {
          proxy: { path: '/highq-api' },
          connectionId: async () => {
            throw new Error('the session is gone');
          },
        },
      });
      for (const path of ['/sites', '/highq/connect', '/highq/callback?code=1', '/highq-api/6/sites']) {
        const given = await app.ask(path);
        expect([path, given.status, await given.text()]).toEqual([path, 418, 'the session is gone']);
      }
      // And the next request is served.
      expect((await app.ask('/highq/disconnect')).status).toBe(418);
    },
  },
  {
    title: 'errors: a call that the user may not make is 403, with the data of others untouched',
    async run(bench) {
      const app = await bench.open({
        setup: () => ({
          routes: [
            {
              path: '/organisations',
              guarded: true,
              answer: (connection) => connection?.client('6/organisations').json(),
            },
          ],
        }),
      });
      await app.connect('ann');
      await app.connect('bob', LIMITED);
      const refused = await app.ask('/organisations', 'bob');
      expect([refused.status, await refused.json()]).toMatchObject([403, { code: 'permission_denied' }]);
      expect((await app.ask('/organisations', 'ann')).status).toBe(200);
      expect(app.emulator.ledger.refreshes()).toBe(0);
    },
  },
  {
    title: 'errors: a grant that HighQ has ended leads to a sign-in, which ends it',
    async run(bench) {
      const app = await bench.open();
      await app.connect();
      // A token that is refused in its first minutes is not taken for one that was ended.
      await bench.advance(HOUR_MS);
      bench.emulator.revoke({});
      const refused = await app.ask('/sites');
      expect([refused.status, await refused.json()]).toMatchObject([
        401,
        { code: 'reauthorization_required', connectUrl: '/highq/connect' },
      ]);
      await app.connect();
      expect((await app.ask('/sites')).status).toBe(200);
    },
  },
  {
    title: 'errors: a store that is away is 503, in routes and in sign-ins, and all goes on when it is back',
    async run(bench) {
      const store = new HingedStore(memoryStore());
      const app = await bench.open({ manager: { store } });
      store.down = true;
      const post = { method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } };
      for (const answer of [await app.ask('/sites'), await app.ask('/highq/connect', 'ann', post)]) {
        expect([answer.status, await answer.json()]).toMatchObject([503, { code: 'store_unavailable' }]);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      store.down = false;
      expect((await app.ask('/highq/connect', 'ann', post)).status).toBe(303);
    },
  },
];
