import { afterEach, describe, expect, it, vi } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { storeJournal } from './store-journal.ts';

const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
afterEach(() => bench.close());

/** Several processes on one store, and a provider that keeps one grant of a person: the one it made last. */
async function open() {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }], grants: 'newest' });
  const shared = memoryStore();
  return () => {
    const link = new FlakyStore(shared);
    const manager = bench.manager({ store: link });
    return { link, manager, ann: manager.connection('ann') };
  };
}

const codesPresented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'code' });
const presented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });

async function twoCodes(): Promise<readonly [string, string]> {
  const first = await bench.emulator.authorize();
  const second = await bench.emulator.authorize();
  return [first.code, second.code];
}

/** The first code of the two is answered this much later. */
function delayFirst(delayMs: number): void {
  bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs, times: 1 });
}

describe('two sign-ins of one person that cross, where the provider keeps the newest grant', () => {
  it('I5 the one that finds the other written already keeps its pair beside it', async () => {
    const start = await open();
    const [dead, live] = [start(), start()];
    const hold = ({ link }: typeof dead) => {
      const gate = Promise.withResolvers<void>();
      const read = link.read.bind(link);
      let reads = 0;
      link.read = async (key) => {
        // The one before the code is sent goes through.
        if (key.kind === 'grant') reads += 1;
        if (reads > 1) await gate.promise;
        return read(key);
      };
      return gate;
    };
    const [deadRead, liveRead] = [hold(dead), hold(live)];
    const [first, second] = await twoCodes();
    const deadSignIn = dead.ann.exchangeCode(first);
    await vi.waitFor(() => expect(codesPresented()).toBe(1));
    const liveSignIn = live.ann.exchangeCode(second);
    await vi.waitFor(() => expect(codesPresented()).toBe(2));
    await bench.clock.settle(50);
    // What is in hand is built on what is known before the store is asked; only then does the other one stand.
    await vi.waitFor(() =>
      expect(bench.emulator.ledger.count({ kind: 'issued', tokenType: 'refresh' })).toBe(2),
    );
    await bench.clock.advance(10);
    deadRead.resolve();
    await deadSignIn;
    await bench.clock.advance(10);
    liveRead.resolve();
    await liveSignIn;
    await start().ann.refresh({ force: true });
    expect(await start().ann.status()).toMatchObject({ state: 'active', lastError: null });
  });

  it('I5 by way of accounts that wait to be confirmed, as the sign-in routes do it', async () => {
    const start = await open();
    const [live, dead] = [start(), start()];
    const [first, second] = await twoCodes();
    delayFirst(10_000);
    const deadSignIn = dead.ann.exchangeCode(first, { confirm: true });
    await vi.waitFor(() => expect(codesPresented()).toBe(1));
    await bench.clock.advance(100);
    await live.ann.exchangeCode(second, { confirm: true });
    await live.ann.confirm();
    await bench.clock.advance(10_000);
    const { pending } = await deadSignIn;
    await dead.ann.confirm({ pendingId: pending?.id ?? '' });
    expect((await start().ann.refresh({ force: true })).state).toBe('active');
  });

  it('I1 I5 a refresh that is under way as another sign-in is written over it is waited for, and its answer kept', async () => {
    const start = await open();
    const [live, dead, third] = [start(), start(), start()];
    const [first, second] = await twoCodes();
    delayFirst(60_000);
    const deadSignIn = dead.ann.exchangeCode(first);
    await vi.waitFor(() => expect(codesPresented()).toBe(1));
    await bench.clock.advance(100);
    await live.ann.exchangeCode(second);
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 80_000, times: 1 });
    const refreshed = live.ann.refresh({ force: true }).catch(() => undefined);
    await bench.presented(1);
    await bench.clock.advance(61_000);
    await deadSignIn;
    // Refused: the other one takes its place, and nothing is sent for that while its refresh is under way.
    await third.ann.refresh({ force: true }).catch(() => undefined);
    await third.ann.refresh({ force: true }).catch(() => undefined);
    expect(presented()).toBe(2);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    await bench.clock.advance(40_000);
    await refreshed;
    const token = await start().ann.getAccessToken();
    const { link: _, ann } = start();
    expect((await ann.fetch('6/sites')).status).toBe(200);
    expect(token).toBe(await ann.getAccessToken());
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });
});

