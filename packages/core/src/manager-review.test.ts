import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, DAY, HOUR, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { storeJournal } from './store-journal.ts';
import { ManualClock } from './testing/manual-clock.ts';

const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
const stores: FlakyStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) store.down = false;
  await bench?.close();
});

type Options = Parameters<Bench['manager']>[0];

/** Several processes on one store, each with a link of its own to it. */
async function open(options: Options = {}) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
  const shared = memoryStore();
  const start = (more: Options = {}) => {
    const link = new FlakyStore(shared);
    stores.push(link);
    const manager = bench.manager({ store: link, ...options, ...more });
    return { link, manager, ann: manager.connection('ann') };
  };
  const presented = () => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
  return { start, presented };
}

describe('a sign-in whose write was answered by nobody', () => {
  it('I2 does not overwrite the grant that others have rotated since', async () => {
    const { start, presented } = await open();
    const [one, two] = [start(), start()];
    const { code } = await bench.emulator.authorize();
    const inner = one.link.cas.bind(one.link);
    one.link.cas = async (...given) => {
      await inner(...given);
      one.link.down = true;
      throw new Error('connection lost');
    };
    const signIn = one.ann.exchangeCode(code);
    signIn.catch(() => undefined);
    await vi.waitFor(() => expect(one.link.down).toBe(true));
    await bench.clock.advance(29 * MINUTE);
    const token = await two.ann.refresh({ force: true }).then(() => two.ann.getAccessToken());
    one.link.cas = inner;
    one.link.down = false;
    await bench.clock.advance(5_000);
    await signIn.catch(() => undefined);
    expect(await two.ann.status()).toMatchObject({ generation: 2, state: 'active' });
    expect(await one.ann.getAccessToken()).toBe(token);
    expect(presented()).toBe(1);
  });

  it('I2 a confirmation that was overtaken by another click does not undo what came of it', async () => {
    const { start, presented } = await open();
    const [one, two] = [start(), start()];
    const { code } = await bench.emulator.authorize();
    const { pending } = await one.ann.exchangeCode(code, { confirm: true });
    const inner = one.link.cas.bind(one.link);
    one.link.cas = async () => {
      throw new Error('connection lost');
    };
    const late = one.ann.confirm();
    late.catch(() => undefined);
    await vi.waitFor(() => expect(one.link.writes).toHaveLength(1));
    await two.ann.confirm({ pendingId: pending?.id ?? '' });
    await two.ann.refresh({ force: true });
    one.link.cas = inner;
    await bench.clock.advance(5_000);
    await late;
    expect(await two.ann.status()).toMatchObject({ generation: 2 });
    expect(presented()).toBe(1);
  });

  it('F82 another account that came in between is not confirmed', async () => {
    const { start } = await open();
    const { ann } = start();
    const exchanged = async (user: string) => {
      const { code } = await bench.emulator.authorize({ user });
      return ann.exchangeCode(code, { confirm: true });
    };
    const own = await exchanged('user@clientname.com');
    await exchanged('limited@clientname.com');
    await expect(ann.confirm({ pendingId: own.pending?.id ?? '' })).rejects.toMatchObject({
      reason: 'nothing_pending',
    });
    expect((await ann.status()).state).toBe('pending');
  });

  it('F44 close() waits for a code that is on the wire', async () => {
    const { start } = await open();
    const { manager, ann } = start();
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 1 });
    const { code } = await bench.emulator.authorize();
    const exchange = ann.exchangeCode(code);
    await vi.waitFor(() =>
      expect(bench.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1),
    );
    let pending = true;
    const closed = manager.close().finally(() => {
      pending = false;
    });
    await bench.clock.advance(4_000);
    expect(pending).toBe(true);
    await bench.clock.advance(1_000);
    expect(await exchange).toMatchObject({ state: 'active' });
    await closed;
  });
});

