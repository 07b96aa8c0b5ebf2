import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crossing, filesIn, rescueFolder } from './crossing.fixture.ts';
import { fileJournal } from './file-journal.ts';
import type { FlakyStore } from './flaky-store.fixture.ts';
import { MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import { storeJournal } from './store-journal.ts';

let crossing: Crossing;
let dir: string;

beforeEach(async () => {
  dir = await rescueFolder();
  crossing = await Crossing.open();
});
afterEach(async () => {
  await crossing.close();
  vi.unstubAllEnvs();
});

function setBack(link: FlakyStore, ms: () => number): void {
  const [read, cas, now] = [link.read.bind(link), link.cas.bind(link), link.now.bind(link)];
  const shown = <T extends { readonly now: number }>(answer: T): T => ({ ...answer, now: answer.now - ms() });
  link.read = async (key) => shown(await read(key));
  link.cas = async (...given) => shown(await cas(...given));
  link.now = async () => (await now()) - ms();
}

const account = async ({ ann }: { ann: ReturnType<typeof crossing.start>['ann'] }) =>
  (await ann.status()).authorizedAt;

describe('a sign-in that was under way when its person left', () => {
  it.each(['nobody', 'an older grant'])(
    'T8 F103 does not come back from a rescue folder, over %s',
    async (over) => {
      const { bench } = crossing;
      const [one, two] = [crossing.start(), crossing.start()];
      if (over !== 'nobody') await bench.signIn(two.ann);
      await bench.clock.advance(MINUTE);
      const signIn = await crossing.signingIn(one, 5_000);
      await bench.clock.advance(1_000);
      await two.ann.disconnect();
      one.link.down = true;
      await crossing.pass(4_000);
      await crossing.stop(one);
      await signIn.ended;
      expect(await filesIn(dir)).toHaveLength(1);
      const next = crossing.start();
      await crossing.outcome(next, 'not_connected');
      expect(next.link.writes).toHaveLength(0);
      expect(bench.refreshes).toBe(0);
    },
  );

  it('T8 F05 does not come back from a rescue folder with an answer of which only the refresh token can be used', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    bench.emulator.faults.add({
      match: { endpoint: 'token' },
      kind: 'omit-field',
      field: 'access_token',
      times: 1,
    });
    const signIn = await crossing.signingIn(one, 5_000);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    one.link.down = true;
    await crossing.pass(4_000);
    await crossing.stop(one);
    await signIn.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    const next = crossing.start();
    await crossing.outcome(next, 'not_connected');
    expect(next.link.writes).toHaveLength(0);
    expect(bench.refreshes).toBe(0);
  });

  it('T8 F103 does not come back from a rescue folder over, or beside, one that came after that', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    const signIn = await crossing.signingIn(one, 5_000);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    await bench.clock.advance(1_000);
    const again = await crossing.signingIn(two, 6_000);
    one.link.down = true;
    await crossing.pass(3_000);
    await crossing.stop(one);
    await signIn.ended;
    await crossing.pass(6_000);
    await again.ended;
    const at = await account(two);
    const next = crossing.start();
    await crossing.outcome(next, 'a token');
    expect(next.link.writes).toHaveLength(0);
    expect(await account(next)).toBe(at);
    // Nor when that one has ended.
    await bench.signIn(crossing.start().manager.connection('bob'));
    await bench.clock.advance(31 * MINUTE);
    await crossing.outcome(next, 'reauthorization_required');
    expect(bench.refreshes).toBe(1);
  });

  it('T8 F103 does not come back where the store has forgotten that, and a journal has not', async () => {
    const { bench } = crossing;
    const journal = fileJournal({ dir: await mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'left-')) });
    const [one, two] = [crossing.start({ journal }), crossing.start({ journal })];
    const signIn = await crossing.signingIn(one, 5_000);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    one.link.down = true;
    await crossing.pass(4_000);
    await crossing.stop(one);
    await signIn.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    await crossing.outcome(crossing.start({ journal, store: memoryStore() }), 'not_connected');
    expect(bench.refreshes).toBe(0);
  });

  it('T8 is not written over the one with which that person came back', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    const signIn = await crossing.signingIn(one, 5_000);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    await bench.clock.advance(1_000);
    await two.ann.exchangeCode(await crossing.code());
    const at = await account(two);
    await crossing.pass(5_000);
    expect(await signIn.ended).toMatchObject({ code: 'sign_in', reason: 'disconnected_meanwhile' });
    expect(await account(crossing.start())).toBe(at);
  });

  it('F85 one of after that is restored', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    await bench.signIn(two.ann);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    await bench.clock.advance(1_000);
    const signIn = await crossing.signingIn(one, 5_000);
    one.link.down = true;
    await crossing.pass(5_000);
    await crossing.stop(one);
    await signIn.ended;
    await crossing.outcome(crossing.start(), 'a token');
  });

  it('F85 T6 so is one of after that if the clock was set back meanwhile', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    let setBackMs = 0;
    for (const { link } of [one, two]) setBack(link, () => setBackMs);
    await bench.signIn(two.ann);
    await one.ann.getAccessToken();
    await bench.clock.advance(MINUTE);
    await two.ann.disconnect();
    setBackMs = 10 * MINUTE;
    const signIn = await crossing.signingIn(one, 5_000);
    one.link.down = true;
    await crossing.pass(5_000);
    await crossing.stop(one);
    await signIn.ended;
    const next = crossing.start();
    setBack(next.link, () => setBackMs);
    await crossing.outcome(next, 'a token');
  });

  it('I5 takes only itself back from a rescue folder, and not one that came after that', async () => {
    const { bench } = crossing;
    const one = crossing.start({ refresh: { background: 'await' } });
    const two = crossing.start();
    const signIn = await crossing.signingIn(one, 6_000);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    await bench.clock.advance(1_000);
    const again = await crossing.signingIn(two, 1_000);
    for (const { link } of [one, two]) link.down = true;
    await crossing.pass(1_000);
    await crossing.stop(two);
    await again.ended;
    one.link.down = true;
    await crossing.pass(4_000);
    for (let n = 0; n < 14; n += 1) await crossing.pass(1_000);
    await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(2));
    one.link.down = false;
    await crossing.pass(3_000);
    expect(await signIn.ended).toMatchObject({ reason: 'disconnected_meanwhile' });
    const next = crossing.start();
    await crossing.outcome(next, 'a token');
    expect((await next.ann.fetch('6/sites')).status).toBe(200);
  });

  it('T8 F82 is not shown for its person to confirm, out of a rescue folder', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    const code = await crossing.code();
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 1 });
    const ended = one.ann.exchangeCode(code, { confirm: true }).catch((error: unknown) => error);
    await vi.waitFor(() => expect(crossing.count('presented', 'code')).toBe(1));
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    one.link.down = true;
    await crossing.pass(4_000);
    await crossing.stop(one);
    await ended;
    expect(await filesIn(dir)).toHaveLength(1);
    const next = crossing.start();
    await crossing.outcome(next, 'not_connected');
    expect(await next.ann.status()).not.toHaveProperty('pending');
    expect(next.link.writes).toHaveLength(0);
  });
});

