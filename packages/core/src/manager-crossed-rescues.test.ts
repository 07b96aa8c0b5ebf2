import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from './contracts.ts';
import { Crossing, holdReads, leaveAtWrite, type Process } from './crossing.fixture.ts';
import { type Bench, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';
import { storeJournal } from './store-journal.ts';

let crossing: Crossing;
let bench: Bench;
let dir: string;

beforeEach(async () => {
  dir = await rescueFolder();
  crossing = await Crossing.open();
  bench = crossing.bench;
});
afterEach(() => crossing.close());

/** One of the two is refused at most. */
async function expectLive({ ann }: { ann: Connection }): Promise<void> {
  await ann.getAccessToken();
  await ann.refresh({ force: true }).catch(() => undefined);
  await ann.refresh({ force: true });
  expect(await ann.status()).toMatchObject({ state: 'active' });
  expect((await ann.fetch('6/sites')).status).toBe(200);
  expect(bench.emulator.ledger.presentedTwice()).toBe(0);
}

describe('a sign-in that crossed another one, and that a shutdown rescues', () => {
  it('I5 leaves the other one beside it when it is restored', async () => {
    const [live, dead] = [crossing.start(), crossing.start()];
    const signIn = await crossing.signingIn(dead, 5_000);
    await bench.clock.advance(100);
    await bench.signIn(live.ann);
    leaveAtWrite(dead);
    await bench.clock.advance(5_000);
    await vi.waitFor(() => expect(dead.link.down).toBe(true));
    await crossing.stop(dead);
    await signIn.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    await expectLive(crossing.start());
  });

  it('I5 is restored also where the other one stands and it was to be put beside that', async () => {
    const [dead, live] = [crossing.start(), crossing.start()];
    const gate = holdReads(live);
    const first = await crossing.signingIn(dead, 100);
    const signIn = live.ann.exchangeCode(await crossing.code()).catch(() => undefined);
    const issued = { kind: 'issued', tokenType: 'refresh' } as const;
    await vi.waitFor(() => expect(bench.emulator.ledger.count(issued)).toBe(2));
    await bench.clock.settle(50);
    await bench.clock.advance(100);
    expect(await first.ended).toMatchObject({ state: 'active' });
    leaveAtWrite(live);
    gate.resolve();
    await vi.waitFor(() => expect(live.link.down).toBe(true));
    await crossing.stop(live);
    await signIn;
    expect(await filesIn(dir)).toHaveLength(1);
    await expectLive(crossing.start());
  });

  it('I5 F44 leaves both to be found where one process had both', async () => {
    const both = crossing.start();
    const codes = [await crossing.code(), await crossing.code()];
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 2 });
    const signIns = codes.map((code) => both.ann.exchangeCode(code).catch(() => undefined));
    await vi.waitFor(() => expect(bench.codes).toBe(2));
    both.link.down = true;
    await crossing.pass(5_000);
    await crossing.stop(both);
    await Promise.all(signIns);
    expect(await filesIn(dir)).toHaveLength(2);
    await expectLive(crossing.start());
  });

  /** Two sign-ins that cross: the one that the provider made last is rescued, and the other is written after that. */
  async function rescuedFirst(): Promise<Process> {
    const [ended, live] = [crossing.start(), crossing.start()];
    const first = await crossing.signingIn(ended, 5_000);
    const second = await crossing.signingIn(live, 5_000);
    ended.link.down = true;
    await crossing.rescue(second);
    ended.link.down = false;
    await bench.clock.advance(2_000);
    await vi.waitFor(() => expect(ended.link.writes).toHaveLength(1));
    await first.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    return ended;
  }

  it('I5 is put beside the other one where that was written later', async () => {
    await rescuedFirst();
    const { ann } = crossing.start();
    await ann.getAccessToken();
    await ann.refresh({ force: true }).catch(() => undefined);
    expect((await ann.fetch('6/sites')).status).toBe(200);
    // Nobody can tell whether it was presented before: it is announced.
    await bench.clock.advance(30 * MINUTE);
    await crossing.served({ ann });
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(0));
  });

  it('I5 takes its place also when the other one has been given up meanwhile', async () => {
    const { ann } = await rescuedFirst();
    const elsewhere = crossing.startIn('').ann;
    await expect(elsewhere.refresh({ force: true })).rejects.toMatchObject({
      code: 'reauthorization_required',
    });
    await bench.clock.advance(30 * MINUTE);
    await crossing.served(crossing.startIn(dir));
    expect((await ann.status()).state).toBe('active');
  });

  it.each([0, 1])('I7 F27 has its turn once: two that both ended are given up (%s)', async (later) => {
    const both = [crossing.start(), crossing.start()] as const;
    const journal = storeJournal(memoryStore());
    let presented = 0;
    const codes = [await crossing.code(), await crossing.code()];
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 5_000, times: 2 });
    const signIns = both.map(({ ann }, n) => ann.exchangeCode(codes[n] ?? '').catch(() => undefined));
    await vi.waitFor(() => expect(bench.codes).toBe(2));
    for (const { link } of both) link.down = true;
    await crossing.pass(5_000);
    await crossing.stop(both[later] ?? both[0]);
    await bench.clock.advance(1_000);
    await crossing.stop(both[1 - later] ?? both[1]);
    await Promise.all(signIns);
    expect(await filesIn(dir)).toHaveLength(2);
    // The same person signs in once more, for another connection: both have ended.
    await bench.signIn(crossing.start().manager.connection('bob'));
    for (let n = 0; n < 8; n += 1) {
      const { ann } = crossing.start({ journal });
      await ann.getAccessToken().catch(() => undefined);
      await ann.refresh({ force: true }).catch(() => undefined);
      await bench.clock.advance(31 * MINUTE);
      await vi.waitFor(async () => {
        await bench.clock.advance(1_000);
        expect(await ann.getAccessToken({ waitMs: 0 }).catch((error) => error.code)).toBe(
          'reauthorization_required',
        );
      }, 20_000);
      if (n === 0) presented = bench.refreshes;
    }
    expect(presented).toBeLessThan(4);
    expect(bench.refreshes).toBe(presented);
  });

  it.each(['no grant', 'an older grant', 'a dead grant'])(
    'I5 is found also where the other one was rescued by another process, beside %s',
    async (row) => {
      if (row !== 'no grant') await bench.signIn(crossing.start().ann);
      const [ended, live] = [crossing.start(), crossing.start()];
      const first = await crossing.signingIn(ended, 6_000);
      const second = await crossing.signingIn(live, 5_000);
      await crossing.rescue(second, first);
      expect(await filesIn(dir)).toHaveLength(2);
      if (row === 'a dead grant') {
        const elsewhere = crossing.startIn('');
        await elsewhere.ann.refresh({ force: true }).catch(() => undefined);
      }
      const { ann } = crossing.startIn(dir);
      await ann.getAccessToken();
      for (let n = 0; n < 2; n += 1) await ann.refresh({ force: true }).catch(() => undefined);
      expect((await ann.fetch('6/sites')).status).toBe(200);
      await bench.clock.advance(30 * MINUTE);
      await crossing.served({ ann });
      expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    },
  );

  it('F103 stays away where its person has left since, and come back', async () => {
    await rescuedFirst();
    await bench.clock.advance(1_000);
    // By a process that cannot look into that folder.
    const elsewhere = crossing.startIn('');
    await elsewhere.ann.disconnect();
    await bench.signIn(elsewhere.ann);
    const later = crossing.startIn(dir);
    await later.ann.getAccessToken();
    expect(later.link.writes).toHaveLength(0);
  });

  it('F73 I5 leaves both to be found where the row of the other one is sealed with a key that is not here', async () => {
    const key = (id: string, byte: number) => ({ id, key: Buffer.alloc(32, byte).toString('hex') });
    const keys = [key('k2', 2), key('k1', 1)];
    const dead = crossing.start({ encryption: { keys: [key('k1', 1)] } });
    const live = crossing.start({ encryption: { keys } });
    const signIn = await crossing.signingIn(dead, 5_000);
    await bench.clock.advance(100);
    await bench.signIn(live.ann);
    await bench.clock.advance(5_000);
    expect(await signIn.ended).toMatchObject({ code: 'record_unreadable' });
    await expectLive(crossing.start({ encryption: { keys } }));
  });
});

describe('a sign-in that a shutdown rescues', () => {
  it('I2 I6 does not come back over its own next generation, where the store had taken it late', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    await crossing.takeLate(one, two);
    expect(await filesIn(dir)).toHaveLength(1);
    await expectLive(crossing.start());
  });

  it('F82 does not come back when its account was rejected meanwhile', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    const code = await crossing.code();
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
    await crossing.stop(one);
    await confirmed;
    expect(await filesIn(dir)).toHaveLength(1);
    await two.ann.reject();
    const next = crossing.start();
    await expect(next.ann.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
    expect((await next.ann.status()).state).not.toBe('active');
  });
});