describe('clocks that jump', () => {
  it('I1 a process that first sees an intent after the store’s clock jumped ahead waits a full lease', async () => {
    const storeClock = new ManualClock({ now: Date.UTC(2026, 0) });
    const { start, presented } = await open();
    const shared = memoryStore({ clock: storeClock });
    const link = () => {
      const store = new FlakyStore(shared);
      stores.push(store);
      return start({ store }).ann;
    };
    const [one, two] = [link(), link()];
    const both = async (ms: number) => {
      storeClock.stall(ms);
      await bench.clock.advance(ms);
    };
    await bench.signIn(one);
    await two.getAccessToken();
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 80_000, times: 1 });
    await both(30 * MINUTE);
    const first = one.getAccessToken().catch(() => null);
    await bench.presented(1);
    storeClock.jumpWall(10 * MINUTE);
    const second = two.getAccessToken().catch(() => null);
    for (let seconds = 0; seconds < 79; seconds += 1) await both(1_000);
    expect(presented()).toBe(1);
    await both(2_000);
    await Promise.all([first, second]);
    await vi.waitFor(async () => expect(await two.status()).toMatchObject({ generation: 2 }));
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });

  it('F30 a wall clock set back a day does not keep an uncertain connection or a breaker waiting for a day', async () => {
    const { start } = await open();
    const { ann } = start();
    await bench.signIn(ann);
    bench.emulator.switches.set({ reuse: 'grace', graceMs: 10 * DAY });
    bench.emulator.faults.add({ match: REFRESH, kind: 'reset-after-commit', times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(ann.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    bench.clock.jumpWall(-DAY);
    await bench.clock.advance(4 * MINUTE);
    await bench.presented(2);
    await vi.waitFor(async () => expect(await ann.getAccessToken()).toBeTruthy());

    const bob = start().manager.connection('bob');
    await bench.signIn(bob);
    bench.emulator.faults.add({ match: REFRESH, kind: 'rate-limit', retryAfter: 1, times: 1 });
    await expect(bob.refresh({ force: true })).rejects.toMatchObject({ reason: 'rate_limited' });
    bench.clock.jumpWall(-DAY);
    await bench.clock.advance(1_000);
    expect(await bob.refresh({ force: true })).toMatchObject({ generation: 2 });
  });

  it('I9 after a restart under a clock that was set back, a token dated in the future is renewed before it is used', async () => {
    const { start, presented } = await open();
    const first = start();
    await bench.signIn(first.ann);
    const old = await first.ann.getAccessToken();
    bench.clock.jumpWall(-DAY);
    bench.clock.stall(3 * HOUR);
    const { ann } = start();
    expect(await ann.getAccessToken()).not.toBe(old);
    expect(presented()).toBe(1);
  });
});

describe('a caller', () => {
  it.each([30_000, 4 * MINUTE])(
    'F108 is not handed the token of a connection that ended %i ms ago, though nobody has asked since',
    async (idleMs) => {
      const { start } = await open();
      const [one, two] = [start(), start()];
      await bench.signIn(one.ann);
      await two.ann.getAccessToken();
      await one.ann.disconnect();
      await bench.clock.advance(idleMs);
      await expect(two.ann.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
    },
  );

  it('I9 with a valid token is served while a read of the store never ends', async () => {
    const { start } = await open();
    const { link, ann } = start();
    await bench.signIn(ann);
    const token = await ann.getAccessToken();
    link.read = () => new Promise(() => undefined);
    await bench.clock.advance(6 * MINUTE);
    const asked = ann.getAccessToken();
    await bench.clock.advance(2_000);
    expect(await asked).toBe(token);
    const aborted = new AbortController();
    const left = ann.getAccessToken({ signal: aborted.signal });
    aborted.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
  });

  it('F39 waits as long as it says, longer than the default too', async () => {
    const { start } = await open();
    const { ann } = start();
    await bench.signIn(ann);
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 25_000, times: 1 });
    await bench.clock.advance(30 * MINUTE);
    const patient = ann.getAccessToken({ waitMs: MINUTE });
    await bench.presented(1);
    await bench.clock.advance(25_000);
    expect(await patient).toBeTruthy();
  });

  it('F112 F22 with background "await" no caller leaves while a request is on its way: its answer comes after 80 s', async () => {
    const { start } = await open({ refresh: { background: 'await' } });
    const { ann } = start();
    await bench.signIn(ann);
    const token = await ann.getAccessToken();
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 80_000, times: 1 });
    await bench.clock.advance(26 * MINUTE);
    let answered = false;
    const asked = ann.getAccessToken({ waitMs: 1_000 }).finally(() => {
      answered = true;
    });
    await bench.presented(1);
    await bench.clock.advance(79_000);
    expect(answered).toBe(false);
    await bench.clock.advance(1_000);
    expect(await asked).not.toBe(token);
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('F112 with background "await" the last caller that leaves takes a wait for somebody else with it', async () => {
    const { start } = await open({ refresh: { background: 'await' } });
    const [holder, other] = [start(), start()];
    await bench.signIn(holder.ann);
    await other.ann.getAccessToken();
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 80_000, times: 1 });
    await bench.clock.advance(30 * MINUTE);
    const holding = holder.ann.getAccessToken();
    await bench.presented(1);
    const holders = bench.clock.pendingTimers;
    const refused = expect(other.ann.getAccessToken({ waitMs: 2_000 })).rejects.toMatchObject({
      code: 'refresh_in_progress',
    });
    await bench.clock.advance(2_000);
    await refused;
    expect(bench.clock.pendingTimers).toBe(holders);
    await bench.clock.advance(78_000);
    expect(await holding).toBe(await other.ann.getAccessToken());
  });
});

