import { afterEach, describe, expect, it } from 'vitest';
import { MAX_ACCESS_LIFE_MS } from './expiry.ts';
import { Bench, DAY, HOUR, MINUTE, USER } from './manager.fixture.ts';

let bench: Bench;
afterEach(() => bench?.close());

async function connected(lifeMs = 5 * HOUR, options: Parameters<Bench['manager']>[0] = {}) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: lifeMs }] });
  const manager = bench.manager(options);
  const connection = manager.connection('ann');
  await bench.signIn(connection);
  return { manager, connection, ledger: bench.emulator.ledger };
}

describe('the main path', () => {
  it('signs in, calls, renews before the token ends, calls on', async () => {
    const { connection, ledger } = await connected();
    const status = await connection.status();
    expect(status).toMatchObject({ state: 'active', userEmail: USER, generation: 1 });
    expect(status.access?.expiresAt).toBe(bench.clock.now() + 5 * HOUR);
    const before = await connection.client.get('6/sites', { headers: { accept: 'application/json' } }).json();
    expect(before).toHaveProperty('site');
    expect(ledger.refreshes()).toBe(0);

    await bench.clock.advance(5 * HOUR);
    expect(
      await connection.client.get('6/sites', { headers: { accept: 'application/json' } }).json(),
    ).toEqual(before);
    expect(ledger.refreshes()).toBe(1);
    expect(bench.refusedCalls).toBe(0);
    expect(await connection.status()).toMatchObject({ state: 'active', generation: 2 });
    expect(bench.named('refreshed')).toHaveLength(1);
  });

  it('goes on after a restart on the same store, without a new sign-in', async () => {
    const { manager, connection, ledger } = await connected();
    await connection.getAccessToken();
    await manager.close();
    const after = bench.manager().connection('ann');
    await after.getAccessToken();
    await bench.clock.advance(6 * HOUR);
    await after.getAccessToken();
    expect(ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
    expect(ledger.refreshes()).toBe(1);
  });

  it.each([
    ['xml', 30 * MINUTE],
    ['json', 30 * MINUTE],
    ['xml', 31 * DAY],
    ['json', 31 * DAY],
  ] as const)(
    'F28 13 months with a call a week, %s, life of %i ms: no sign-in, nothing presented twice',
    async (tokenFormat, lifeMs) => {
      const { connection, ledger } = await connected(lifeMs);
      bench.emulator.switches.set({ tokenFormat });
      for (let week = 0; week < 57; week += 1) {
        await bench.clock.advance(7 * DAY);
        const response = await connection.fetch('6/sites');
        expect(response.status).toBe(200);
        await response.arrayBuffer();
      }
      expect(ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
      expect(ledger.presentedTwice()).toBe(0);
      expect(bench.refusedCalls).toBe(0);
      // 31 days are over at every fifth call.
      expect(ledger.refreshes()).toBe(lifeMs === 30 * MINUTE ? 57 : 11);
    },
  );

  it('F37 1,000 calls at the instant of expiry: one refresh, one token for all', async () => {
    const { connection, ledger } = await connected();
    await bench.clock.advance(5 * HOUR);
    const aborted = new AbortController();
    const calls = Array.from({ length: 1_000 }, (_, index) =>
      connection.getAccessToken(index === 7 ? { signal: aborted.signal } : {}),
    );
    await bench.clock.settle(1);
    aborted.abort(new Error('gone'));
    const results = await Promise.allSettled(calls);
    const tokens = new Set(
      results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    );
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(tokens.size).toBe(1);
    expect(ledger.refreshes()).toBe(1);
    expect(ledger.count({ kind: 'presented', tokenType: 'refresh' })).toBe(1);
  });

  it('F109 nobody is not the default connection', async () => {
    const { manager } = await connected();
    for (const nobody of [undefined, null, '']) {
      expect(() => manager.connection(...([nobody] as unknown as [string]))).toThrow(TypeError);
    }
    expect(manager.connection().id).toBe('default');
    await expect(manager.connection('bob').getAccessToken()).rejects.toMatchObject({
      code: 'not_connected',
      status: 401,
    });
  });
});

describe('both sides of every edge', () => {
  it('renews in the background from the should threshold on, not before', async () => {
    const { connection, ledger } = await connected(30 * MINUTE);
    const { nextRefreshAt } = await connection.status();
    const edge = (nextRefreshAt ?? 0) - bench.clock.now();
    expect(edge).toBeGreaterThan(30 * MINUTE - 1.1 * 6 * MINUTE - 1);
    await bench.clock.advance(edge - 1);
    const first = await connection.getAccessToken();
    await bench.clock.settle(20);
    expect(ledger.refreshes()).toBe(0);
    await bench.clock.advance(1);
    expect(await connection.getAccessToken()).toBe(first);
    await expect.poll(() => ledger.refreshes()).toBe(1);
    await expect.poll(() => connection.getAccessToken()).not.toBe(first);
    expect(ledger.refreshes()).toBe(1);
  });

  it('makes the caller wait from the must threshold on, not before', async () => {
    const { connection, ledger } = await connected(30 * MINUTE);
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 2_000 });
    const old = await connection.getAccessToken();
    await bench.clock.advance(30 * MINUTE - 10_001);
    expect(await connection.getAccessToken()).toBe(old);
    await bench.clock.advance(1);
    const waiting = connection.getAccessToken();
    await bench.presented(1);
    await bench.clock.advance(2_000);
    expect(await waiting).not.toBe(old);
    expect(ledger.refreshes()).toBe(1);
  });

  it('minValidityMs is held against what is left', async () => {
    const { connection, ledger } = await connected(30 * MINUTE);
    await bench.clock.advance(20 * MINUTE);
    const old = await connection.getAccessToken({ minValidityMs: 10 * MINUTE - 1 });
    expect(ledger.refreshes()).toBe(0);
    expect(await connection.getAccessToken({ minValidityMs: 10 * MINUTE })).not.toBe(old);
    expect(ledger.refreshes()).toBe(1);
  });

  it('F111 an hour of minValidityMs on a 30-minute registration: 1,000 calls, one refresh in 15 minutes, one anomaly', async () => {
    const { connection, ledger } = await connected(30 * MINUTE);
    for (let call = 0; call < 1_000; call += 1) {
      await connection.getAccessToken({ minValidityMs: HOUR });
    }
    expect(ledger.refreshes()).toBe(0);
    await bench.clock.advance(15 * MINUTE - 1);
    await connection.getAccessToken({ minValidityMs: HOUR });
    expect(ledger.refreshes()).toBe(0);
    await bench.clock.advance(1);
    for (let call = 0; call < 1_000; call += 1) await connection.getAccessToken({ minValidityMs: HOUR });
    expect(ledger.refreshes()).toBe(1);
    expect(bench.named('anomaly').filter(({ anomaly }) => anomaly === 'min_validity_clamped')).toHaveLength(
      1,
    );
  });

  it.each([
    ['minValidityMs', 'NaN', Number.NaN],
    ['waitMs', 'NaN', Number.NaN],
    ['waitMs', 'of type string', '15000'],
  ])('F111 a %s that is %s is refused, and costs no refresh', async (name, what, value) => {
    const { connection, ledger } = await connected(30 * MINUTE);
    await expect(connection.getAccessToken({ [name]: value })).rejects.toThrow(
      new TypeError(`${name} is ${what}: give a number of milliseconds, or leave it out.`),
    );
    expect(ledger.refreshes()).toBe(0);
  });

  it('F34 a token of 31 days is not refreshed in its first 29 days, however often it is used', async () => {
    const { connection, ledger } = await connected(MAX_ACCESS_LIFE_MS);
    for (let hours = 0; hours < 29 * 24; hours += 6) {
      await connection.getAccessToken();
      await bench.clock.advance(6 * HOUR);
    }
    expect(ledger.refreshes()).toBe(0);
  });

  it('F36 past the refresh token’s year a person is needed, and nothing is sent', async () => {
    const { connection, ledger } = await connected(30 * MINUTE);
    await bench.clock.advance(365 * DAY - 1);
    await connection.getAccessToken();
    expect(ledger.refreshes()).toBe(1);
    await bench.clock.advance(365 * DAY);
    for (let call = 0; call < 10; call += 1) {
      await expect(connection.getAccessToken()).rejects.toMatchObject({
        code: 'reauthorization_required',
        reason: 'refresh_token_expired',
      });
    }
    expect(ledger.count({ kind: 'presented', tokenType: 'refresh' })).toBe(1);
    expect(await connection.status()).toMatchObject({
      state: 'reauth_required',
      reason: 'refresh_token_expired',
    });
  });
});