it('F103 what was rescued of a grant that its person has left elsewhere is not kept', async () => {
  const { bench } = crossing;
  const one = crossing.start();
  const signIn = await crossing.signingIn(one, 1_000);
  one.link.down = true;
  await crossing.pass(1_000);
  await crossing.stop(one);
  await signIn.ended;
  expect(await filesIn(dir)).toHaveLength(1);
  await bench.clock.advance(MINUTE);
  vi.stubEnv('HIGHQ_RESCUE_DIR', '');
  await crossing.start().ann.disconnect();
  vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
  await crossing.outcome(crossing.start(), 'not_connected');
  await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(0));
});

it.each(['newest', 'many'] as const)(
  'T8 F103 one who left does not come back once the history has forgotten it, where the provider keeps %s',
  async (grants) => {
    await crossing.close();
    crossing = await Crossing.open(memoryStore(), grants);
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    const signIn = await crossing.signingIn(one, 8_000);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    await bench.clock.advance(1_000);
    await two.ann.exchangeCode(await crossing.code());
    one.link.down = true;
    await crossing.pass(6_000);
    await crossing.stop(one);
    await signIn.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    const at = await account(two);
    for (let n = 0; n < 21; n += 1) {
      await bench.clock.advance(20 * MINUTE);
      await two.ann.refresh({ force: true });
    }
    const events = (await two.ann.history()).map(({ event }) => event);
    expect(events).not.toContain('disconnected');
    const next = crossing.start();
    await crossing.outcome(next, 'a token');
    expect(await account(next)).toBe(at);
    expect(next.link.writes).toHaveLength(0);
  },
);

