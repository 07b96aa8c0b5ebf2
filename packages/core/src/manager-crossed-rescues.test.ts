import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection, TokenManager } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { storeJournal } from './store-journal.ts';

let bench: Bench;
let dir: string;
const links: FlakyStore[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'crossed-'));
  vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
});
afterEach(async () => {
  for (const link of links.splice(0)) link.down = false;
  vi.unstubAllEnvs();
  await bench.close();
});

/** Several processes on one store, and a provider that keeps one grant of a person: the one it made last. */
async function open() {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }], grants: 'newest' });
  const shared = memoryStore();
  return (options: ManagerOptions = {}) => {
    const link = new FlakyStore(shared);
    links.push(link);
    const manager = bench.manager({ store: link, ...options });
    return { link, manager, ann: manager.connection('ann') };
  };
}

const count = (kind: 'presented' | 'issued', tokenType: 'code' | 'refresh'): number =>
  bench.emulator.ledger.count({ kind, tokenType });

async function rescueFiles(): Promise<string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.json'));
}

/** One of the two is refused at most. */
async function expectLive({ ann }: { ann: Connection }): Promise<void> {
  await ann.getAccessToken();
  await ann.refresh({ force: true }).catch(() => undefined);
  await ann.refresh({ force: true });
  expect(await ann.status()).toMatchObject({ state: 'active' });
  expect((await ann.fetch('6/sites')).status).toBe(200);
  expect(bench.emulator.ledger.presentedTwice()).toBe(0);
}

/** The clock waits for the disk. */
async function probed(ann: Connection): Promise<void> {
  const token = async (): Promise<void> => {
    await bench.clock.advance(1_000);
    expect(await ann.getAccessToken({ waitMs: 0 })).toBeTruthy();
  };
  await vi.waitFor(token, { timeout: 20_000, interval: 20 });
}

async function stop({ link, manager }: { link: FlakyStore; manager: TokenManager }): Promise<void> {
  const closed = manager.close({ timeoutMs: 1_000 });
  await bench.clock.advance(1_000);
  await closed;
  await bench.clock.advance(10_000);
  link.down = false;
}

