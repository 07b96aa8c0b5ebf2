import { afterEach, expect, it } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, HOUR, MINUTE } from './manager.fixture.ts';

let bench: Bench;
afterEach(() => bench.close());

/** Processes on one store, whose clock can be set back. */
async function open() {
  bench = await Bench.open();
  const shared = new FlakyStore();
  const start = () => {
    const link = new FlakyStore(shared);
    return Object.assign(bench.manager({ store: link }).connection('ann'), { writes: link.writes });
  };
  return { start, shared };
}

/** Each refresh is refused for so long, as if the registration was archived; the last good answer is dated in the future. */
async function refusedFor(minutes: number, setBackMs: number) {
  const { start, shared } = await open();
  const ann = start();
  await bench.signIn(ann);
  await ann.refresh({ force: true });
  shared.setBackMs = setBackMs;
  bench.emulator.faults.add({
    match: { endpoint: 'token' },
    kind: 'status',
    status: 403,
    body: '<response>Access denied</response>',
  });
  for (let passed = 0; passed < minutes; passed += 10) {
    await ann.getAccessToken().catch(() => undefined);
    await bench.clock.advance(10 * MINUTE);
  }
  return ann;
}

it('T6 who comes back is signed in also by a process that does not know the connection', async () => {
  const { start, shared } = await open();
  const first = start();
  await bench.signIn(first);
  await first.disconnect();
  shared.setBackMs = 6 * HOUR;
  const next = start();
  await bench.signIn(next);
  expect(await next.status()).toMatchObject({ state: 'active' });
});

it('T6 another account takes the place of the one before, too', async () => {
  const { start, shared } = await open();
  await bench.signIn(start());
  shared.setBackMs = 6 * HOUR;
  const next = start();
  await bench.signIn(next, 'limited@clientname.com');
  expect(await next.status()).toMatchObject({ userEmail: 'limited@clientname.com' });
});

it('an account that waits does so under a higher epoch than those that are over', async () => {
  const { start, shared } = await open();
  const ann = start();
  const [first, second] = [await bench.emulator.authorize(), await bench.emulator.authorize()];
  await ann.exchangeCode(first.code, { confirm: true });
  shared.setBackMs = 6 * HOUR;
  await ann.exchangeCode(second.code, { confirm: true });
  const { pending, pendingOver } = JSON.parse(ann.writes.at(-1)?.body ?? '{}');
  expect(pending.epoch).toBeGreaterThan(pendingOver);
});

it('F18 I7 a good answer that is dated in the future does not prove that the registration works', async () => {
  const ann = await refusedFor(420, 24 * HOUR);
  expect((await ann.status()).state).not.toBe('reauth_required');
  bench.emulator.faults.clear();
  await bench.clock.advance(HOUR);
  expect(await ann.getAccessToken()).toBeTruthy();
});

it('F18 I7 nor does it once the clock has come to where it was dated', async () => {
  const ann = await refusedFor(500, 6 * HOUR);
  expect((await ann.status()).state).not.toBe('reauth_required');
});
