import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from './contracts.ts';
import { Bench, HOUR, MINUTE } from './manager.fixture.ts';

const SITES = '6/sites';
const FORBIDDEN = '6/organisations';
let bench: Bench;
let first: Connection;
let second: Connection;

beforeEach(async () => {
  const registrations = [{ tokenExpirationMs: 5 * HOUR }];
  // A lease, a settle time and some patience, and no more.
  const switches = { previousAccessToken: 'ends', reuse: 'grace', graceMs: 10 * MINUTE } as const;
  bench = await Bench.open({ registrations, ...switches });
  const start = (): Connection => bench.manager().connection('ann');
  [first, second] = [start(), start()];
  await bench.signIn(first, 'limited@clientname.com');
  // The canary is trusted from then on.
  for (const ann of [first, second]) expect((await ann.fetch(FORBIDDEN)).status).toBe(403);
  await bench.clock.advance(4 * HOUR + 10 * MINUTE);
  bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'reset-after-commit', times: 1 });
  await first.getAccessToken();
  await bench.presented(1);
  await bench.clock.settle(50);
});
afterEach(() => bench.close());

async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    await bench.clock.advance(1_000);
    await bench.clock.settle(5);
  }
}

/** What comes of an API call, on a clock that goes on. */
async function called(ann: Connection): Promise<number | string> {
  let answer: number | string | undefined;
  const asked = ann.fetch(SITES).then(
    ({ status }) => {
      answer = status;
    },
    ({ code }) => {
      answer = code;
    },
  );
  while (answer === undefined) await pass(1_000);
  await asked;
  return answer;
}

describe('a refresh whose outcome is unknown, where the old access token has ended with it', () => {
  it('F64 is probed when its lease is over by a process that waited for that when its canary was refused', async () => {
    // The one that sent it is gone; this one waits for its lease.
    expect(await second.getAccessToken()).toBeTruthy();
    expect(await called(second)).toBe('refresh_in_progress');
    await pass(3.5 * MINUTE);
    expect(await called(second)).toBe(200);
    expect(bench.refreshes).toBe(2);
  });

  it('F64 is probed at once where the canary is refused only when the probe has been put off already', async () => {
    await pass(5 * MINUTE);
    expect((await first.status()).state).toBe('uncertain');
    expect(bench.refreshes).toBe(1);
    expect(await called(first)).toBe(200);
    expect(bench.refreshes).toBe(2);
  });
});
