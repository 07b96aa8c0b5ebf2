import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from './clock.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, DAY, HOUR, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { storeJournal } from './store-journal.ts';
import { ManualClock } from './testing/manual-clock.ts';

let bench: Bench;
let store: FlakyStore;
afterEach(async () => {
  store.down = false;
  await bench?.close();
});

const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
const LEASE = 180_000;
const SETTLE = 5_000;

async function connected(options: Parameters<Bench['manager']>[0] = {}) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
  store = new FlakyStore();
  const manager = bench.manager({ store, ...options });
  const connection = manager.connection('ann');
  await bench.signIn(connection);
  const presented = () => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
  const other = (more: typeof options = {}) =>
    bench.manager({ store, ...options, ...more }).connection('ann');
  return { manager, connection, presented, other, ledger: bench.emulator.ledger };
}

describe('the token endpoint fails', () => {
  it.each([
    ['F19 a 502', { kind: 'status', status: 502 }],
    ['F03 a login page', { kind: 'html' }],
    ['F02 malformed XML', { kind: 'malformed-xml' }],
    ['F23 an answer cut off', { kind: 'truncate' }],
  ] as const)(
    '%s: the valid token is served, nothing is sent again until the lease is over',
    async (_, fault) => {
      const { connection, presented } = await connected();
      bench.emulator.faults.add({ match: REFRESH, times: 1, ...fault });
      await bench.clock.advance(30 * MINUTE - 2 * MINUTE);
      const token = await connection.getAccessToken();
      await vi.waitFor(() => expect(bench.named('uncertain')).toHaveLength(1));
      for (let call = 0; call < 50; call += 1) expect(await connection.getAccessToken()).toBe(token);
      expect(presented()).toBe(1);
      expect((await connection.status()).state).not.toBe('reauth_required');
    },
  );

  it('F42 its own unknown outcome is waited for like anybody’s (T11), and probed after lease and settle time', async () => {
    const { connection, presented } = await connected();
    bench.emulator.switches.set({ reuse: 'grace', graceMs: DAY });
    bench.emulator.faults.add({ match: REFRESH, kind: 'reset-after-commit', times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({
      code: 'rotation_uncertain',
      status: 503,
      retryable: true,
    });
    for (let call = 0; call < 20; call += 1) {
      await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    }
    await bench.clock.advance(LEASE - 1_000);
    expect(presented()).toBe(1);
    // Nobody asks: the connection recovers by itself.
    await bench.clock.advance(1_000 + SETTLE + 500);
    await bench.presented(2);
    await vi.waitFor(async () =>
      expect(await connection.status()).toMatchObject({ state: 'active', generation: 2 }),
    );
    expect(await connection.getAccessToken()).toBeTruthy();
  });

  it('F60a a lost answer without grace: the message says exactly that', async () => {
    const { connection, presented, ledger } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'reset-after-commit', times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    await bench.clock.advance(LEASE + SETTLE + 500);
    await vi.waitFor(() => expect(bench.named('reauthorizationRequired')).toHaveLength(1), 10_000);
    expect(
      ledger.filter({ tokenType: 'refresh', kind: 'issued', generation: 2, answered: false }),
    ).toHaveLength(1);
    for (let call = 0; call < 20; call += 1) {
      const error = await connection.getAccessToken().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'reauthorization_required', reason: 'rotation_outcome_lost' });
      expect(String(error)).toContain('its answer never arrived');
    }
    expect(presented()).toBe(2);
  });

  it('T10 F106 an unknown refresh is probed though nobody asks, also where timers are a moment early, as those of Node', async () => {
    const { other } = await connected();
    const { clock } = bench;
    const hasty: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      afterIo: (fn) => clock.afterIo(fn),
      setTimer: (fn, ms) => clock.setTimer(fn, ms > MINUTE ? ms - 1.5 : ms),
    };
    const idle = other({ clock: hasty });
    await clock.advance(30 * MINUTE);
    bench.emulator.faults.add({ match: REFRESH, kind: 'status', status: 502, times: 1 });
    await expect(idle.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    await clock.advance(LEASE);
    await clock.settle(20);
    await clock.advance(2 * SETTLE);
    await bench.presented(2);
  });

  it('T10 is probed though nobody asks, also where journals were looked into meanwhile', async () => {
    const { connection, manager, presented } = await connected({ journal: storeJournal(memoryStore()) });
    await bench.clock.advance(30 * MINUTE);
    bench.emulator.faults.add({ match: REFRESH, kind: 'status', status: 502, times: 1 });
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    expect(await manager.reseal()).toEqual({ resealed: 0, left: [] });
    expect(presented()).toBe(1);
    await bench.clock.advance(LEASE);
    await bench.clock.settle(20);
    await bench.clock.advance(2 * SETTLE);
    await bench.presented(2);
  });

  it.each(['here', 'elsewhere'])(
    'T10 nobody is woken for a grant that was replaced %s meanwhile',
    async (where) => {
      const { connection, presented, other } = await connected();
      bench.emulator.faults.add({ match: REFRESH, kind: 'status', status: 502, times: 1 });
      await bench.clock.advance(25 * MINUTE);
      await connection.getAccessToken();
      await bench.presented(1);
      await vi.waitFor(() => expect(bench.named('uncertain')).toHaveLength(1));
      await bench.signIn(where === 'here' ? connection : other());
      await connection.status();
      for (let minutes = 0; minutes < 15; minutes += 1) {
        await bench.clock.advance(MINUTE);
        await bench.clock.settle(20);
      }
      expect(presented()).toBe(1);
    },
  );

  it('F106 502 for half an hour, then well again: it recovers by itself', async () => {
    const { connection } = await connected();
    const fault = bench.emulator.faults.add({ match: REFRESH, kind: 'status', status: 502 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    for (let minutes = 0; minutes < 30; minutes += 1) await bench.clock.advance(MINUTE);
    expect((await connection.status()).state).toBe('uncertain');
    bench.emulator.faults.remove(fault.id);
    await vi.waitFor(async () => {
      await bench.clock.advance(MINUTE);
      expect((await connection.status()).generation).toBe(2);
    }, 20_000);
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });

  it('F24 nothing listens: nothing was sent, no intent stands in the way, and who can connect does so at once', async () => {
    const { connection, presented } = await connected();
    const cutOff = bench.manager({ store, http: { proxy: 'http://127.0.0.1:9' } }).connection('ann');
    const token = await cutOff.getAccessToken();
    await bench.clock.advance(30 * MINUTE);
    const intents = () => store.writes.filter(({ body }) => /"intent":\{/.test(body)).length;
    const before = intents();
    for (let call = 0; call < 5; call += 1)
      await expect(cutOff.getAccessToken()).rejects.toMatchObject({
        code: 'token_endpoint',
        reason: 'connect_failed',
        retryable: true,
      });
    expect(intents()).toBe(before);
    expect(presented()).toBe(0);
    expect(await connection.getAccessToken()).not.toBe(token);
    expect(presented()).toBe(1);
    // It looks into the store once a second.
    await bench.clock.advance(1_000);
    expect(await cutOff.getAccessToken()).toBe(await connection.getAccessToken());
  });

  it('F20 429 was not processed: the next try follows the pause that it asks for', async () => {
    const { connection, presented } = await connected();
    await bench.clock.advance(30 * MINUTE);
    bench.emulator.faults.add({
      match: REFRESH,
      kind: 'status',
      status: 429,
      headers: { 'retry-after': '120' },
      times: 1,
    });
    await expect(connection.getAccessToken()).rejects.toMatchObject({
      code: 'token_endpoint',
      reason: 'rate_limited',
      retryAfterMs: 120_000,
    });
    await bench.clock.advance(119_999);
    await expect(connection.getAccessToken()).rejects.toMatchObject({
      reason: 'rate_limited',
      retryAfterMs: 1,
    });
    await bench.clock.advance(1);
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(presented()).toBe(2);
  });

  it('F16 an archived registration touches no grant', async () => {
    const { connection } = await connected();
    bench.emulator.registrations.update('1012', { status: 'archived' });
    await bench.clock.advance(30 * MINUTE);
    const error = await connection.getAccessToken().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'token_endpoint' });
    bench.emulator.registrations.update('1012', { status: 'active' });
    await bench.clock.advance(HOUR);
    expect(await connection.getAccessToken()).toBeTruthy();
  });

  it('F15 a revoked grant: one request, then none however often it is asked', async () => {
    const { connection, presented, other } = await connected();
    bench.emulator.revoke();
    await bench.clock.advance(30 * MINUTE);
    const second = other();
    for (let call = 0; call < 100; call += 1) {
      for (const one of [connection, second]) {
        await expect(one.getAccessToken()).rejects.toMatchObject({
          reason: 'revoked_or_expired',
          status: 401,
        });
      }
    }
    expect(presented()).toBe(1);
    expect(bench.named('reauthorizationRequired')).toHaveLength(1);
  });

  it('F39 F22 a slow answer: callers wait for waitMs at most, the refresh goes on', async () => {
    const { connection, presented, other } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 85_000, times: 1 });
    await bench.clock.advance(30 * MINUTE);
    const caller = connection.getAccessToken();
    const failed = expect(caller).rejects.toMatchObject({
      code: 'refresh_in_progress',
      retryAfterMs: expect.any(Number),
    });
    await bench.presented(1);
    await bench.clock.advance(15_000);
    await failed;
    // A latecomer, here or in another process, is told at once.
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'refresh_in_progress' });
    await expect(other().getAccessToken()).rejects.toMatchObject({ code: 'refresh_in_progress' });
    await bench.clock.advance(70_000);
    await vi.waitFor(() => expect(bench.named('refreshed')).toHaveLength(1));
    expect(await connection.getAccessToken()).toBeTruthy();
    expect(presented()).toBe(1);
  });
});

