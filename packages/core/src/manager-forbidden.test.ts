import { SWITCH_POSITIONS, type Switches } from '@hq-oauth/emulator';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from './clock.ts';
import type { Connection } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, HOUR, MINUTE, USER } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';

const LIMITED = 'limited@clientname.com';
const LIFE = 5 * HOUR;
const FORBIDDEN = '6/organisations';
const MANAGERS = 8;
let bench: Bench;
afterEach(() => bench.close());

type Options = Parameters<Bench['manager']>[0];

/** Several processes on one store, signed in as a user who may not read organisations or other users. */
async function open(options: Options = {}, switches: Partial<Switches> = {}, count = 1) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }], ...switches });
  const shared = memoryStore();
  const connections = Array.from({ length: count }, () =>
    bench
      // The clock runs ahead of real requests while some wait for others.
      .manager({ store: new FlakyStore(shared), refresh: { waitMs: 12 * HOUR }, ...options })
      .connection('ann'),
  );
  const [first] = connections;
  if (!first) throw new Error('at least one');
  await bench.signIn(first, LIMITED);
  await bench.clock.advance(10 * MINUTE);
  return { connections, ann: first };
}

const presented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
const canaries = (): number =>
  bench.emulator.requests.entries.filter(({ path }) => path.includes('/users/limited')).length;
const statusOf = async (response: Promise<Response>): Promise<number> => {
  const { status, body } = await response;
  await body?.cancel();
  return status;
};

describe('a 403 for a call that the user may not make', () => {
  it('F63 comes back unchanged, costs one canary, and no refresh however often it is asked', async () => {
    const { ann } = await open();
    const response = await ann.fetch(FORBIDDEN, { headers: { accept: 'application/json' } });
    expect([response.status, await response.json()]).toEqual([
      403,
      { statuscode: 403, message: 'You may not read organisations' },
    ]);
    for (let times = 0; times < 20; times += 1) expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
    expect([canaries(), presented()]).toEqual([1, 0]);
    await bench.clock.advance(5 * MINUTE);
    expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
    expect([canaries(), presented()]).toEqual([2, 0]);
  });

  it('F63 is thrown by the client as PermissionDeniedError, with the API’s own words', async () => {
    const { ann } = await open();
    await expect(ann.client.get(FORBIDDEN).json()).rejects.toMatchObject({
      code: 'permission_denied',
      status: 403,
      apiMessage: 'You may not read organisations',
      connectionId: 'ann',
    });
    const returned = await ann.client.get(FORBIDDEN, { throwHttpErrors: false });
    expect([returned.status, await returned.text()]).toMatchObject([403, expect.stringContaining('may not')]);
  });

  it('F63 remembers it per method and address, and not for what other calls do', async () => {
    const { ann } = await open();
    await statusOf(ann.fetch(FORBIDDEN));
    await statusOf(ann.fetch(FORBIDDEN));
    expect(canaries()).toBe(1);
    await statusOf(ann.fetch('6/users/someone@clientname.com?type=email'));
    expect(canaries()).toBe(2);
  });

  it('F65 without a canary costs one refresh an hour, and none on a token under five minutes old', async () => {
    const { ann } = await open({ canary: false });
    expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
    expect([presented(), canaries()]).toEqual([1, 0]);
    for (let minute = 0; minute < 59; minute += 1) {
      await statusOf(ann.fetch(FORBIDDEN));
      await bench.clock.advance(MINUTE);
    }
    expect(presented()).toBe(1);
    await bench.clock.advance(7 * MINUTE);
    expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
    expect(presented()).toBe(2);
  });

  it('F65 spends no guess while nothing can be sent', async () => {
    const { ann } = await open({ canary: false }, { reuse: 'grace', graceMs: HOUR });
    await bench.clock.advance(4 * HOUR + 10 * MINUTE);
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'reset-after-commit', times: 1 });
    await expect(ann.refresh({ force: true })).rejects.toMatchObject({ code: 'rotation_uncertain' });
    expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
    // Probed when the old token is about to end.
    await bench.clock.advance(40 * MINUTE);
    await bench.presented(2);
    await vi.waitFor(async () => expect((await ann.status()).generation).toBe(2));
    await bench.clock.advance(6 * MINUTE);
    expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
    expect(presented()).toBe(3);
  });

  it('F65 on a fresh token is taken for what it is', async () => {
    bench = await Bench.open();
    const ann = bench.manager({ canary: false }).connection('ann');
    await bench.signIn(ann, LIMITED);
    await expect(ann.client.get(FORBIDDEN).text()).rejects.toMatchObject({ code: 'permission_denied' });
    expect(presented()).toBe(0);
  });

  it('F66 strikes a canary off that is itself forbidden on a fresh token, and says so once', async () => {
    bench = await Bench.open();
    const ann = bench.manager({ canary: FORBIDDEN }).connection('ann');
    await bench.signIn(ann, LIMITED);
    const other = (n: number) => statusOf(ann.fetch(`6/users/u${n}@clientname.com?type=email`));
    for (let n = 0; n < 10; n += 1) expect(await other(n)).toBe(403);
    expect(bench.named('anomaly').map(({ anomaly }) => anomaly)).toEqual(['canary_struck_off']);
    expect(bench.emulator.requests.entries.filter(({ path }) => path.includes('organisations'))).toHaveLength(
      1,
    );
    expect(presented()).toBe(0);
  });

  it.each([
    ['with the canary', undefined, 0],
    ['without one', false, 1],
  ] as const)(
    'F66 10,000 forbidden paths from 8 processes over three hours, %s',
    async (_, canary, perHour) => {
      const { connections } = await open({ ...(canary === undefined ? {} : { canary }) }, {}, MANAGERS);
      let next = 0;
      const call = async (connection: Connection): Promise<number> => {
        next += 1;
        return statusOf(connection.fetch(`6/users/u${next}@clientname.com?type=email`));
      };
      const statuses = new Map<number, number>();
      const from = bench.clock.now();
      let last = from;
      while (next < 10_000) {
        const batch = Array.from({ length: 64 }, (_each, at) => connections[at % MANAGERS]);
        // Those who wait for another's refresh look again every second.
        const answered = bench.clock.advanceUntil(Promise.all(batch.map((one) => (one ? call(one) : 0))));
        for (const status of await answered) {
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
        last = bench.clock.now();
        await bench.clock.advance((3 * HOUR) / (10_000 / 64));
      }
      expect([...statuses.keys()]).toEqual([403]);
      // The first at once, and one more with each full hour. Waiting takes its time too: on a busy machine it comes to a little
      // more than three hours.
      const hours = (last - from) / HOUR;
      expect(presented()).toBeLessThanOrEqual((Math.floor(hours) + 1) * perHour);
      expect(hours).toBeGreaterThan(2.9);
      expect(hours).toBeLessThan(4);
      // A right that is missing everywhere is no reason to keep asking for a new token.
      expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    },
    120_000,
  );
});