describe('what stays and what goes', () => {
  it('F27 a refresh whose write was answered by nobody is no sibling of what came after it', async () => {
    const { start, presented } = await open();
    const [one, two] = [start(), start()];
    await bench.signIn(one.ann);
    await two.ann.getAccessToken();
    await bench.clock.advance(30 * MINUTE);
    const inner = one.link.cas.bind(one.link);
    one.link.cas = async (key, rev, next) => {
      const result = await inner(key, rev, next);
      if (!next.body.includes('"generation":2')) return result;
      one.link.down = true;
      throw new Error('connection lost');
    };
    await one.ann.getAccessToken();
    await two.ann.refresh({ force: true });
    one.link.cas = inner;
    one.link.down = false;
    await bench.clock.advance(5_000);
    await vi.waitFor(async () => expect(await one.manager.health()).toMatchObject({ unpersisted: 0 }));
    bench.emulator.revoke();
    await expect(two.ann.refresh({ force: true })).rejects.toMatchObject({ reason: 'revoked_or_expired' });
    expect(presented()).toBe(3);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });

  it('F15 a write beside the burial does not make the flight wait for itself', async () => {
    const { start, presented } = await open();
    const { link, ann } = start();
    await bench.signIn(ann);
    bench.emulator.revoke();
    await bench.clock.advance(30 * MINUTE);
    const inner = link.cas.bind(link);
    link.cas = async (key, rev, next) => {
      if (!next.body.includes('"reason":"revoked_or_expired"') || link.loseAnswers < 0)
        return inner(key, rev, next);
      link.loseAnswers = -1;
      const { row } = await link.read(key);
      if (row && rev !== null)
        await inner(key, rev, { ...row, body: row.body.replace('"guessAt":null', '"guessAt":1') });
      return inner(key, rev, next);
    };
    await expect(ann.getAccessToken()).rejects.toMatchObject({ reason: 'revoked_or_expired' });
    expect(presented()).toBe(1);
  });

  it('F70 one damaged row does not hide the others', async () => {
    const { start } = await open();
    const { manager, link } = start();
    for (const id of ['a', 'b', 'c']) await bench.signIn(manager.connection(id));
    const inner = link.list.bind(link);
    link.list = async (query) =>
      (await inner(query)).map((row) => (row.id === 'b' ? { ...row, body: '{' } : row));
    const seen: unknown[] = [];
    for await (const { connectionId, state, reason } of manager.connections())
      seen.push([connectionId, state, reason]);
    expect(seen).toEqual([
      ['a', 'active', undefined],
      ['b', 'uncertain', 'record_unreadable'],
      ['c', 'active', undefined],
    ]);
  });

  it('F43 a list that the store does not give is an error of its own, without the driver’s words', async () => {
    const { start } = await open();
    const { manager, link } = start();
    link.list = async () => {
      throw new Error('connect ECONNREFUSED, password hunter2');
    };
    const listed = manager.connections()[Symbol.asyncIterator]().next();
    await expect(listed).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(listed).rejects.not.toThrow(/hunter2/);
  });

  it('F44 a manager that is closed with the store down sets no more timers, and says what it could not save', async () => {
    const said: string[] = [];
    const { start } = await open({ logger: { error: (message) => said.push(message) } });
    const { manager, link, ann } = start();
    await bench.signIn(ann);
    await bench.pairInHand(link, () => ann.getAccessToken());
    let pending = true;
    const closed = manager.close({ timeoutMs: 10_000 }).finally(() => {
      pending = false;
    });
    await bench.clock.advance(9_999);
    expect(pending).toBe(true);
    await bench.clock.advance(1);
    await closed;
    await bench.clock.settle(10);
    expect(bench.clock.pendingTimers).toBe(0);
    expect(said.join()).toContain('HIGHQ_RESCUE_DIR');
  });
});