it('T8 F103 who comes back is not turned down while an earlier sign-in is taken back from a journal', async () => {
  vi.stubEnv('HIGHQ_RESCUE_DIR', '');
  await crossing.close();
  crossing = await Crossing.open(memoryStore(), 'many');
  const { bench } = crossing;
  const kept = memoryStore();
  const journal = () => storeJournal(kept);
  const one = crossing.start({ journal: journal(), refresh: { background: 'await' } });
  const two = crossing.start({ journal: journal() });
  const signIn = await crossing.signingIn(one, 3_000);
  await bench.clock.advance(1_000);
  await two.ann.disconnect();
  one.link.down = true;
  await crossing.pass(2_000);
  for (let n = 0; n < 14; n += 1) await crossing.pass(1_000);
  const again = await crossing.signingIn(two, 6_000);
  one.link.down = false;
  await crossing.pass(1_000);
  await crossing.pass(1_000);
  expect(await signIn.ended).toMatchObject({ reason: 'disconnected_meanwhile' });
  for (let n = 0; n < 8; n += 1) await crossing.pass(1_000);
  expect(await again.ended).toMatchObject({ state: 'active' });
  const at = await account(two);
  const next = crossing.start({ journal: journal() });
  await crossing.outcome(next, 'a token');
  expect(await account(next)).toBe(at);
});

it.each(['one process', 'two processes'])(
  'I5 F82 an account that waits is not forgotten with the pair beside which %s rescued it',
  async (by) => {
    await crossing.close();
    crossing = await Crossing.open(memoryStore(), 'many');
    const { bench } = crossing;
    const one = crossing.start();
    const two = by === 'one process' ? one : crossing.start();
    await bench.signIn(one.ann);
    await bench.clock.advance(10 * MINUTE);
    if (two !== one) await two.ann.getAccessToken();
    const delay = (delayMs: number) =>
      bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs, times: 1 });
    delay(4_000);
    const proposed = two.ann.exchangeCode(await crossing.code(), { confirm: true }).catch(() => undefined);
    await vi.waitFor(() => expect(crossing.count('presented', 'code')).toBe(2));
    delay(6_000);
    const refreshed = one.ann.refresh({ force: true }).catch(() => undefined);
    await bench.presented(1);
    for (const { link } of [one, two]) link.down = true;
    await crossing.pass(4_000);
    await crossing.pass(4_000);
    await crossing.stop(one);
    if (two !== one) await crossing.stop(two);
    await Promise.all([proposed, refreshed]);
    expect(await filesIn(dir)).toHaveLength(2);
    const next = crossing.start();
    await crossing.outcome(next, 'a token');
    expect(await next.ann.status()).toMatchObject({
      generation: 2,
      pending: { userEmail: expect.any(String) },
    });
    await next.ann.confirm();
    expect((await next.ann.fetch('6/sites')).status).toBe(200);
  },
);

it('T8 F103 does not come back where the store is empty and a journal has the grant of who came back', async () => {
  const { bench } = crossing;
  const kept = memoryStore();
  const journal = () => storeJournal(kept);
  const [one, two] = [crossing.start({ journal: journal() }), crossing.start({ journal: journal() })];
  const signIn = await crossing.signingIn(one, 8_000);
  await bench.clock.advance(1_000);
  await two.ann.disconnect();
  await bench.clock.advance(1_000);
  await two.ann.exchangeCode(await crossing.code());
  one.link.down = true;
  await crossing.pass(6_000);
  await crossing.stop(one);
  await signIn.ended;
  expect(await filesIn(dir)).toHaveLength(1);
  await bench.clock.advance(5 * MINUTE);
  await two.ann.refresh({ force: true });
  await crossing.pass(60_000);
  const at = await account(two);
  const next = crossing.start({ journal: journal(), store: memoryStore() });
  await crossing.outcome(next, 'a token');
  expect(await account(next)).toBe(at);
});