describe('a token that ended before its time', () => {
  const end = () => bench.emulator.revoke({ user: LIMITED, what: 'access' });
  const trusted = async (ann: Connection) => {
    await statusOf(ann.fetch(FORBIDDEN));
    await bench.clock.advance(10 * MINUTE);
  };

  it.each([
    ['F64 with a canary that was answered before', true],
    ['F64 F65 with one that was not', false],
  ])('%s: 50 calls under way cost one refresh, and each is answered', async (_, before) => {
    const { connections } = await open({}, { previousAccessToken: 'ends' }, MANAGERS);
    for (const connection of connections) if (before) await trusted(connection);
    await Promise.all(connections.map((connection) => statusOf(connection.fetch('6/sites'))));
    end();
    const calls = Array.from({ length: 50 }, (_each, at) => connections[at % MANAGERS]);
    const statuses = await bench.clock.advanceUntil(
      Promise.all(calls.map((one) => statusOf(one?.fetch('6/sites') ?? Promise.reject()))),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(presented()).toBe(1);
  });

  it('F67 another process refreshed, and that ended it: one replay each, no further refresh', async () => {
    const { connections, ann } = await open({}, { previousAccessToken: 'ends' }, MANAGERS);
    await Promise.all(connections.map((connection) => statusOf(connection.fetch('6/sites'))));
    await ann.refresh({ force: true });
    const calls = Array.from({ length: 50 }, (_each, at) => connections[at % MANAGERS]);
    const statuses = await bench.clock.advanceUntil(
      Promise.all(calls.map((one) => statusOf(one?.fetch('6/sites') ?? Promise.reject()))),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(presented()).toBe(1);
  });

  it('F61 a newer token in the store is all that is needed', async () => {
    const { connections } = await open({}, { previousAccessToken: 'ends' }, 2);
    const [one, two] = connections;
    if (!one || !two) throw new Error('two');
    await statusOf(two.fetch('6/sites'));
    await one.refresh({ force: true });
    await bench.clock.advance(2_000);
    expect(await statusOf(two.fetch('6/sites'))).toBe(200);
    expect([presented(), canaries()]).toEqual([1, 0]);
  });

  it('F67 a call that may not be repeated and a stream are not sent twice, and say so', async () => {
    const { ann } = await open();
    await trusted(ann);
    const posted = () =>
      ann.fetch('6/sites', { method: 'POST', body: '<site><sitename>a</sitename></site>' });
    const sites = () =>
      bench.emulator.requests.entries.filter(
        ({ method, path }) => method === 'POST' && path.endsWith('/sites'),
      ).length;
    end();
    await expect(posted()).rejects.toMatchObject({ code: 'body_not_replayable', status: 409 });
    expect([sites(), presented()]).toEqual([1, 1]);
    expect(await statusOf(posted())).toBe(201);
    await bench.clock.advance(10 * MINUTE);
    end();
    const always = ann.fetch('6/sites', {
      method: 'POST',
      body: '<site><sitename>b</sitename></site>',
      replay: 'always',
    });
    expect(await statusOf(always)).toBe(201);
    await bench.clock.advance(10 * MINUTE);
    end();
    const init = { method: 'PUT', body: new Blob(['x']).stream(), duplex: 'half' } as RequestInit;
    await expect(ann.fetch('6/documents/1/content', init)).rejects.toMatchObject({
      code: 'body_not_replayable',
    });
    expect(presented()).toBe(3);
    await bench.clock.advance(10 * MINUTE);
    end();
    expect(await statusOf(ann.client.put('6/documents/1/content', { body: 'again' }))).toBe(200);
    expect(presented()).toBe(4);
    await bench.clock.advance(10 * MINUTE);
    end();
    await expect(ann.client.post('6/sites', { json: { sitename: 'c' } })).rejects.toMatchObject({
      code: 'body_not_replayable',
    });
    await bench.clock.advance(10 * MINUTE);
    end();
    expect((await ann.client.post('6/sites', { json: { sitename: 'c' }, replay: 'always' })).status).toBe(
      201,
    );
    await expect(ann.fetch('6/sites', { replay: 'never' })).resolves.toMatchObject({ status: 200 });
  });

  it('F67 a token with under five minutes left is renewed before a stream, and not before other calls', async () => {
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
    const ann = bench.manager().connection('ann');
    await bench.signIn(ann);
    const upload = (): Promise<number> => {
      const init = { method: 'PUT', body: new Blob(['x']).stream(), duplex: 'half' } as RequestInit;
      return statusOf(ann.fetch('6/documents/1/content', init));
    };
    await bench.clock.advance(20 * MINUTE);
    expect(await upload()).toBe(200);
    expect(presented()).toBe(0);
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 1, times: 1 });
    await bench.clock.advance(5 * MINUTE + 1);
    // A refresh begins, and only the stream waits for it.
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
    const uploaded = upload();
    await bench.presented(1);
    await bench.clock.advance(1);
    expect(await uploaded).toBe(200);
    const used = bench.emulator.ledger.filter({ kind: 'presented', tokenType: 'access' });
    expect(used.map(({ generation }) => generation)).toEqual([1, 1, 2]);
  });

  it('F69 a user who was disabled: one refusal, and no loop', async () => {
    const { ann } = await open();
    await trusted(ann);
    bench.emulator.revoke({ user: LIMITED });
    await expect(ann.fetch('6/sites')).rejects.toMatchObject({ code: 'reauthorization_required' });
    for (let times = 0; times < 20; times += 1) {
      await expect(ann.fetch('6/sites')).rejects.toMatchObject({ code: 'reauthorization_required' });
    }
    expect(presented()).toBe(1);
    expect(bench.named('reauthorizationRequired')).toHaveLength(1);
  });

  it('an aborted caller leaves, and the refresh goes on', async () => {
    const { ann } = await open();
    await trusted(ann);
    end();
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 1 });
    const leaving = new AbortController();
    const left = ann.fetch('6/sites', { signal: leaving.signal });
    const stays = ann.fetch('6/sites');
    left.catch(() => undefined);
    await bench.presented(1);
    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    await bench.clock.advance(5_000);
    expect(await statusOf(stays)).toBe(200);
    expect(presented()).toBe(1);
  });
});