describe('clocks', () => {
  it('F30 a wall clock set back a day: the monotonic one ends the token', async () => {
    const { connection, ledger } = await connected(30 * MINUTE);
    bench.clock.jumpWall(-DAY);
    await connection.getAccessToken();
    expect(ledger.refreshes()).toBe(0);
    bench.emulator.switches.set({ expiredAnswer: 'xml-403' });
    await bench.clock.advance(30 * MINUTE);
    await connection.getAccessToken();
    expect(ledger.refreshes()).toBe(1);
  });

  it('F31 a wall clock set ahead a day refreshes at most once', async () => {
    const { connection, ledger } = await connected(30 * MINUTE);
    bench.clock.jumpWall(DAY);
    for (let call = 0; call < 20; call += 1) await connection.getAccessToken();
    expect(ledger.refreshes()).toBe(1);
  });

  it('F32 a machine that slept 8 hours renews before it calls', async () => {
    const { connection, ledger } = await connected(5 * HOUR);
    await connection.getAccessToken();
    bench.clock.suspend(8 * HOUR);
    const response = await connection.fetch('6/sites');
    expect(response.status).toBe(200);
    await response.arrayBuffer();
    expect(ledger.refreshes()).toBe(1);
    expect(bench.refusedCalls).toBe(0);
  });
});
