import { expect, it, onTestFinished } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, HOUR, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';

it('F60f a rescue place that hangs holds a shutdown up once, and not once for each pair', async () => {
  const bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
  onTestFinished(() => bench.close());
  const store = new FlakyStore();
  const place = { hangs: false };
  const hanging = () => (place.hangs ? new Promise<never>(() => undefined) : Promise.resolve());
  const journal: Journal = {
    name: 'hanging',
    append: hanging,
    read: async () => [],
    forget: hanging,
    close: async () => {},
  };
  const said: unknown[] = [];
  const manager = bench.manager({ store, journal, logger: { error: (...told) => said.push(told) } });
  const ids = Array.from({ length: 40 }, (_, index) => `user-${index}`);
  for (const id of ids) await bench.signIn(manager.connection(id));
  const tokens = () => Promise.all(ids.map((id) => manager.connection(id).getAccessToken()));
  await bench.pairInHand(store, tokens, ids.length);
  place.hangs = true;
  const from = bench.clock.monotonic();
  let open = true;
  const closed = manager.close({ timeoutMs: 1_000 }).finally(() => {
    open = false;
  });
  while (open) await bench.clock.advance(100);
  await closed;
  expect(bench.clock.monotonic() - from).toBeLessThan(15_000);
  expect(said.filter((told) => /is lost with this process/.test(JSON.stringify(told)))).toHaveLength(
    ids.length,
  );
});

it('F32 I9 a time that lay unread while the machine slept is not what a list of connections goes by', async () => {
  const shared = memoryStore();
  const store = new FlakyStore(shared);
  const { bench, manager } = await Bench.connected(store, { lifeMs: 30 * MINUTE });
  const awake = Promise.withResolvers<void>();
  const now = store.now.bind(store);
  let asked = 0;
  store.now = async () => {
    const shown = await now();
    asked += 1;
    if (asked === 1) await awake.promise;
    return shown;
  };
  const states: string[] = [];
  const listing = (async () => {
    for await (const { state } of manager.connections()) states.push(state);
  })();
  await bench.clock.settle(5);
  bench.clock.suspend(8 * HOUR);
  awake.resolve();
  await listing;
  expect(states).toEqual(['expired']);
});

it('F43 a store that tells the time and reads no row, as one on a damaged file does, is not called well', async () => {
  const store = new FlakyStore();
  const { manager } = await Bench.connected(store);
  store.read = async () => {
    throw new Error('database disk image is malformed');
  };
  expect(await manager.health()).toMatchObject({ status: 'down', store: 'down' });
});
