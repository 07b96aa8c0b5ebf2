import { afterEach, expect, it } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, HOUR, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';

let bench: Bench;
afterEach(() => bench.close());

/** Processes on one store whose clock can be set. */
async function open() {
  bench = await Bench.open();
  const shared = memoryStore();
  const clock = { setBackMs: 0 };
  const start = () => {
    const link = new FlakyStore(shared);
    const [read, cas, now] = [link.read.bind(link), link.cas.bind(link), link.now.bind(link)];
    const shown = <T extends { readonly now: number }>(answer: T): T => ({
      ...answer,
      now: answer.now - clock.setBackMs,
    });
    link.read = async (key) => shown(await read(key));
    link.cas = async (...given) => shown(await cas(...given));
    link.now = async () => (await now()) - clock.setBackMs;
    return Object.assign(bench.manager({ store: link }).connection('ann'), { writes: link.writes });
  };
  return { start, clock };
}

it('T6 who comes back is signed in also by a process that does not know the connection', async () => {
  const { start, clock } = await open();
  const first = start();
  await bench.signIn(first);
  await first.disconnect();
  clock.setBackMs = 6 * HOUR;
  const next = start();
  await bench.signIn(next);
  expect(await next.status()).toMatchObject({ state: 'active' });
});

it('T6 another account takes the place of the one before, too', async () => {
  const { start, clock } = await open();
  await bench.signIn(start());
  clock.setBackMs = 6 * HOUR;
  const next = start();
  await bench.signIn(next, 'limited@clientname.com');
  expect(await next.status()).toMatchObject({ userEmail: 'limited@clientname.com' });
});

it('an account that waits does so under a higher epoch than those that are over', async () => {
  const { start, clock } = await open();
  const ann = start();
  const [first, second] = [await bench.emulator.authorize(), await bench.emulator.authorize()];
  await ann.exchangeCode(first.code, { confirm: true });
  clock.setBackMs = 6 * HOUR;
  await ann.exchangeCode(second.code, { confirm: true });
  const { pending, pendingOver } = JSON.parse(ann.writes.at(-1)?.body ?? '{}');
  expect(pending.epoch).toBeGreaterThan(pendingOver);
});

it('F18 I7 a good answer that is dated in the future does not prove that the registration works', async () => {
  const { start, clock } = await open();
  const ann = start();
  await bench.signIn(ann);
  await ann.refresh({ force: true });
  clock.setBackMs = 24 * HOUR;
  bench.emulator.faults.add({
    match: { endpoint: 'token' },
    kind: 'status',
    status: 403,
    body: '<response>Access denied</response>',
  });
  // Each of them is refused: the registration was archived, say.
  for (let minutes = 0; minutes < 420; minutes += 10) {
    await ann.getAccessToken().catch(() => undefined);
    await bench.clock.advance(10 * MINUTE);
  }
  expect((await ann.status()).state).not.toBe('reauth_required');
  bench.emulator.faults.clear();
  await bench.clock.advance(HOUR);
  expect(await ann.getAccessToken()).toBeTruthy();
});

it('F18 I7 nor does it once the clock has come to where it was dated', async () => {
  const { start, clock } = await open();
  const ann = start();
  await bench.signIn(ann);
  await ann.refresh({ force: true });
  clock.setBackMs = 6 * HOUR;
  bench.emulator.faults.add({
    match: { endpoint: 'token' },
    kind: 'status',
    status: 403,
    body: '<response>Access denied</response>',
  });
  for (let minutes = 0; minutes < 500; minutes += 10) {
    await ann.getAccessToken().catch(() => undefined);
    await bench.clock.advance(10 * MINUTE);
  }
  expect((await ann.status()).state).not.toBe('reauth_required');
});