describe('the store fails', () => {
  it('F43 before the request: nothing is sent, a valid token is served', async () => {
    const { connection, presented, other } = await connected();
    const token = await connection.getAccessToken();
    store.down = true;
    await bench.clock.advance(28 * MINUTE);
    expect(await connection.getAccessToken()).toBe(token);
    await bench.clock.advance(2 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({
      code: 'store_unavailable',
      status: 503,
    });
    await expect(other().getAccessToken()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(presented()).toBe(0);
    store.down = false;
    await bench.clock.advance(2_000);
    expect(await connection.getAccessToken()).not.toBe(token);
  });

  it('F44 after the answer: the new pair is served, written when the store is back, and close() waits for it', async () => {
    const { manager, connection, presented, other } = await connected();
    const token = await bench.pairInHand(store, () => connection.getAccessToken());
    expect(await connection.getAccessToken()).toBe(token);
    await vi.waitFor(() => expect(bench.named('persistFailed').length).toBeGreaterThan(0));
    expect(await manager.health()).toMatchObject({ status: 'down', unpersisted: 1 });
    await bench.clock.advance(5 * MINUTE);
    const closed = manager.close({ timeoutMs: HOUR });
    await bench.clock.advance(1_000);
    store.down = false;
    await vi.waitFor(async () => {
      await bench.clock.advance(1_000);
      await Promise.race([closed, Promise.reject(new Error('still open'))]);
    }, 10_000);
    expect(await other().getAccessToken()).toBe(token);
    expect(presented()).toBe(1);
  });

  it.each([1, 2])('F118 F49 lost answers of writes number %i lose nothing', async (skip) => {
    const { connection, presented, ledger } = await connected();
    await bench.clock.advance(30 * MINUTE);
    const inner = store.cas.bind(store);
    let writes = 0;
    store.cas = async (...given) => {
      writes += 1;
      if (writes === skip) store.loseAnswers = 1;
      return inner(...given);
    };
    const caller = connection.getAccessToken();
    await vi.waitFor(async () => {
      await bench.clock.advance(100);
      await Promise.race([caller, Promise.reject(new Error('still waiting'))]);
    }, 10_000);
    expect(presented()).toBe(1);
    expect(ledger.refreshes()).toBe(1);
    await vi.waitFor(async () =>
      expect(await connection.status()).toMatchObject({ generation: 2, state: 'active' }),
    );
  });
});

describe('a person acts meanwhile', () => {
  it('F108 a disconnect reaches another process within revalidateMs', async () => {
    const { connection, other } = await connected();
    const second = other();
    await second.getAccessToken();
    await connection.disconnect();
    await bench.clock.advance(29_999);
    expect(await second.getAccessToken()).toBeTruthy();
    await bench.clock.advance(1);
    await second.getAccessToken().catch(() => undefined);
    await vi.waitFor(() => expect(second.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' }));
  });

  it('F55 a disconnect during a refresh wins over its late success', async () => {
    const { connection, presented } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 1_000, times: 1 });
    await bench.clock.advance(30 * MINUTE);
    const caller = connection.getAccessToken();
    const ended = expect(caller).rejects.toMatchObject({ code: 'not_connected' });
    await bench.presented(1);
    await connection.disconnect();
    await bench.clock.advance(1_000);
    await ended;
    expect(presented()).toBe(1);
    expect(await connection.status()).toMatchObject({ state: 'disconnected', access: null, refresh: null });
  });

  it('F55 a disconnect during a code exchange is not undone by it (T8)', async () => {
    const { manager } = await connected();
    const connection = manager.connection('bob');
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 1_000, times: 1 });
    const { code } = await bench.emulator.authorize();
    const exchange = connection.exchangeCode(code);
    const ended = expect(exchange).rejects.toMatchObject({
      code: 'sign_in',
      reason: 'disconnected_meanwhile',
    });
    await vi.waitFor(() =>
      expect(bench.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(2),
    );
    await connection.disconnect();
    await bench.clock.advance(1_000);
    await ended;
    expect((await connection.status()).state).toBe('disconnected');
  });

  it('an account that waits to be confirmed replaces nothing before', async () => {
    const { connection } = await connected();
    const token = await connection.getAccessToken();
    const { code } = await bench.emulator.authorize({ user: 'limited@clientname.com' });
    expect(await connection.exchangeCode(code, { confirm: true })).toMatchObject({
      state: 'active',
      userEmail: 'user@clientname.com',
      pending: { userEmail: 'limited@clientname.com' },
    });
    expect(await connection.getAccessToken()).toBe(token);
    expect(await connection.confirm()).toMatchObject({
      state: 'active',
      userEmail: 'limited@clientname.com',
      generation: 1,
    });
    expect(await connection.getAccessToken()).not.toBe(token);
    await expect(connection.confirm()).rejects.toMatchObject({ reason: 'nothing_pending' });
  });

  it('a pending account survives a refresh of the active one, and can be rejected', async () => {
    const { connection } = await connected();
    const { code } = await bench.emulator.authorize({ user: 'limited@clientname.com' });
    await connection.exchangeCode(code, { confirm: true });
    await bench.clock.advance(25 * MINUTE);
    expect(await connection.refresh({ force: true })).toMatchObject({
      generation: 2,
      pending: { userEmail: 'limited@clientname.com' },
    });
    expect((await connection.reject()).pending).toBeUndefined();
  });

  it('F82 a pending account that was rejected while its write was in doubt does not come back', async () => {
    const { connection, other } = await connected();
    const { code } = await bench.emulator.authorize({ user: 'limited@clientname.com' });
    const cas = store.cas.bind(store);
    store.cas = async (...given) => {
      await cas(...given);
      store.cas = () => Promise.reject(new Error('connection lost'));
      throw new Error('connection lost');
    };
    const exchange = connection.exchangeCode(code, { confirm: true });
    exchange.catch(() => undefined);
    await vi.waitFor(async () => expect((await other().status()).pending).toBeDefined());
    store.cas = cas;
    await other().reject();
    await bench.clock.advance(5_000);
    expect((await exchange).pending).toBeUndefined();
    expect((await other().status()).pending).toBeUndefined();
  });

  it('F39 a caller that waits for no refresh still learns what the store has, in a process that has just begun', async () => {
    const { connection, other } = await connected();
    const token = await connection.getAccessToken();
    const read = store.read.bind(store);
    store.read = async (key) => {
      await new Promise<void>((resolve) => bench.clock.setTimer(resolve, 1_900));
      return read(key);
    };
    const asked = other().getAccessToken({ waitMs: 0 });
    await bench.clock.advance(1_900);
    expect(await asked).toBe(token);
    store.read = () => new Promise(() => undefined);
    const never = other()
      .getAccessToken({ waitMs: 0 })
      .catch((error: { code?: unknown }) => error.code);
    await bench.clock.advance(2_000);
    expect(await never).toBe('store_unavailable');
    store.read = read;
  });
});

describe('between two awaits', () => {
  it('F33 a process stopped between its intent and the first byte sends nothing on that intent (T3)', async () => {
    const { connection, presented } = await connected();
    await bench.clock.advance(30 * MINUTE);
    const inner = store.cas.bind(store);
    let stopped = false;
    store.cas = async (key, expectedRev, next) => {
      const result = await inner(key, expectedRev, next);
      if (!stopped && next.body.includes('"kind":"refresh"')) {
        stopped = true;
        // Response deadline and linger no longer fit into what is left of the lease.
        bench.clock.stall(30_001);
      }
      return result;
    };
    expect(await connection.getAccessToken({ waitMs: HOUR })).toBeTruthy();
    const intents = store.writes.filter(({ body }) => body.includes('"kind":"refresh"'));
    expect(intents).toHaveLength(2);
    expect(presented()).toBe(1);
  });

  it('F44 what is in memory does not go back to what a store shows that takes no writes', async () => {
    const { connection } = await connected();
    const old = await connection.getAccessToken();
    await bench.clock.advance(30 * MINUTE);
    const inner = store.cas.bind(store);
    store.cas = async (key, expectedRev, next) => {
      if (next.body.includes('"generation":2')) throw new Error('read-only');
      return inner(key, expectedRev, next);
    };
    const fresh = await connection.getAccessToken();
    expect(fresh).not.toBe(old);
    for (let minute = 0; minute < 6; minute += 1) {
      await bench.clock.advance(MINUTE);
      expect(await connection.getAccessToken()).toBe(fresh);
      expect(await connection.status()).toMatchObject({ generation: 2, state: 'active' });
    }
    store.cas = inner;
    await bench.clock.advance(5_000);
    await vi.waitFor(() =>
      expect(store.writes.some(({ body }) => body.includes('"generation":2'))).toBe(true),
    );
  });

  it('F31 F29 a wall clock set ahead a day misleads nobody where the store has a clock of its own', async () => {
    const storeClock = new ManualClock({ now: Date.UTC(2026, 0) });
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
    store = new FlakyStore(memoryStore({ clock: storeClock }));
    const connection = bench.manager({ store }).connection('ann');
    await bench.signIn(connection);
    const token = await connection.getAccessToken();
    for (const jump of [DAY, -DAY, -DAY, 10 * MINUTE]) {
      bench.clock.jumpWall(jump);
      expect(await connection.getAccessToken()).toBe(token);
    }
    expect(bench.emulator.ledger.refreshes()).toBe(0);
    bench.clock.stall(30 * MINUTE);
    storeClock.stall(30 * MINUTE);
    expect(await connection.getAccessToken()).not.toBe(token);
  });
});