it('I5 F82 who is turned down takes no account along that waits in the same folder', async () => {
  const { bench } = crossing;
  const one = crossing.start({ refresh: { background: 'await' } });
  const two = crossing.start();
  const signIn = await crossing.signingIn(one, 6_000);
  await bench.clock.advance(1_000);
  await two.ann.disconnect();
  await bench.clock.advance(1_000);
  bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 1_000, times: 1 });
  const proposed = two.ann.exchangeCode(await crossing.code(), { confirm: true }).catch(() => undefined);
  await vi.waitFor(() => expect(crossing.count('presented', 'code')).toBe(2));
  for (const { link } of [one, two]) link.down = true;
  await crossing.pass(1_000);
  await crossing.stop(two);
  await proposed;
  expect(await filesIn(dir)).toHaveLength(1);
  await crossing.pass(4_000);
  for (let n = 0; n < 14; n += 1) await crossing.pass(1_000);
  await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(2));
  one.link.down = false;
  let turnedDown: unknown;
  void signIn.ended.then((error) => {
    turnedDown = error;
  });
  const over = async (): Promise<void> => {
    await bench.clock.advance(500);
    expect(turnedDown).toMatchObject({ reason: 'disconnected_meanwhile' });
  };
  await vi.waitFor(over, { timeout: 20_000, interval: 20 });
  const next = crossing.start();
  await crossing.outcome(next, 'not_connected');
  expect((await next.ann.status()).pending).toBeDefined();
});

it('T8 F103 does not come back from a journal where the store forgets who has come back since', async () => {
  vi.stubEnv('HIGHQ_RESCUE_DIR', '');
  await crossing.close();
  crossing = await Crossing.open(memoryStore(), 'many');
  const { bench } = crossing;
  const kept = memoryStore();
  const journal = () => storeJournal(kept);
  const one = crossing.start({ journal: journal(), refresh: { background: 'await' } });
  const two = crossing.start({ journal: journal() });
  const signIn = await crossing.signingIn(one, 3_000);
  await bench.clock.advance(1_000);
  await two.ann.disconnect();
  one.link.down = true;
  await crossing.pass(2_000);
  for (let n = 0; n < 14; n += 1) await crossing.pass(1_000);
  await two.ann.exchangeCode(await crossing.code());
  one.link.down = false;
  let turnedDown: unknown;
  void signIn.ended.then((error) => {
    turnedDown = error;
  });
  const over = async (): Promise<void> => {
    await bench.clock.advance(500);
    expect(turnedDown).toMatchObject({ reason: 'disconnected_meanwhile' });
  };
  await vi.waitFor(over, { timeout: 20_000, interval: 20 });
  const at = await account(two);
  const next = crossing.start({ journal: journal(), store: memoryStore() });
  await crossing.outcome(next, 'a token');
  expect(await account(next)).toBe(at);
});

