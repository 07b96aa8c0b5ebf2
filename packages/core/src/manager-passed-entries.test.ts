import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crossing, filesIn, rescueFolder } from './crossing.fixture.ts';
import { type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import { storeJournal } from './store-journal.ts';

let crossing: Crossing;
let shared: RestoredStore;
let dir: string;

beforeEach(async () => {
  dir = await rescueFolder();
  shared = new RestoredStore();
  crossing = await Crossing.open(shared);
});
afterEach(async () => {
  await crossing.close();
  vi.unstubAllEnvs();
});

/** The store takes the first write late, while the pair is in hand under another place, which is rescued; then it is renewed. */
async function takenLate(options: () => ManagerOptions = () => ({})) {
  const [one, two] = [crossing.start(options()), crossing.start(options())];
  const code = await crossing.code();
  const cas = one.link.cas.bind(one.link);
  let first: Parameters<typeof cas> | null = null;
  one.link.cas = async (...given) => {
    if (given[0].kind !== 'grant') return cas(...given);
    if (first) await cas(...first);
    if (first) one.link.down = true;
    first ??= given;
    throw new Error('connection lost');
  };
  const signIn = one.ann.exchangeCode(code).catch(() => undefined);
  await vi.waitFor(() => expect(first).not.toBeNull());
  await crossing.bench.clock.advance(1_000);
  await vi.waitFor(() => expect(one.link.down).toBe(true));
  await two.ann.refresh({ force: true });
  await crossing.stop(one);
  await signIn;
  expect(await filesIn(dir)).toHaveLength(process.env.HIGHQ_RESCUE_DIR ? 1 : 0);
  return two;
}

describe('what a sign-in wrote down, and the store shows further on', () => {
  it('I2 is not put over the next generation of the one beside which it was to stand', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    const gate = Promise.withResolvers<void>();
    const read = one.link.read.bind(one.link);
    let reads = 0;
    one.link.read = async (key) => {
      if (key.kind === 'grant') reads += 1;
      if (reads > 1) await gate.promise;
      return read(key);
    };
    const codes = [await crossing.code(), await crossing.code()];
    const signIn = one.ann.exchangeCode(codes[0] ?? '').catch(() => undefined);
    await vi.waitFor(() => expect(crossing.count('issued', 'refresh')).toBe(1));
    await crossing.bench.clock.settle(50);
    await crossing.bench.clock.advance(100);
    await two.ann.exchangeCode(codes[1] ?? '');
    const cas = one.link.cas.bind(one.link);
    one.link.cas = async (...given) => {
      await cas(...given);
      one.link.down = true;
      throw new Error('connection lost');
    };
    gate.resolve();
    await vi.waitFor(() => expect(one.link.down).toBe(true));
    await crossing.stop(one);
    await signIn;
    expect(await filesIn(dir)).toHaveLength(1);
    await two.ann.refresh({ force: true });
    const token = await two.ann.getAccessToken();
    expect((await two.ann.fetch('6/sites')).status).toBe(200);
    const next = crossing.start();
    const got = await next.ann.getAccessToken();
    expect(got).toBe(token);
  });

  it.each(['a rescue folder', 'the journal'])(
    'I5 I6 in %s gives way to its own next generation where the store comes back empty',
    async (place) => {
      if (place === 'the journal') vi.stubEnv('HIGHQ_RESCUE_DIR', '');
      const empty = shared.backUp();
      const kept = memoryStore();
      const two = await takenLate(() => ({ journal: storeJournal(kept) }));
      await two.ann.refresh({ force: true });
      await empty();
      const next = crossing.start({ journal: storeJournal(kept) });
      await next.ann.getAccessToken();
      await next.ann.refresh({ force: true });
      expect(crossing.bench.emulator.ledger.presentedTwice()).toBe(0);
      expect((await next.ann.status()).state).toBe('active');
    },
  );

  it('F74 needs its key no more', async () => {
    const oldKey = { id: 'old', key: Buffer.alloc(32, 1).toString('hex') };
    const newKey = { id: 'new', key: Buffer.alloc(32, 2).toString('hex') };
    await takenLate(() => ({ encryption: { keys: [oldKey] } }));
    const next = crossing.start({ encryption: { keys: [newKey, oldKey] } });
    await next.manager.reseal();
    await next.ann.refresh({ force: true });
    expect((await next.manager.reseal()).left).toEqual([]);
    expect(await filesIn(dir)).toEqual([]);
  });
});

describe('the next pair of a rescued sign-in, in a private journal', () => {
  it.each([false, true])(
    'I5 F60c is found also where an older grant had taken its place (%s)',
    async (older) => {
      if (older) {
        const old = crossing.start();
        await crossing.bench.signIn(old.ann);
        await old.ann.refresh({ force: true });
        await crossing.bench.clock.advance(MINUTE);
      }
      const one = crossing.start();
      const signIn = await crossing.signingIn(one, 1_000);
      one.link.down = true;
      await crossing.pass(1_000);
      await crossing.stop(one);
      await signIn.ended;
      expect(await filesIn(dir)).toHaveLength(1);
      await crossing.start().ann.getAccessToken();
      // Whoever comes now has no rescue folder.
      vi.stubEnv('HIGHQ_RESCUE_DIR', '');
      const journal = storeJournal(memoryStore());
      const p1 = crossing.start({ journal });
      await p1.ann.getAccessToken();
      const n = crossing.count('presented', 'refresh');
      crossing.bench.emulator.faults.add({
        match: { grantType: 'refresh_token' },
        kind: 'delay',
        delayMs: 1_000,
        times: 1,
      });
      const refreshing = p1.ann.refresh({ force: true }).catch(() => undefined);
      await crossing.bench.presented(n + 1);
      p1.link.down = true;
      await crossing.bench.clock.advance(1_000);
      await refreshing;
      await crossing.bench.clock.advance(31 * MINUTE);
      const p2 = crossing.start();
      await crossing.outcome(p2, 'reauthorization_required');
      const p1b = crossing.start({ journal });
      await crossing.outcome(p1b, 'a token');
    },
  );
});