describe('an expired token', () => {
  it.each(SWITCH_POSITIONS.expiredAnswer)(
    'F62 F64 with the answer %s: recovers when it ended early, and costs nothing when a right is missing',
    async (expiredAnswer) => {
      const { ann } = await open({}, { expiredAnswer });
      expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
      expect(presented()).toBe(0);
      await bench.clock.advance(10 * MINUTE);
      bench.emulator.revoke({ user: LIMITED, what: 'access' });
      expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
      expect(presented()).toBe(1);
      expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
      expect(presented()).toBe(1);
    },
  );

  const OFF = [
    ['10 minutes ahead', 10 * MINUTE],
    ['10 minutes behind', -10 * MINUTE],
    ['12 hours ahead', 12 * HOUR],
    ['12 hours behind', -12 * HOUR],
  ] as const;
  it.each(
    OFF.flatMap(([name, byMs]) => (['provider', 'program'] as const).map((of) => [name, of, byMs] as const)),
  )(
    'F29 F62 with the program’s clock %s, and the store on that of the %s, calls go on, and at most one refresh is too many',
    async (_, storeOf, byMs) => {
      bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
      const { clock: right, emulator } = bench;
      let offMs = byMs;
      const wrong: Clock = {
        now: () => right.now() + offMs,
        monotonic: () => right.monotonic(),
        setTimer: (fn, delayMs) => right.setTimer(fn, delayMs),
        afterIo: (fn) => right.afterIo(fn),
      };
      const store = memoryStore({ clock: storeOf === 'program' ? wrong : right });
      const ann = bench.manager({ clock: wrong, store }).connection('ann');
      await bench.signIn(ann);
      for (let minutes = 0; minutes < 12 * 60; minutes += 10) {
        // Half-way somebody sets the clock right.
        if (minutes === 6 * 60) offMs = 0;
        expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
        await right.advance(10 * MINUTE);
      }
      const due = Math.ceil((12 * HOUR) / LIFE);
      expect(presented()).toBeGreaterThanOrEqual(2);
      expect(presented()).toBeLessThanOrEqual(due + 1);
      expect(emulator.ledger.presentedTwice()).toBe(0);
    },
  );
});

