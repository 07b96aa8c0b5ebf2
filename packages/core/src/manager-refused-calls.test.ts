import type { Switches } from '@hq-oauth/emulator';
import { afterEach, describe, expect, it } from 'vitest';
import type { Connection } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, HOUR, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';

const LIMITED = 'limited@clientname.com';
const FORBIDDEN = '6/organisations';
let bench: Bench;
afterEach(() => bench.close());

/** Signed in as a user who may not read organisations or other users. */
async function open(
  options: Parameters<Bench['manager']>[0] = {},
  switches: Partial<Switches> = {},
): Promise<Connection> {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 5 * HOUR }], ...switches });
  const ann = bench.manager(options).connection('ann');
  await bench.signIn(ann, LIMITED);
  return ann;
}

const presented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
const asked = (part: string): number =>
  bench.emulator.requests.entries.filter(({ path }) => path.includes(part)).length;
const end = () => bench.emulator.revoke({ user: LIMITED, what: 'access' });
const statusOf = async (response: Promise<Response>): Promise<number> => {
  const { status, body } = await response;
  await body?.cancel();
  return status;
};
let others = 0;
/** A call that this user may not make, another one each time. */
const denied = (ann: Connection): Promise<number> => {
  others += 1;
  return statusOf(ann.fetch(`6/users/u${others}@clientname.com?type=email`));
};

describe('a canary', () => {
  it('F64 that was answered on this grant is believed on a token of a minute, too, and stays', async () => {
    const ann = await open();
    await denied(ann);
    await ann.refresh({ force: true });
    await bench.clock.advance(MINUTE);
    end();
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
    expect([presented(), bench.named('anomaly')]).toEqual([2, []]);
    for (let times = 0; times < 6; times += 1) {
      await bench.clock.advance(20 * MINUTE);
      expect(await denied(ann)).toBe(403);
    }
    expect(presented()).toBe(2);
  });

  it('F66 that was refused with a fresh token is asked again with the next one, and told of once', async () => {
    const ann = await open();
    await bench.clock.advance(MINUTE);
    end();
    // Nothing is proved: the canary was never answered.
    expect(await statusOf(ann.fetch('6/sites'))).toBe(403);
    await bench.clock.advance(4 * MINUTE);
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
    expect([presented(), asked('/users/limited')]).toEqual([1, 1]);
    for (let times = 0; times < 6; times += 1) {
      expect(await denied(ann)).toBe(403);
      await bench.clock.advance(20 * MINUTE);
    }
    expect([presented(), bench.named('anomaly').length]).toEqual([1, 1]);
  });

  it.each(['GET', 'POST'])(
    'F66 that was answered, and is itself forbidden later, costs one token and no more: %s',
    async (method) => {
      const ann = await open({ canary: '6/sites' });
      await denied(ann);
      bench.emulator.faults.add({ match: { endpoint: '/api/6' }, kind: 'forbid' });
      await bench.clock.advance(10 * MINUTE);
      const statuses: number[] = [];
      for (let times = 0; times < 6; times += 1) {
        others += 1;
        statuses.push(await statusOf(ann.fetch(`6/sites?name=${others}`, { method })));
      }
      expect([statuses, presented()]).toEqual([Array(6).fill(403), 1]);
      expect(bench.named('anomaly').map(({ anomaly }) => anomaly)).toEqual(['canary_struck_off']);
    },
  );

  it('F66 that was never answered proves no token dead', async () => {
    const ann = await open({ canary: FORBIDDEN });
    await bench.clock.advance(10 * MINUTE);
    expect(await denied(ann)).toBe(403);
    expect(presented()).toBe(1);
    await bench.clock.advance(10 * MINUTE);
    expect(await denied(ann)).toBe(403);
    expect([presented(), asked('/organisations')]).toEqual([1, 2]);
  });
});

describe('a denial that is remembered', () => {
  it('F63 F64 does not answer for another object of the same path', async () => {
    const ann = await open();
    await bench.clock.advance(10 * MINUTE);
    await statusOf(ann.fetch(`${FORBIDDEN}?searchTxt=a`));
    end();
    expect(await statusOf(ann.fetch(`${FORBIDDEN}?searchTxt=b`))).toBe(403);
    expect(presented()).toBe(1);
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
  });
});