describe('a sign-in that crossed another one, and that a shutdown rescues', () => {
  it('I5 leaves the other one beside it when it is restored', async () => {
    const start = await open();
    const [live, dead] = [start(), start()];
    const codes = [await bench.emulator.authorize(), await bench.emulator.authorize()] as const;
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 1 });
    const signIn = dead.ann.exchangeCode(codes[0].code).catch(() => undefined);
    await vi.waitFor(() => expect(count('presented', 'code')).toBe(1));
    await bench.clock.advance(100);
    await live.ann.exchangeCode(codes[1].code);
    const cas = dead.link.cas.bind(dead.link);
    dead.link.cas = async (...given) => {
      dead.link.down = true;
      return cas(...given);
    };
    await bench.clock.advance(5_000);
    await vi.waitFor(() => expect(dead.link.down).toBe(true));
    await stop(dead);
    await signIn;
    expect(await rescueFiles()).toHaveLength(1);
    await expectLive(start());
  });

  it('I5 is restored also where the other one stands and it was to be put beside that', async () => {
    const start = await open();
    const [dead, live] = [start(), start()];
    const gate = Promise.withResolvers<void>();
    const read = live.link.read.bind(live.link);
    let reads = 0;
    live.link.read = async (key) => {
      if (key.kind === 'grant') reads += 1;
      if (reads > 1) await gate.promise;
      return read(key);
    };
    const codes = [await bench.emulator.authorize(), await bench.emulator.authorize()] as const;
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 100, times: 1 });
    const first = dead.ann.exchangeCode(codes[0].code);
    await vi.waitFor(() => expect(count('presented', 'code')).toBe(1));
    const signIn = live.ann.exchangeCode(codes[1].code).catch(() => undefined);
    await vi.waitFor(() => expect(count('issued', 'refresh')).toBe(2));
    await bench.clock.settle(50);
    await bench.clock.advance(100);
    await first;
    const cas = live.link.cas.bind(live.link);
    live.link.cas = async (...given) => {
      live.link.down = true;
      return cas(...given);
    };
    gate.resolve();
    await vi.waitFor(() => expect(live.link.down).toBe(true));
    await stop(live);
    await signIn;
    expect(await rescueFiles()).toHaveLength(1);
    await expectLive(start());
  });

  it.each([0, 1])(
    'I5 F44 leaves both to be found where one process had both, also when number %s ended',
    async (live) => {
      const start = await open();
      const both = start();
      const codes = [(await bench.emulator.authorize()).code, (await bench.emulator.authorize()).code];
      if (live === 0) codes.reverse();
      bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 2 });
      const signIns = codes.map((code) => both.ann.exchangeCode(code).catch(() => undefined));
      await vi.waitFor(() => expect(count('presented', 'code')).toBe(2));
      both.link.down = true;
      await bench.clock.advance(5_000);
      await bench.clock.settle(50);
      await stop(both);
      await Promise.all(signIns);
      expect(await rescueFiles()).toHaveLength(2);
      await expectLive(start());
    },
  );

  /** Two sign-ins that cross: the one that the provider made last is rescued, and the other is written after that. */
  async function rescuedFirst(start: Awaited<ReturnType<typeof open>>) {
    const [ended, live] = [start(), start()];
    const codes = [await bench.emulator.authorize(), await bench.emulator.authorize()] as const;
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 2 });
    const first = ended.ann.exchangeCode(codes[0].code).catch(() => undefined);
    await vi.waitFor(() => expect(count('presented', 'code')).toBe(1));
    const second = live.ann.exchangeCode(codes[1].code).catch(() => undefined);
    await vi.waitFor(() => expect(count('presented', 'code')).toBe(2));
    ended.link.down = true;
    live.link.down = true;
    await bench.clock.advance(5_000);
    await bench.clock.settle(50);
    await stop(live);
    ended.link.down = false;
    await bench.clock.advance(2_000);
    await vi.waitFor(() => expect(ended.link.writes).toHaveLength(1));
    await Promise.all([first, second]);
    expect(await rescueFiles()).toHaveLength(1);
    return ended;
  }

  it('I5 is put beside the other one where that was written later', async () => {
    const start = await open();
    await rescuedFirst(start);
    const { ann } = start();
    await ann.getAccessToken();
    await ann.refresh({ force: true }).catch(() => undefined);
    expect((await ann.fetch('6/sites')).status).toBe(200);
    // Nobody can tell whether it was presented before: it is announced.
    await bench.clock.advance(30 * MINUTE);
    await probed(ann);
    expect((await ann.fetch('6/sites')).status).toBe(200);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    await vi.waitFor(async () => expect(await rescueFiles()).toHaveLength(0));
  });

  it('I5 takes its place also when the other one has been given up meanwhile', async () => {
    const start = await open();
    const { ann } = await rescuedFirst(start);
    vi.stubEnv('HIGHQ_RESCUE_DIR', '');
    const elsewhere = start().ann;
    await expect(elsewhere.refresh({ force: true })).rejects.toMatchObject({
      code: 'reauthorization_required',
    });
    vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
    await bench.clock.advance(30 * MINUTE);
    const back = start().ann;
    await probed(back);
    expect((await back.fetch('6/sites')).status).toBe(200);
    expect((await ann.status()).state).toBe('active');
  });

  it.each([0, 1])('I7 F27 has its turn once: two that both ended are given up (%s)', async (later) => {
    const start = await open();
    const both = [start(), start()] as const;
    const journal = storeJournal(memoryStore());
    let presented = 0;
    const codes = [(await bench.emulator.authorize()).code, (await bench.emulator.authorize()).code];
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 2 });
    const signIns = both.map(({ ann }, n) => ann.exchangeCode(codes[n] ?? '').catch(() => undefined));
    await vi.waitFor(() => expect(count('presented', 'code')).toBe(2));
    for (const { link } of both) link.down = true;
    await bench.clock.advance(5_000);
    await bench.clock.settle(50);
    await stop(both[later] ?? both[0]);
    await bench.clock.advance(1_000);
    await stop(both[1 - later] ?? both[1]);
    await Promise.all(signIns);
    expect(await rescueFiles()).toHaveLength(2);
    // The same person signs in once more, for another connection: both have ended.
    await bench.signIn(start().manager.connection('bob'));
    for (let n = 0; n < 8; n += 1) {
      const { ann } = start({ journal });
      await ann.getAccessToken().catch(() => undefined);
      await ann.refresh({ force: true }).catch(() => undefined);
      await bench.clock.advance(31 * MINUTE);
      await vi.waitFor(async () => {
        await bench.clock.advance(1_000);
        expect(await ann.getAccessToken({ waitMs: 0 }).catch((error) => error.code)).toBe(
          'reauthorization_required',
        );
      }, 20_000);
      if (n === 0) presented = count('presented', 'refresh');
    }
    expect(presented).toBeLessThan(4);
    expect(count('presented', 'refresh')).toBe(presented);
  });

  it.each(['no grant', 'an older grant', 'a dead grant'])(
    'I5 is found also where the other one was rescued by another process, beside %s',
    async (row) => {
      const start = await open();
      if (row !== 'no grant') await bench.signIn(start().ann);
      const codesBefore = count('presented', 'code');
      const [ended, live] = [start(), start()];
      const codes = [(await bench.emulator.authorize()).code, (await bench.emulator.authorize()).code];
      const delay = (delayMs: number) =>
        bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs, times: 1 });
      delay(6_000);
      const first = ended.ann.exchangeCode(codes[0] ?? '').catch(() => undefined);
      await vi.waitFor(() => expect(count('presented', 'code')).toBe(codesBefore + 1));
      delay(5_000);
      const second = live.ann.exchangeCode(codes[1] ?? '').catch(() => undefined);
      await vi.waitFor(() => expect(count('presented', 'code')).toBe(codesBefore + 2));
      ended.link.down = true;
      live.link.down = true;
      await bench.clock.advance(6_000);
      await bench.clock.settle(50);
      await stop(live);
      await stop(ended);
      await Promise.all([first, second]);
      expect(await rescueFiles()).toHaveLength(2);
      if (row === 'a dead grant') {
        vi.stubEnv('HIGHQ_RESCUE_DIR', '');
        await start()
          .ann.refresh({ force: true })
          .catch(() => undefined);
        vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
      }
      const { ann } = start();
      await ann.getAccessToken();
      for (let n = 0; n < 2; n += 1) await ann.refresh({ force: true }).catch(() => undefined);
      expect((await ann.fetch('6/sites')).status).toBe(200);
      await bench.clock.advance(30 * MINUTE);
      await probed(ann);
      expect((await ann.fetch('6/sites')).status).toBe(200);
      expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    },
  );

  it('F103 stays away where its person has left since, and come back', async () => {
    const start = await open();
    await rescuedFirst(start);
    await bench.clock.advance(1_000);
    // By a process that cannot look into that folder.
    vi.stubEnv('HIGHQ_RESCUE_DIR', '');
    const elsewhere = start();
    await elsewhere.ann.disconnect();
    await bench.signIn(elsewhere.ann);
    vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
    const later = start();
    await later.ann.getAccessToken();
    expect(later.link.writes).toHaveLength(0);
  });

  it('F73 I5 leaves both to be found where the row of the other one is sealed with a key that is not here', async () => {
    const start = await open();
    const key = (id: string, byte: number) => ({ id, key: Buffer.alloc(32, byte).toString('hex') });
    const keys = [key('k2', 2), key('k1', 1)];
    const dead = start({ encryption: { keys: [key('k1', 1)] } });
    const live = start({ encryption: { keys } });
    const codes = [await bench.emulator.authorize(), await bench.emulator.authorize()] as const;
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 1 });
    const signIn = dead.ann.exchangeCode(codes[0].code).catch((error: unknown) => error);
    await vi.waitFor(() => expect(count('presented', 'code')).toBe(1));
    await bench.clock.advance(100);
    await live.ann.exchangeCode(codes[1].code);
    await bench.clock.advance(5_000);
    expect(await signIn).toMatchObject({ code: 'record_unreadable' });
    await expectLive(start({ encryption: { keys } }));
  });
});

describe('a sign-in that a shutdown rescues', () => {
  it('I2 I6 does not come back over its own next generation, where the store had taken it late', async () => {
    const start = await open();
    const [one, two] = [start(), start()];
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
    expect(await rescueFiles()).toHaveLength(1);
    await expectLive(start());
  });

  it('F82 does not come back when its account was rejected meanwhile', async () => {
    const start = await open();
    const [one, two] = [start(), start()];
    const { code } = await bench.emulator.authorize();
    await one.ann.exchangeCode(code, { confirm: true });
    const read = one.link.read.bind(one.link);
    one.link.read = async (key) => {
      const found = await read(key);
      if (key.kind === 'grant') one.link.down = true;
      return found;
    };
    const confirmed = one.ann.confirm().catch(() => undefined);
    await vi.waitFor(() => expect(one.link.down).toBe(true));
    await bench.clock.settle(20);
    await stop(one);
    await confirmed;
    expect(await rescueFiles()).toHaveLength(1);
    await two.ann.reject();
    const next = start();
    await expect(next.ann.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
    expect((await next.ann.status()).state).not.toBe('active');
  });
});