describe('what is no word of the API', () => {
  const gateway = (times?: number) =>
    bench.emulator.faults.add({
      match: { endpoint: '/api/6/sites' },
      kind: 'html',
      status: 403,
      ...(times === undefined ? {} : { times }),
    });

  it('F68 a page of a gateway passes, costs no refresh, and is no denial', async () => {
    const { ann } = await open();
    gateway();
    for (let times = 0; times < 5; times += 1) {
      const response = await ann.fetch('6/sites');
      expect([response.status, response.headers.get('content-type')]).toEqual([
        403,
        expect.stringContaining('text/html'),
      ]);
      await response.body?.cancel();
      await bench.clock.advance(10 * MINUTE);
    }
    expect(presented()).toBe(0);
    await expect(ann.client.get('6/sites').text()).rejects.toMatchObject({ name: 'HTTPError' });
  });

  it('F68 … also without a canary, and is not remembered', async () => {
    const { ann } = await open({ canary: false });
    gateway(1);
    expect(await statusOf(ann.fetch('6/sites'))).toBe(403);
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
    expect(presented()).toBe(0);
  });

  it('F68 a redirect to a sign-in page passes as it is', async () => {
    const { ann } = await open();
    bench.emulator.faults.add({
      match: { endpoint: '/api/6/sites' },
      kind: 'status',
      status: 302,
      headers: { location: `${bench.emulator.instanceUrl}/login.action` },
    });
    expect(await statusOf(ann.fetch('6/sites'))).toBe(302);
    expect(presented()).toBe(0);
  });

  it('F68 a 401 of one endpoint is its own, as long as the canary is answered', async () => {
    const { ann } = await open();
    bench.emulator.faults.add({ match: { endpoint: '/api/6/sites' }, kind: 'status', status: 401 });
    for (let times = 0; times < 5; times += 1) {
      expect(await statusOf(ann.fetch('6/sites'))).toBe(401);
      await bench.clock.advance(10 * MINUTE);
    }
    expect(presented()).toBe(0);
  });

  it('F63 a canary that cannot be had leaves the guess', async () => {
    const { ann } = await open({ canary: ({ userEmail }) => `6/users/${userEmail}x?type=email` });
    expect(await statusOf(ann.fetch(FORBIDDEN))).toBe(403);
    expect(presented()).toBe(1);
    expect(USER).not.toBe(LIMITED);
  });
});