describe('what goes beside another sign-in', () => {
  it('F44 is told of while it is in memory only', async () => {
    const start = await open();
    const [live, dead, third] = [start(), start(), start()];
    const [first, second] = await twoCodes();
    delayFirst(60_000);
    const deadSignIn = dead.ann.exchangeCode(first);
    await vi.waitFor(() => expect(codesPresented()).toBe(1));
    await bench.clock.advance(100);
    await live.ann.exchangeCode(second);
    bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 80_000, times: 1 });
    const refreshed = live.ann.refresh({ force: true }).catch(() => undefined);
    await bench.presented(1);
    await bench.clock.advance(61_000);
    await deadSignIn;
    // This process knows by now that the other one stands.
    await live.ann.status();
    live.link.down = true;
    await bench.clock.advance(18_500);
    const told = async (): Promise<void> => {
      await bench.clock.advance(100);
      expect(await live.manager.health()).toMatchObject({ unpersisted: 1 });
    };
    await vi.waitFor(told, { timeout: 20_000, interval: 20 });
    expect(bench.named('persistFailed').length).toBeGreaterThan(0);
    live.link.down = false;
    await bench.clock.advance(20_000);
    await refreshed;
    await vi.waitFor(async () => expect(await live.manager.health()).toMatchObject({ unpersisted: 0 }));
    await third.ann.refresh({ force: true }).catch(() => undefined);
    expect((await third.ann.fetch('6/sites')).status).toBe(200);
  });

  it('F82 is no account to be confirmed any more', async () => {
    const start = await open();
    const [one, two, crossing] = [start(), start(), start()];
    const codes = await twoCodes();
    delayFirst(10_000);
    const later = crossing.ann.exchangeCode(codes[1]);
    await vi.waitFor(() => expect(codesPresented()).toBe(1));
    await bench.clock.advance(100);
    const cas = one.link.cas.bind(one.link);
    let isLost = false;
    const gate = Promise.withResolvers<void>();
    one.link.cas = async (...given) => {
      const result = await cas(...given);
      if (given[0].kind !== 'grant' || isLost) return result;
      isLost = true;
      await gate.promise;
      throw new Error('connection lost');
    };
    const waits = one.ann.exchangeCode(codes[0], { confirm: true }).catch(() => undefined);
    await vi.waitFor(() => expect(isLost).toBe(true));
    await two.ann.confirm();
    await bench.clock.advance(10_000);
    await later;
    gate.resolve();
    await waits;
    const written = async (): Promise<void> => {
      await bench.clock.advance(1_000);
      expect(await one.manager.health()).toMatchObject({ unpersisted: 0 });
    };
    await vi.waitFor(written, { timeout: 20_000, interval: 20 });
    expect((await two.ann.status()).pending).toBeUndefined();
  });
});

describe('an account that waited to be confirmed and was replaced', () => {
  it('F109 does not come back from a journal once its successor was rejected', async () => {
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
    const store = new FlakyStore();
    const journal = storeJournal(memoryStore());
    const start = () => bench.manager({ store, journal }).connection('ann');
    const ann = start();
    await bench.signIn(ann);
    const [first, second] = await twoCodes();
    const one = await ann.exchangeCode(first, { confirm: true });
    // Its journal entry holds the account that waits.
    await ann.refresh({ force: true });
    const two = await ann.exchangeCode(second, { confirm: true });
    expect(two.pending?.id).not.toBe(one.pending?.id);
    await ann.reject();
    const other = start();
    expect((await other.status()).pending).toBeUndefined();
    await other.refresh({ force: true });
    expect((await other.status()).pending).toBeUndefined();
  });
});

describe('imported tokens', () => {
  it('that are dated in seconds are refused, and what is there stays', async () => {
    const start = await open();
    const { ann } = start();
    await bench.signIn(ann);
    const before = await ann.status();
    const tokens = { access_token: 'a', refresh_token: 'r', expires_in: 1800 };
    await expect(
      ann.importTokens(tokens, { receivedAt: Math.floor(bench.clock.now() / 1000) }),
    ).rejects.toMatchObject({
      reason: 'received_at_unusable',
      message: expect.stringContaining('not seconds'),
    });
    expect(await ann.status()).toEqual(before);
  });
});