describe('a 401', () => {
  it.each([
    ['no canary', false as const],
    [
      'one that fails',
      () => {
        throw new Error('no e-mail address for this user');
      },
    ],
  ])('F65 F68 that an endpoint always gives costs one guess an hour, with %s', async (_, canary) => {
    const ann = await open({ canary });
    await bench.clock.advance(10 * MINUTE);
    bench.emulator.faults.add({ match: { endpoint: '/api/6/tasks' }, kind: 'status', status: 401 });
    for (let minutes = 0; minutes < 180; minutes += 5) {
      expect(await statusOf(ann.fetch('6/tasks/status?siteid=1'))).toBe(401);
      await bench.clock.advance(5 * MINUTE);
    }
    expect(presented()).toBe(3);
    expect(bench.named('anomaly').map(({ anomaly, detail }) => [anomaly, detail])).toEqual(
      canary ? [['canary_failed', 'no e-mail address for this user']] : [],
    );
  });

  it('F68 is no word on what this user may do, and is not thrown as one', async () => {
    const ann = await open();
    await bench.clock.advance(10 * MINUTE);
    bench.emulator.faults.add({ match: { endpoint: '/api/6/sites' }, kind: 'status', status: 401 });
    for (let times = 0; times < 2; times += 1) {
      await expect(ann.client.get('6/sites').text()).rejects.toMatchObject({ name: 'HTTPError' });
    }
    expect(presented()).toBe(0);
  });

  it('F64 that is about the token is mended by the guess', async () => {
    const ann = await open({ canary: false }, { expiredAnswer: '401' });
    await bench.clock.advance(10 * MINUTE);
    end();
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
    expect(presented()).toBe(1);
  });
});

describe('a call that may not be repeated, while another process has renewed the token', () => {
  async function two(
    previousAccessToken: Switches['previousAccessToken'],
    canary?: false,
  ): Promise<readonly [Connection, Connection]> {
    const store = memoryStore();
    const options = { ...(canary === undefined ? {} : { canary }) };
    const one = await open({ store: new FlakyStore(store), ...options }, { previousAccessToken });
    const other = bench.manager({ store: new FlakyStore(store), ...options }).connection('ann');
    await bench.clock.advance(10 * MINUTE);
    await denied(other);
    return [one, other];
  }
  const post = (ann: Connection) =>
    ann.fetch('6/sites', { method: 'POST', body: '<site><sitename>a</sitename></site>' });
  const forbid = () => bench.emulator.faults.add({ match: { endpoint: '/api/6/sites' }, kind: 'forbid' });

  it.each([
    [
      'a canary',
      undefined,
      { code: 'permission_denied', apiMessage: expect.stringContaining('do not have permission') },
    ],
    ['none', false as const, { name: 'HTTPError' }],
  ])('F63 F67 gets the API’s own refusal, with %s, when its token was good', async (_, canary, thrown) => {
    const [one, other] = await two('survives', canary);
    await one.refresh({ force: true });
    await bench.clock.advance(2_000);
    forbid();
    const [fetched, posted] = await Promise.allSettled([
      post(other).then(async (response) => [response.status, await response.text()]),
      other.client.post('6/sites', { json: {} }),
    ]);
    expect(fetched).toMatchObject({ value: [403, expect.stringContaining('do not have permission')] });
    expect(posted).toMatchObject({ reason: thrown });
    expect(asked('/sites')).toBe(2);
  });

  it('F67 hears that its token was dead where that is known', async () => {
    const [one, other] = await two('ends');
    await one.refresh({ force: true });
    await bench.clock.advance(2_000);
    await expect(post(other)).rejects.toMatchObject({ code: 'body_not_replayable' });
    expect(await statusOf(post(other))).toBe(201);
  });

  it('F67 F108 is not told of a new token where the person has left', async () => {
    const [one, other] = await two('ends');
    await one.disconnect();
    await bench.clock.advance(2_000);
    end();
    await expect(post(other)).rejects.toMatchObject({ code: 'not_connected' });
    expect(asked('/sites')).toBe(1);
  });

  it('F65 F67 gets the API’s own refusal after a guess, which the next call profits from', async () => {
    const ann = await open({ canary: false });
    await bench.clock.advance(10 * MINUTE);
    end();
    expect(await statusOf(post(ann))).toBe(403);
    expect(presented()).toBe(1);
    expect(await statusOf(post(ann))).toBe(201);
  });
});

describe('connection.client', () => {
  it('F67 does not send the stream of a request twice, and keeps nothing of it', async () => {
    const ann = await open();
    await bench.clock.advance(10 * MINUTE);
    await denied(ann);
    end();
    const request = new Request(`${bench.emulator.instanceUrl}/api/6/documents/1/content`, {
      method: 'PUT',
      body: new Blob(['x']).stream(),
      duplex: 'half',
    } as RequestInit);
    await expect(ann.client(request)).rejects.toMatchObject({ code: 'body_not_replayable' });
    expect([asked('/documents'), presented()]).toEqual([1, 1]);
  });

  it.each([
    ['503', { status: 503 }],
    ['429 with Retry-After', { status: 429, headers: { 'retry-after': '0' } }],
  ])('takes the new token where ky tries a %s again', async (_, answer) => {
    const ann = await open({}, { previousAccessToken: 'ends' });
    bench.emulator.faults.add({ match: { endpoint: '/api/6/sites' }, kind: 'status', ...answer, times: 1 });
    const beforeRetry = [async () => void (await ann.refresh({ force: true }))];
    await ann.client.get('6/sites', { retry: { delay: () => 1 }, hooks: { beforeRetry } }).text();
    const used = bench.emulator.ledger.filter({ kind: 'presented', tokenType: 'access' });
    expect([asked('/sites'), used.map(({ generation }) => generation)]).toEqual([2, [1, 2]]);
  });
});
