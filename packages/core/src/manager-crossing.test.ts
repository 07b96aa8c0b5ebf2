import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crossing, holdReads, type Process } from './crossing.fixture.ts';
import type { Bench, UnderWay } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import type { ConnectionStatus } from './status.ts';
import { storeJournal } from './store-journal.ts';

let crossing: Crossing;
let bench: Bench;
beforeEach(async () => {
  crossing = await Crossing.open();
  bench = crossing.bench;
});
afterEach(() => crossing.close());

/** Of two crossed sign-ins the one that has ended is written over the other one, of which a refresh is under way for 19 s more. */
async function writtenOverRefresh(live: Process, dead: Process): Promise<UnderWay> {
  const signIn = await crossing.signingIn(dead, 60_000);
  await bench.clock.advance(100);
  await bench.signIn(live.ann);
  const refresh = await crossing.refreshing(live, 80_000);
  await bench.clock.advance(61_000);
  expect(await signIn.ended).toMatchObject({ state: 'active' });
  return refresh;
}

describe('two sign-ins of one person that cross, where the provider keeps the newest grant', () => {
  it('I5 the one that finds the other written already keeps its pair beside it', async () => {
    const [dead, live] = [crossing.start(), crossing.start()];
    const [deadRead, liveRead] = [holdReads(dead), holdReads(live)];
    const deadSignIn = dead.ann.exchangeCode(await crossing.code());
    await vi.waitFor(() => expect(bench.codes).toBe(1));
    const liveSignIn = live.ann.exchangeCode(await crossing.code());
    await vi.waitFor(() => expect(bench.codes).toBe(2));
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
    await crossing.start().ann.refresh({ force: true });
    expect(await crossing.start().ann.status()).toMatchObject({ state: 'active', lastError: null });
  });

  it('I5 by way of accounts that wait to be confirmed, as the sign-in routes do it', async () => {
    const [live, dead] = [crossing.start(), crossing.start()];
    const signIn = await crossing.signingIn(dead, 10_000, { confirm: true });
    await bench.clock.advance(100);
    await live.ann.exchangeCode(await crossing.code(), { confirm: true });
    await live.ann.confirm();
    await bench.clock.advance(10_000);
    const { pending } = (await signIn.ended) as ConnectionStatus;
    await dead.ann.confirm({ pendingId: pending?.id ?? '' });
    expect((await crossing.start().ann.refresh({ force: true })).state).toBe('active');
  });

  it('I1 I5 a refresh that is under way as another sign-in is written over it is waited for, and its answer kept', async () => {
    const [live, dead, third] = [crossing.start(), crossing.start(), crossing.start()];
    const refresh = await writtenOverRefresh(live, dead);
    // Refused: the other one takes its place, and nothing is sent for that while its refresh is under way.
    await third.ann.refresh({ force: true }).catch(() => undefined);
    await third.ann.refresh({ force: true }).catch(() => undefined);
    expect(bench.refreshes).toBe(2);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    await bench.clock.advance(40_000);
    await refresh.ended;
    const token = await crossing.start().ann.getAccessToken();
    const { ann } = crossing.start();
    expect((await ann.fetch('6/sites')).status).toBe(200);
    expect(token).toBe(await ann.getAccessToken());
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });
});

describe('what goes beside another sign-in', () => {
  it('F44 is told of while it is in memory only', async () => {
    const [live, dead, third] = [crossing.start(), crossing.start(), crossing.start()];
    const refresh = await writtenOverRefresh(live, dead);
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
    await refresh.ended;
    await vi.waitFor(async () => expect(await live.manager.health()).toMatchObject({ unpersisted: 0 }));
    await third.ann.refresh({ force: true }).catch(() => undefined);
    expect((await third.ann.fetch('6/sites')).status).toBe(200);
  });

  it('F82 is no account to be confirmed any more', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    const later = await crossing.signingIn(crossing.start(), 10_000);
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
    const waits = one.ann.exchangeCode(await crossing.code(), { confirm: true }).catch(() => undefined);
    await vi.waitFor(() => expect(isLost).toBe(true));
    await two.ann.confirm();
    await bench.clock.advance(10_000);
    expect(await later.ended).toMatchObject({ state: 'active' });
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
    crossing.keepAllGrants();
    const journal = storeJournal(memoryStore());
    const { ann } = crossing.start({ journal });
    await bench.signIn(ann);
    const one = await ann.exchangeCode(await crossing.code(), { confirm: true });
    // Its journal entry holds the account that waits.
    await ann.refresh({ force: true });
    const two = await ann.exchangeCode(await crossing.code(), { confirm: true });
    expect(two.pending?.id).not.toBe(one.pending?.id);
    await ann.reject();
    const other = crossing.start({ journal }).ann;
    expect((await other.status()).pending).toBeUndefined();
    await other.refresh({ force: true });
    expect((await other.status()).pending).toBeUndefined();
  });
});

describe('imported tokens', () => {
  it('that are dated in seconds are refused, and what is there stays', async () => {
    const { ann } = crossing.start();
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
