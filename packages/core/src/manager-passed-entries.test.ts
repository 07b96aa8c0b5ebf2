import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import { storeJournal } from './store-journal.ts';
import type { TokenStore } from './token-store.ts';

let bench: Bench;
let dir: string;
const links: FlakyStore[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'passed-'));
  vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
});
afterEach(async () => {
  for (const link of links.splice(0)) link.down = false;
  vi.unstubAllEnvs();
  await bench.close();
});

/** Several processes on one store, and a provider that keeps one grant of a person: the one it made last. */
async function open(shared: TokenStore = memoryStore()) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }], grants: 'newest' });
  return (options: ManagerOptions = {}) => {
    const link = new FlakyStore(shared);
    links.push(link);
    const manager = bench.manager({ store: link, ...options });
    return { link, manager, ann: manager.connection('ann') };
  };
}
type Start = Awaited<ReturnType<typeof open>>;

const count = (kind: 'presented' | 'issued', tokenType: 'code' | 'refresh'): number =>
  bench.emulator.ledger.count({ kind, tokenType });
const rescueFiles = async () =>
  (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.json'));

async function stop({ link, manager }: ReturnType<Start>): Promise<void> {
  const closed = manager.close({ timeoutMs: 1_000 });
  await bench.clock.advance(1_000);
  await closed;
  await bench.clock.advance(10_000);
  link.down = false;
}

/** What comes of it when it is asked again and again; the clock waits for the disk. */
async function outcome(ann: Connection, expected: string): Promise<void> {
  const asked = async (): Promise<void> => {
    await bench.clock.advance(1_000);
    const answer = ann.getAccessToken({ waitMs: 0 }).then(
      () => 'a token',
      (error) => error.code,
    );
    expect(await answer).toBe(expected);
  };
  await vi.waitFor(asked, { timeout: 20_000, interval: 20 });
}

/** The store takes the first write late, while the pair is in hand under another place, which is rescued; then it is renewed. */
async function takenLate(start: Start, options: () => ManagerOptions = () => ({})) {
  const [one, two] = [start(options()), start(options())];
  const { code } = await bench.emulator.authorize();
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
  await bench.clock.advance(1_000);
  await vi.waitFor(() => expect(one.link.down).toBe(true));
  await two.ann.refresh({ force: true });
  await stop(one);
  await signIn;
  expect(await rescueFiles()).toHaveLength(process.env.HIGHQ_RESCUE_DIR ? 1 : 0);
  return two;
}

describe('what a sign-in wrote down, and the store shows further on', () => {
  it('I2 is not put over the next generation of the one beside which it was to stand', async () => {
    const start = await open();
    const [one, two] = [start(), start()];
    const gate = Promise.withResolvers<void>();
    const read = one.link.read.bind(one.link);
    let reads = 0;
    one.link.read = async (key) => {
      if (key.kind === 'grant') reads += 1;
      if (reads > 1) await gate.promise;
      return read(key);
    };
    const codes = [(await bench.emulator.authorize()).code, (await bench.emulator.authorize()).code];
    const signIn = one.ann.exchangeCode(codes[0] ?? '').catch(() => undefined);
    await vi.waitFor(() => expect(count('issued', 'refresh')).toBe(1));
    await bench.clock.settle(50);
    await bench.clock.advance(100);
    await two.ann.exchangeCode(codes[1] ?? '');
    const cas = one.link.cas.bind(one.link);
    one.link.cas = async (...given) => {
      await cas(...given);
      one.link.down = true;
      throw new Error('connection lost');
    };
    gate.resolve();
    await vi.waitFor(() => expect(one.link.down).toBe(true));
    await stop(one);
    await signIn;
    expect(await rescueFiles()).toHaveLength(1);
    await two.ann.refresh({ force: true });
    const token = await two.ann.getAccessToken();
    expect((await two.ann.fetch('6/sites')).status).toBe(200);
    const next = start();
    const got = await next.ann.getAccessToken();
    expect(got).toBe(token);
  });

  it.each(['a rescue folder', 'the journal'])(
    'I5 I6 in %s gives way to its own next generation where the store comes back empty',
    async (place) => {
      if (place === 'the journal') vi.stubEnv('HIGHQ_RESCUE_DIR', '');
      const shared = new RestoredStore();
      const start = await open(shared);
      const empty = shared.backUp();
      const kept = memoryStore();
      const two = await takenLate(start, () => ({ journal: storeJournal(kept) }));
      await two.ann.refresh({ force: true });
      await empty();
      const next = start({ journal: storeJournal(kept) });
      await next.ann.getAccessToken();
      await next.ann.refresh({ force: true });
      expect(bench.emulator.ledger.presentedTwice()).toBe(0);
      expect((await next.ann.status()).state).toBe('active');
    },
  );

  it('F74 needs its key no more', async () => {
    const start = await open();
    const oldKey = { id: 'old', key: Buffer.alloc(32, 1).toString('hex') };
    const newKey = { id: 'new', key: Buffer.alloc(32, 2).toString('hex') };
    await takenLate(start, () => ({ encryption: { keys: [oldKey] } }));
    const next = start({ encryption: { keys: [newKey, oldKey] } });
    await next.manager.reseal();
    await next.ann.refresh({ force: true });
    expect((await next.manager.reseal()).left).toEqual([]);
    expect(await rescueFiles()).toEqual([]);
  });
});

describe('the next pair of a rescued sign-in, in a private journal', () => {
  it.each([false, true])(
    'I5 F60c is found also where an older grant had taken its place (%s)',
    async (older) => {
      const start = await open();
      if (older) {
        const old = start();
        await bench.signIn(old.ann);
        await old.ann.refresh({ force: true });
        await bench.clock.advance(MINUTE);
      }
      const one = start();
      const base = count('presented', 'code');
      bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 1_000, times: 1 });
      const signIn = one.ann.exchangeCode((await bench.emulator.authorize()).code).catch(() => undefined);
      await vi.waitFor(() => expect(count('presented', 'code')).toBe(base + 1));
      one.link.down = true;
      await bench.clock.advance(1_000);
      await bench.clock.settle(50);
      await stop(one);
      await signIn;
      expect(await rescueFiles()).toHaveLength(1);
      await start().ann.getAccessToken();
      // Whoever comes now has no rescue folder.
      vi.stubEnv('HIGHQ_RESCUE_DIR', '');
      const journal = storeJournal(memoryStore());
      const p1 = start({ journal });
      await p1.ann.getAccessToken();
      const n = count('presented', 'refresh');
      bench.emulator.faults.add({
        match: { grantType: 'refresh_token' },
        kind: 'delay',
        delayMs: 1_000,
        times: 1,
      });
      const refreshing = p1.ann.refresh({ force: true }).catch(() => undefined);
      await bench.presented(n + 1);
      p1.link.down = true;
      await bench.clock.advance(1_000);
      await refreshing;
      await bench.clock.advance(31 * MINUTE);
      const p2 = start();
      await outcome(p2.ann, 'reauthorization_required');
      const p1b = start({ journal });
      await outcome(p1b.ann, 'a token');
    },
  );
});