describe('who left, where the store has forgotten it before anybody looked, and a journal has not', () => {
  let empty: () => Promise<void>;
  let journal: () => ReturnType<typeof storeJournal>;

  beforeEach(async () => {
    await crossing.close();
    const shared = new RestoredStore();
    crossing = await Crossing.open(shared, 'many');
    empty = shared.backUp();
    const kept = memoryStore();
    journal = () => storeJournal(kept);
  });

  it('T8 F103 does not come back out of a rescue folder once the one with which that person came back was renewed', async () => {
    const { bench } = crossing;
    const one = crossing.start();
    const signIn = await crossing.signingIn(one, 8_000);
    await bench.clock.advance(1_000);
    await crossing.start({ journal: journal() }).ann.disconnect();
    await empty();
    await bench.clock.advance(1_000);
    const back = crossing.start({ journal: journal() });
    await back.ann.exchangeCode(await crossing.code());
    one.link.down = true;
    await crossing.pass(6_000);
    await crossing.stop(one);
    await signIn.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    const at = await account(back);
    await bench.clock.advance(MINUTE);
    const renewing = crossing.start({ journal: journal() });
    await crossing.outcome(renewing, 'a token');
    await renewing.ann.refresh({ force: true });
    await crossing.pass(1_000);
    const next = crossing.start();
    await crossing.outcome(next, 'a token');
    expect(await account(next)).toBe(at);
    expect(next.link.writes).toHaveLength(0);
  });

  it('T8 stays away also with an answer that is still on its way', async () => {
    const { bench } = crossing;
    const one = crossing.start();
    const signIn = await crossing.signingIn(one, 8_000);
    await bench.clock.advance(1_000);
    await crossing.start({ journal: journal() }).ann.disconnect();
    await empty();
    await bench.clock.advance(1_000);
    await crossing.start().ann.exchangeCode(await crossing.code());
    const next = crossing.start({ journal: journal() });
    await crossing.outcome(next, 'a token');
    const at = await account(next);
    await crossing.pass(8_000);
    expect(await signIn.ended).toMatchObject({ reason: 'disconnected_meanwhile' });
    expect(await account(crossing.start())).toBe(at);
  });

  it('T8 F103 is not forgotten there with the hand-over of the sign-in with which that person came back', async () => {
    const { bench } = crossing;
    const one = crossing.start();
    const signIn = await crossing.signingIn(one, 20_000);
    await bench.clock.advance(1_000);
    vi.stubEnv('HIGHQ_RESCUE_DIR', '');
    await crossing.start({ journal: journal() }).ann.disconnect();
    await empty();
    await bench.clock.advance(1_000);
    const back = crossing.start({ journal: journal(), refresh: { background: 'await' } });
    const again = await crossing.signingIn(back, 1_000);
    back.link.down = true;
    for (let n = 0; n < 14; n += 1) await crossing.pass(1_000);
    back.link.down = false;
    await crossing.pass(2_000);
    expect(await again.ended).toMatchObject({ state: 'active' });
    const at = await account(back);
    one.link.down = true;
    await crossing.pass(6_000);
    await crossing.stop(one);
    await signIn.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
    const next = crossing.start({ journal: journal() });
    await crossing.outcome(next, 'a token');
    expect(await account(next)).toBe(at);
    await next.ann.refresh({ force: true });
    expect((await next.ann.fetch('6/sites')).status).toBe(200);
    expect(await account(crossing.start())).toBe(at);
  });
});

it('T8 F103 who is turned down is not forgotten where no journal takes the word of it', async () => {
  vi.stubEnv('HIGHQ_RESCUE_DIR', '');
  await crossing.close();
  crossing = await Crossing.open(memoryStore(), 'many');
  const { bench } = crossing;
  const kept = memoryStore();
  const full = storeJournal(kept);
  const one = crossing.start({ journal: full, refresh: { background: 'await' } });
  const two = crossing.start({ journal: storeJournal(kept) });
  const signIn = await crossing.signingIn(one, 3_000);
  await bench.clock.advance(1_000);
  await two.ann.disconnect();
  one.link.down = true;
  await crossing.pass(2_000);
  for (let n = 0; n < 14; n += 1) await crossing.pass(1_000);
  await two.ann.exchangeCode(await crossing.code());
  full.append = () => Promise.reject(new Error('disk full'));
  one.link.down = false;
  let turnedDown: unknown;
  void signIn.ended.then((error) => {
    turnedDown = error;
  });
  const over = async (): Promise<void> => {
    await bench.clock.advance(500);
    expect(turnedDown).toMatchObject({ reason: 'disconnected_meanwhile' });
  };
  await vi.waitFor(over, { timeout: 20_000, interval: 20 });
  expect(bench.named('anomaly')).toContainEqual(
    expect.objectContaining({ anomaly: 'journal_failed', connectionId: 'ann' }),
  );
  // The journal tells of the departure, and the store that is lost now does not.
  const next = crossing.start({ journal: storeJournal(kept), store: memoryStore() });
  await crossing.outcome(next, 'not_connected');
});
