import { afterEach, describe, expect, it, vi } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { RegistrationGate } from './registration-gate.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { timings } from './timings.ts';
import type { TokenOutcome } from './token-outcome.ts';

const BAD: TokenOutcome = { kind: 'unknown', reason: 'server_error', status: 502, retryAfterMs: null };
const GOOD: TokenOutcome = {
  kind: 'ok',
  response: {
    accessToken: 'a',
    refreshToken: 'r',
    expiresInSeconds: 1_800,
    refreshExpiresInSeconds: null,
    userEmail: null,
    format: 'json',
    anomalies: [],
  },
};
const TIMINGS = timings();
const SLOT_MS = TIMINGS.settleMs + TIMINGS.announceSlackMs + TIMINGS.connectMs + TIMINGS.responseMs;

async function shut() {
  const clock = new ManualClock();
  const store = memoryStore({ clock });
  const gate = () => new RegistrationGate(store, 'r', TIMINGS);
  for (let count = 0; count < 5; count += 1) await gate().report(BAD);
  const closed = await gate().check();
  if (closed.open) throw new Error('five failures shut it');
  return { clock, gate, retryAfterMs: closed.retryAfterMs };
}

describe('the slot of an open breaker', () => {
  it('F19 F106 is for one at a time, and free again when its holder gives it back', async () => {
    const { clock, gate, retryAfterMs } = await shut();
    await clock.advance(retryAfterMs - 1);
    expect(await gate().check()).toMatchObject({ open: false, retryAfterMs: 1 });
    await clock.advance(1);
    const mine = await gate().check();
    expect(mine).toMatchObject({ open: true, slot: clock.now() + SLOT_MS });
    // As a rule it is over long before that.
    const { settleMs, connectMs } = TIMINGS;
    expect(await gate().check()).toMatchObject({ open: false, retryAfterMs: settleMs + connectMs });
    if (mine.open && mine.slot !== null) await gate().release(mine.slot);
    expect(await gate().check()).toMatchObject({ open: true });
  });

  it('F19 lapses when its holder has died, and not before', async () => {
    const { clock, gate, retryAfterMs } = await shut();
    await clock.advance(retryAfterMs);
    expect((await gate().check()).open).toBe(true);
    await clock.advance(SLOT_MS - 1);
    expect(await gate().check()).toMatchObject({ open: false, retryAfterMs: 1 });
    await clock.advance(1);
    expect((await gate().check()).open).toBe(true);
  });

  it('is not given back by who had an earlier one', async () => {
    const { clock, gate, retryAfterMs } = await shut();
    await clock.advance(retryAfterMs);
    const first = await gate().check();
    await clock.advance(SLOT_MS);
    expect((await gate().check()).open).toBe(true);
    if (first.open && first.slot !== null) await gate().release(first.slot);
    expect((await gate().check()).open).toBe(false);
  });

  it('F20 ends with an answer that asks to wait', async () => {
    const { clock, gate, retryAfterMs } = await shut();
    await clock.advance(retryAfterMs);
    expect((await gate().check()).open).toBe(true);
    await gate().report({ kind: 'not_sent', reason: 'rate_limited', retryAfterMs: 20_000, detail: '429' });
    expect(await gate().check()).toMatchObject({ open: false, retryAfterMs: 20_000 });
  });
});

describe('a try that could not connect', () => {
  let bench: Bench;
  afterEach(() => bench.close());

  it('F24 F106 does not hold the slot against the other connections', async () => {
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
    const store = new FlakyStore();
    const manager = bench.manager({ store });
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    for (const id of ids) await bench.signIn(manager.connection(id));
    const refused = (id: string) =>
      manager
        .connection(id)
        .getAccessToken({ waitMs: 1 })
        .catch((error: { reason?: unknown }) => error.reason);
    bench.emulator.faults.add({
      match: { endpoint: 'token', grantType: 'refresh_token' },
      kind: 'status',
      status: 502,
    });
    await bench.clock.advance(30 * MINUTE);
    const breaker = (): { failures: number; openUntil: number; halfOpenUntil: number } => {
      const body = store.writes.findLast((write) => write.body.includes('"halfOpenUntil"'))?.body;
      return body ? JSON.parse(body) : { failures: 0, openUntil: 0, halfOpenUntil: 0 };
    };
    for (const [at, id] of ids.slice(0, 5).entries()) {
      await refused(id);
      await vi.waitFor(() => expect(breaker().failures).toBe(at + 1));
    }
    bench.emulator.faults.clear();
    await bench.clock.advance(breaker().openUntil - bench.clock.now());
    const slots = () => store.writes.filter(({ body }) => /"halfOpenUntil":[1-9]/.test(body)).length;
    const elsewhere = bench.manager({ store, http: { proxy: 'http://127.0.0.1:9' } });
    const before = slots();
    await elsewhere
      .connection('f')
      .getAccessToken()
      .catch(() => undefined);
    expect(slots()).toBe(before + 1);
    await vi.waitFor(() => expect(breaker().halfOpenUntil).toBe(0));
    expect(await manager.connection('g').getAccessToken()).toBeTruthy();
  });
});

