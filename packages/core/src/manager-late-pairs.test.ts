import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { rescueFolder } from './rescue-folder.fixture.ts';

const LIFE = 30 * MINUTE;
afterEach(() => {
  vi.unstubAllEnvs();
});

async function rescuing() {
  await rescueFolder();
  const said: string[] = [];
  const store = new FlakyStore();
  const opened = await Bench.connected(store, {
    lifeMs: LIFE,
    logger: { error: (text) => void said.push(text) },
  });
  return { ...opened, said };
}

it('F44 F60f a pair that comes after the time-out of a shutdown goes to the rescue folder', async () => {
  const { bench, manager, connection, start, store, said } = await rescuing();
  await bench.clock.advance(LIFE);
  await bench.refreshing(10_000, () => connection.getAccessToken());
  await bench.stop(manager);
  // Who closes the manager closes the store next.
  store.down = true;
  await bench.clock.advance(15_000);
  await vi.waitFor(() => expect(said.join()).toContain('was written down, sealed'));
  store.down = false;
  expect(await start().connection('ann').getAccessToken()).toBeTruthy();
  expect(bench.refreshes).toBe(1);
});

it('F44 F60f F105 so does an answer that could not be read', async () => {
  const { bench, manager, connection, start, store, said } = await rescuing();
  const match = { endpoint: 'token', grantType: 'refresh_token' } as const;
  bench.emulator.faults.add({ match, kind: 'wrap-root', times: 1 });
  bench.emulator.faults.add({ match, kind: 'delay', delayMs: 10_000, times: 1 });
  await bench.clock.advance(LIFE);
  connection.getAccessToken().catch(() => undefined);
  await bench.presented(1);
  const closed = manager.close({ timeoutMs: 1_000 });
  await bench.clock.advance(1_000);
  await closed;
  store.down = true;
  await bench.clock.advance(15_000);
  await vi.waitFor(() => expect(said.join()).toContain('was written down, sealed'));
  store.down = false;
  const next = start().connection('ann');
  await next.status();
  expect(await next.status()).toMatchObject({ state: 'uncertain', reason: 'quarantine' });
});

it('F60f a shutdown whose time-out is no number waits for a pair as one without', async () => {
  const { bench, manager, connection, start } = await rescuing();
  await bench.clock.advance(LIFE);
  await bench.refreshing(10_000, () => connection.getAccessToken());
  let ended = false;
  const closed = manager.close({ timeoutMs: Number.NaN }).then(() => {
    ended = true;
  });
  await bench.clock.advance(9_000);
  expect(ended).toBe(false);
  await bench.clock.advance(1_000);
  await closed;
  expect(await start().connection('ann').getAccessToken()).toBeTruthy();
  expect(bench.refreshes).toBe(1);
});

it('F44 F60f so does the pair of a sign-in', async () => {
  const { bench, manager, start, store, said } = await rescuing();
  await bench.signingIn(manager.connection('bob'), 10_000);
  await bench.stop(manager);
  store.down = true;
  await bench.clock.advance(15_000);
  await vi.waitFor(() => expect(said.join()).toContain('was written down, sealed'));
  store.down = false;
  expect(await start().connection('bob').getAccessToken()).toBeTruthy();
});

it('F44 F60f also where the store neither takes it nor says so', async () => {
  const { bench, manager, start, store, said } = await rescuing();
  await bench.signingIn(manager.connection('bob'), 10_000);
  await bench.stop(manager);
  const read = store.read.bind(store);
  store.read = () => new Promise(() => {});
  await bench.clock.advance(15_000);
  await vi.waitFor(async () => {
    await bench.clock.advance(1_000);
    expect(said.join()).toContain('was written down, sealed');
  });
  store.read = read;
  expect(await start().connection('bob').getAccessToken()).toBeTruthy();
});

it('F60f a rescue place that answers, one pair after the other, is waited for until it has all of them', async () => {
  const bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
  onTestFinished(() => bench.close());
  const store = new FlakyStore();
  let turn: Promise<void> = Promise.resolve();
  let isSlow = false;
  let waiting = 0;
  const slowly = (): Promise<void> => {
    if (!isSlow) return Promise.resolve();
    waiting += 1;
    const answered = (resolve: () => void) => (): void => {
      waiting -= 1;
      resolve();
    };
    turn = turn.then(() => new Promise((resolve) => void bench.clock.setTimer(answered(resolve), 1_000)));
    return turn;
  };
  const journal: Journal = {
    name: 'slow',
    append: slowly,
    read: async () => [],
    forget: slowly,
    close: async () => {},
  };
  const said: string[] = [];
  const manager = bench.manager({ store, journal, logger: { error: (text) => void said.push(text) } });
  const ids = Array.from({ length: 20 }, (_, index) => `user-${index}`);
  for (const id of ids) await bench.signIn(manager.connection(id));
  const tokens = () => Promise.all(ids.map((id) => manager.connection(id).getAccessToken()));
  await bench.pairInHand(store, tokens, ids.length);
  isSlow = true;
  let open = true;
  const closed = manager.close({ timeoutMs: 1_000 }).finally(() => {
    open = false;
  });
  await bench.clock.advance(1_000);
  // Time passes for the place alone: sealing takes as long as it takes.
  while (open) await (waiting > 0 ? bench.clock.advance(1_000) : bench.clock.settle());
  await closed;
  expect(said.filter((text) => text.includes('was written down, sealed'))).toHaveLength(ids.length);
});

it('F44 F107 asks a store that is gone without a word every two seconds: what a try has taken counts', async () => {
  const { bench, connection, store } = await rescuing();
  await bench.clock.advance(LIFE);
  const [read, cas] = [store.read.bind(store), store.cas.bind(store)];
  const asked: number[] = [];
  let gone = false;
  const silence = (): Promise<never> => {
    asked.push(bench.clock.monotonic());
    return new Promise(() => {});
  };
  store.read = (key) => (gone && key.kind === 'grant' ? silence() : read(key));
  store.cas = (key, rev, next) => {
    gone ||= asked.length === 0 && JSON.parse(next.body).generation === 2;
    return gone && key.kind === 'grant' ? silence() : cas(key, rev, next);
  };
  const call = connection.getAccessToken();
  await bench.presented(1);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  await bench.clock.advance(20_000);
  expect(await call).toBeTruthy();
  // Whoever announces a probe settles for five: two tries fit in.
  const pauses = asked.slice(1).map((at, index) => at - (asked[index] ?? 0));
  expect(pauses.length).toBeGreaterThanOrEqual(9);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(2_000);
  gone = false;
  await bench.clock.advance(2_000);
  await vi.waitFor(() => expect(store.writes.map(({ body }) => JSON.parse(body).generation)).toContain(2));
});
