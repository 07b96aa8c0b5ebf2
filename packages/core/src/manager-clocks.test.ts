import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from './clock.ts';
import type { Connection } from './contracts.ts';
import { Bench, HOUR, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';

const LIFE = 30 * MINUTE;
let bench: Bench;
afterEach(async () => {
  vi.unstubAllEnvs();
  await bench.close();
});

const open = async (): Promise<void> => {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
};

/** The bench's clock as a machine shows it whose wall clock is off. */
function offBy(offsetMs: number): Clock {
  const { clock } = bench;
  return {
    now: () => clock.now() + offsetMs,
    monotonic: () => clock.monotonic(),
    setTimer: (fn, delayMs) => clock.setTimer(fn, delayMs),
    afterIo: (fn) => clock.afterIo(fn),
  };
}

/** A call every five minutes for an hour and a half, in turn through each connection: three refreshes, by use. */
async function threeLives(connections: readonly Connection[], onStep = (_step: number): void => {}) {
  for (let step = 1; step <= 18; step += 1) {
    onStep(step);
    await bench.clock.advance(5 * MINUTE);
    const connection = connections[step % connections.length];
    const response = await connection?.fetch('6/sites');
    expect(response?.status).toBe(200);
    await response?.arrayBuffer();
  }
  expect(bench.emulator.ledger.refreshes()).toBe(3);
  expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  expect(bench.refusedCalls).toBe(0);
}

const OFFSETS = [5 * MINUTE, -5 * MINUTE, 12 * HOUR, -12 * HOUR];

describe('a wall clock that is off', () => {
  it.each(OFFSETS)('F29 of the client, by %i ms: the store’s clock counts', async (offsetMs) => {
    await open();
    const store = memoryStore({ clock: bench.clock });
    const connection = bench
      .manager({ store, clock: offBy(offsetMs), refresh: { background: 'await' } })
      .connection('ann');
    await bench.signIn(connection);
    expect((await connection.status()).access?.expiresAt).toBe(bench.clock.now() + LIFE);
    await threeLives([connection]);
  });

  it.each(OFFSETS)(
    'F29 of the store, by %i ms: lives are counted from its own instants',
    async (offsetMs) => {
      await open();
      const store = memoryStore({ clock: offBy(offsetMs) });
      const connection = bench.manager({ store, refresh: { background: 'await' } }).connection('ann');
      await bench.signIn(connection);
      expect((await connection.status()).access?.expiresAt).toBe(bench.clock.now() + offsetMs + LIFE);
      await threeLives([connection]);
    },
  );

  it('F29 of four processes in four ways: they share each refresh, and none ends or extends a life', async () => {
    await open();
    const store = memoryStore({ clock: bench.clock });
    const connections = OFFSETS.map((offsetMs) =>
      bench.manager({ store, clock: offBy(offsetMs), refresh: { background: 'await' } }).connection('ann'),
    );
    const [first] = connections;
    if (first) await bench.signIn(first);
    await threeLives(connections);
    const ends = await Promise.all(connections.map(async (one) => (await one.status()).access?.expiresAt));
    expect(new Set(ends).size).toBe(1);
  });

  it.each(OFFSETS)('F29 by %i ms: renewed at the last moment, and not before', async (offsetMs) => {
    await open();
    const store = memoryStore({ clock: bench.clock });
    const connection = bench.manager({ store, clock: offBy(offsetMs) }).connection('ann');
    await bench.signIn(connection);
    const { nextRefreshAt } = await connection.status();
    await bench.clock.advance((nextRefreshAt ?? 0) - bench.clock.now() - 1);
    const token = await connection.getAccessToken();
    await bench.clock.settle(20);
    expect(bench.emulator.ledger.refreshes()).toBe(0);
    await bench.clock.advance(1);
    expect(await connection.getAccessToken()).toBe(token);
    await bench.presented(1);
  });
});

const minutesWest = (at: number): number => new Date(at).getTimezoneOffset();

describe('calendars', () => {
  it.each([
    ['Europe/Berlin', 'summer time begins', '2026-03-29T01:00:00Z', [-60, -120]],
    ['America/New_York', 'summer time ends', '2026-11-01T06:00:00Z', [240, 300]],
    ['Australia/Lord_Howe', 'summer time of half an hour ends', '2026-04-04T15:00:00Z', [-660, -630]],
    ['Pacific/Apia', 'a day is left out', '2011-12-30T10:00:00Z', [600, -840]],
  ] as const)('F35 in %s, where %s: no effect', async (zone, _, instant, offsets) => {
    vi.stubEnv('TZ', zone);
    const at = Date.parse(instant);
    expect([minutesWest(at - HOUR), minutesWest(at + HOUR)]).toEqual(offsets);
    await open();
    bench.clock.setWall(at - LIFE - 10 * MINUTE);
    const connection = bench.manager({ refresh: { background: 'await' } }).connection('ann');
    await bench.signIn(connection);
    await threeLives([connection]);
  });

  it('F35 a time zone that is changed under the running process: no effect', async () => {
    await open();
    const zones = ['Pacific/Kiritimati', 'America/Los_Angeles', 'Asia/Kathmandu'];
    const seen = new Set<number>();
    const connection = bench.manager({ refresh: { background: 'await' } }).connection('ann');
    await bench.signIn(connection);
    await threeLives([connection], (step) => {
      vi.stubEnv('TZ', zones[step % zones.length] ?? 'UTC');
      seen.add(minutesWest(bench.clock.now()));
    });
    expect(seen.size).toBe(3);
  });

  it.each([
    ['32 bits of seconds with a sign end', (2 ** 31 - 1) * 1000],
    ['32 bits of seconds end', (2 ** 32 - 1) * 1000],
    ['41 bits of milliseconds end', 2 ** 41 - 1],
    ['a leap day', Date.UTC(2028, 1, 29)],
  ])('F35 at the instant where %s: no effect', async (_, at) => {
    await open();
    bench.clock.setWall(at - LIFE - 10 * MINUTE);
    const connection = bench.manager({ refresh: { background: 'await' } }).connection('ann');
    await bench.signIn(connection);
    const before = await connection.status();
    expect(before.access?.expiresAt).toBe(at - 10 * MINUTE);
    expect(before.refresh?.expiresAt).toBeGreaterThan(at);
    await threeLives([connection]);
    expect(await connection.status()).toMatchObject({ state: 'active', generation: 4 });
  });

  it.each([
    ['repeated', -1_000],
    ['left out', 1_000],
  ])('F35 a leap second that is %s on the wall clock: no effect', async (_, jumpMs) => {
    await open();
    bench.clock.setWall(Date.parse('2016-12-31T23:59:59Z') - 47 * MINUTE);
    const connection = bench.manager({ refresh: { background: 'await' } }).connection('ann');
    await bench.signIn(connection);
    await threeLives([connection], (step) => {
      if (step === 10) bench.clock.jumpWall(jumpMs);
    });
  });
});

it('F32 a machine that slept over the end of its token does not go on waiting for that', async () => {
  bench = await Bench.open({
    registrations: [{ tokenExpirationMs: 5 * HOUR }],
    reuse: 'grace',
    graceMs: 24 * HOUR,
  });
  const connection = bench.manager().connection('ann');
  await bench.signIn(connection);
  await bench.clock.advance(4 * HOUR + 10 * MINUTE);
  bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'reset-after-commit', times: 1 });
  await connection.getAccessToken();
  await bench.presented(1);
  // The lease is over by then, and the probe put off until shortly before the token's end.
  for (let seconds = 0; seconds < 240; seconds += 10) {
    await bench.clock.advance(10_000);
    await bench.clock.settle(5);
  }
  bench.clock.suspend(HOUR);
  const token = connection.getAccessToken();
  token.catch(() => undefined);
  for (let seconds = 0; seconds < 10; seconds += 1) {
    await bench.clock.advance(1_000);
    await bench.clock.settle(5);
  }
  expect(await token).toBeTruthy();
  expect(bench.refreshes).toBe(2);
});