it('F20 a pause that the provider asked for outlasts the answers that were under way', async () => {
  const clock = new ManualClock();
  const gate = new RegistrationGate(memoryStore({ clock }), 'r', TIMINGS);
  const limited = { kind: 'not_sent', reason: 'rate_limited', retryAfterMs: 120_000, detail: '' } as const;
  await gate.report(limited);
  await gate.report(GOOD);
  await gate.report({ kind: 'rejected', error: 'invalid_grant' });
  expect(await gate.check()).toMatchObject({ open: false, retryAfterMs: 120_000, reason: 'rate_limited' });
  await clock.advance(120_000);
  expect(await gate.check()).toMatchObject({ open: true, lastOkAt: clock.now() - 120_000 });
});

it('F18 a good answer that was noted by a clock that has since been set back is none, and is noted anew', async () => {
  const clock = new ManualClock();
  const gate = new RegistrationGate(memoryStore({ clock }), 'r', TIMINGS);
  await gate.report(GOOD);
  clock.jumpWall(-24 * 60 * MINUTE);
  expect(await gate.check()).toMatchObject({ open: true, lastOkAt: null });
  await gate.report(GOOD);
  expect(await gate.check()).toMatchObject({ open: true, lastOkAt: clock.now() });
});

describe('the breaker', () => {
  const REFUSED: TokenOutcome = { kind: 'rejected', error: 'invalid_grant' };
  const UNRECOGNIZED: TokenOutcome = { kind: 'unrecognized', status: 403, error: null };

  async function tried() {
    const bench = await shut();
    await bench.clock.advance(bench.retryAfterMs);
    expect(await bench.gate().check()).toMatchObject({ open: true, slot: bench.clock.now() + SLOT_MS });
    return bench;
  }

  it.each([
    ['a pair', GOOD],
    ['an invalid_grant', REFUSED],
  ])('F106 is closed for all by %s', async (_, outcome) => {
    const { gate } = await tried();
    await gate().report(outcome);
    for (let caller = 0; caller < 3; caller += 1)
      expect(await gate().check()).toMatchObject({ open: true, slot: null });
    await gate().report(BAD);
    expect(await gate().check()).toMatchObject({ open: true, slot: null });
  });

  it('F106 is closed by a pair also shortly after another one', async () => {
    const clock = new ManualClock();
    const gate = new RegistrationGate(memoryStore({ clock }), 'r', TIMINGS);
    await gate.report(GOOD);
    for (let count = 0; count < 5; count += 1) await gate.report(BAD);
    const closed = await gate.check();
    expect(closed).toMatchObject({ open: false });
    if (!closed.open) await clock.advance(closed.retryAfterMs);
    await gate.check();
    await gate.report(GOOD);
    expect(await gate.check()).toMatchObject({ open: true, slot: null, lastOkAt: clock.now() });
  });

  it('counts failures in a row only', async () => {
    const gate = new RegistrationGate(memoryStore({ clock: new ManualClock() }), 'r', TIMINGS);
    for (const outcome of [GOOD, BAD, BAD, BAD, BAD, GOOD, BAD]) await gate.report(outcome);
    expect(await gate.check()).toMatchObject({ open: true, slot: null });
  });

  it('F18 knows to five minutes when the registration worked last', async () => {
    const clock = new ManualClock();
    const gate = new RegistrationGate(memoryStore({ clock }), 'r', TIMINGS);
    await gate.report(GOOD);
    await clock.advance(5 * MINUTE);
    await gate.report(GOOD);
    expect(await gate.check()).toMatchObject({ lastOkAt: clock.now() });
  });

  it('F117 gives the slot back after a refusal that nobody recognizes, and stays as it is', async () => {
    const { gate, clock } = await tried();
    await gate().report(UNRECOGNIZED);
    expect(await gate().check()).toMatchObject({ open: true, slot: clock.now() + SLOT_MS });
  });

  it('F106 F19 rests for five minutes at the most, however long the outage lasts', async () => {
    const { gate } = await shut();
    for (let count = 0; count < 40; count += 1) await gate().report(BAD);
    expect(await gate().check()).toMatchObject({ open: false, retryAfterMs: 5 * MINUTE });
  });

  it('F30 neither rests nor is tried for longer when the store’s clock is set back', async () => {
    const resting = await shut();
    resting.clock.jumpWall(-24 * 60 * MINUTE);
    expect(await resting.gate().check()).toMatchObject({ open: true });
    const trying = await tried();
    trying.clock.jumpWall(-24 * 60 * MINUTE);
    expect(await trying.gate().check()).toMatchObject({ open: true });
  });
});

it('F19 F20 a 503 that asks for a pause is given it, and shuts the breaker no sooner than others', async () => {
  const clock = new ManualClock();
  const gate = new RegistrationGate(memoryStore({ clock }), 'r', TIMINGS);
  await gate.report({ ...BAD, status: 503, retryAfterMs: 240_000 });
  expect(await gate.check()).toMatchObject({ open: false, retryAfterMs: 240_000, reason: 'rate_limited' });
  await clock.advance(240_000);
  expect(await gate.check()).toMatchObject({ open: true, slot: null });
});

it('F20 a shorter pause does not end a longer one', async () => {
  const gate = new RegistrationGate(memoryStore({ clock: new ManualClock() }), 'r', TIMINGS);
  for (const retryAfterMs of [120_000, 1_000])
    await gate.report({ kind: 'not_sent', reason: 'rate_limited', retryAfterMs, detail: '' });
  expect(await gate.check()).toMatchObject({ open: false, retryAfterMs: 120_000 });
});
