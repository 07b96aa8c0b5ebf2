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
