import { afterEach, expect, it, vi } from 'vitest';
import { Bench, MINUTE } from './manager.fixture.ts';

const LIFE = 30 * MINUTE;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
afterEach(() => bench.close());

it('T10 F20 an uncertain connection that nobody uses is woken again after a pause that another one has brought on all', async () => {
  const registrations = [{ tokenExpirationMs: LIFE }];
  bench = await Bench.open({ registrations, reuse: 'grace', graceMs: LIFE });
  const manager = bench.manager();
  const [ann, bob] = [manager.connection('ann'), manager.connection('bob')];
  await bench.signIn(ann);
  await bench.signIn(bob);
  await bench.clock.advance(LIFE);
  bench.emulator.faults.add({ match: REFRESH, kind: 'reset-after-commit', times: 1 });
  await expect(ann.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
  bench.emulator.faults.add({ match: REFRESH, kind: 'rate-limit', retryAfter: 300, times: 1 });
  await expect(bob.getAccessToken()).rejects.toMatchObject({ reason: 'rate_limited' });
  // Its lease is over, and nothing may be sent.
  await bench.clock.advance(4 * MINUTE);
  await bench.clock.settle(50);
  const asked = bench.refreshes;
  await bench.clock.advance(MINUTE + 10_000);
  await bench.presented(asked + 1);
  await vi.waitFor(async () => expect((await ann.status()).state).toBe('active'));
});

it('F38 a process whose refresh rests sees within a second that another one has brought a token', async () => {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
  const start = (options = {}) => bench.manager(options).connection('ann');
  const [well, cutOff] = [start(), start({ http: { proxy: 'http://127.0.0.1:9' } })];
  await bench.signIn(well);
  await bench.clock.advance(LIFE);
  const code = (): Promise<string> =>
    cutOff.getAccessToken().then(
      () => 'token',
      (error) => error.code,
    );
  for (let tries = 0; tries < 5; tries += 1) {
    await bench.clock.advance(2 ** tries * 1_000);
    expect(await code()).toBe('token_endpoint');
  }
  await well.getAccessToken();
  await bench.clock.advance(1_000);
  expect(await code()).toBe('token');
});