it('goes through the proxy with API calls, as with token requests', async () => {
  bench = await Bench.open();
  const tunnels: string[] = [];
  const proxy = createServer();
  proxy.on('connect', (request: IncomingMessage, socket: Duplex) => {
    tunnels.push(request.url ?? '');
    const [host = '', port = ''] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  const manager = bench.manager({ http: { proxy: `http://127.0.0.1:${port}` } });
  const connection = manager.connection('ann');
  await bench.signIn(connection);
  expect(tunnels).toHaveLength(1);
  const sites = await connection.client.get('6/sites', { headers: { accept: 'application/json' } }).json();
  expect(sites).toHaveProperty('site');
  expect(tunnels).toHaveLength(2);
  await manager.close();
  proxy.closeAllConnections();
  proxy.close();
});

describe('what hangs', () => {
  it('F44 a journal that never answers does not keep a pair from the store', async () => {
    const stuck = new FlakyStore();
    const { start } = await open({ journal: storeJournal(stuck) });
    const { ann } = start();
    await bench.signIn(ann);
    await bench.clock.advance(30 * MINUTE);
    stuck.cas = () => new Promise(() => undefined);
    const asked = ann.getAccessToken();
    await bench.presented(1);
    await vi.waitFor(async () => {
      await bench.clock.advance(1_000);
      expect((await start({ journal: undefined }).ann.status()).generation).toBe(2);
    }, 10_000);
    expect(await asked).toBeTruthy();
  });

  it('F44 a store that never answers a write: the pair is held, counted and written when it answers again', async () => {
    const { start } = await open();
    const { manager, link, ann } = start();
    await bench.signIn(ann);
    await bench.clock.advance(30 * MINUTE);
    const inner = link.cas.bind(link);
    link.cas = (key, rev, next) =>
      next.body.includes('"generation":2') ? new Promise(() => undefined) : inner(key, rev, next);
    const asked = ann.getAccessToken();
    await bench.presented(1);
    await vi.waitFor(async () => {
      await bench.clock.advance(1_000);
      expect(await manager.health()).toMatchObject({ unpersisted: 1 });
    }, 10_000);
    expect(await asked).toBeTruthy();
    link.cas = inner;
    await vi.waitFor(async () => {
      await bench.clock.advance(1_000);
      expect(await manager.health()).toMatchObject({ unpersisted: 0 });
    }, 10_000);
  });
});

it('I9 a token dated in the future stays suspect, however often it is read', async () => {
  const { start, presented } = await open();
  await bench.signIn(start().ann);
  bench.clock.jumpWall(-DAY);
  bench.clock.stall(20 * MINUTE);
  const { ann } = start();
  for (let look = 0; look < 3; look += 1) await ann.status();
  await ann.getAccessToken();
  expect(presented()).toBe(1);
});
