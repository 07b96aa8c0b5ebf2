import { readdir } from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { journalFolder } from './journal.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { rescueFolder } from './rescue-folder.fixture.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import { storeJournal } from './store-journal.ts';
import type { parseTokenResponse } from './token-response.ts';

/** A later version whose parser knows the other root, when a test says so. */
const parser = vi.hoisted(() => ({ corrected: false, asked: 0 }));
vi.mock('./token-response.ts', async (original) => {
  const real = await original<typeof import('./token-response.ts')>();
  const corrected: typeof parseTokenResponse = (body, type) => {
    if (String(body).includes('<response>')) parser.asked += 1;
    return real.parseTokenResponse(
      parser.corrected ? String(body).replace(/<\/?response>/g, '') : body,
      type,
    );
  };
  return { ...real, parseTokenResponse: corrected };
});

const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
let store: FlakyStore;
afterEach(() => {
  parser.corrected = false;
  parser.asked = 0;
  vi.unstubAllEnvs();
});

async function connected(options: ManagerOptions = {}) {
  const opened = await Bench.connected(new FlakyStore(), options);
  ({ bench, store } = opened);
  return { ...opened, presented: () => bench.refreshes };
}

/** What `ask` sends is answered under another root while the store is away: the answer is in memory only. */
async function answerInHand(link: FlakyStore, ask: () => Promise<unknown>): Promise<void> {
  bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
  const failed = bench.named('persistFailed').length;
  const { ended } = await bench.refreshing(1_000, () => ask().catch(() => undefined));
  link.down = true;
  await bench.clock.advance(1_000);
  // Real I/O takes no time on the clock, and must not be outrun by it.
  await vi.waitFor(() => expect(bench.named('persistFailed').length).toBeGreaterThan(failed), 10_000);
  await bench.clock.advance(15_000);
  await ended;
}

async function renewedInHand(connection: Connection): Promise<void> {
  await bench.clock.advance(30 * MINUTE);
  await answerInHand(store, () => connection.getAccessToken());
}

describe('an answer that cannot be read, with the store away', () => {
  it('F105 F44 is counted, held, and written when the store is back', async () => {
    const { manager, connection, presented } = await connected();
    await renewedInHand(connection);
    expect(await manager.health()).toMatchObject({ unpersisted: 1 });
    expect(bench.named('persistFailed').length).toBeGreaterThan(0);
    store.down = false;
    await bench.clock.advance(5_000);
    await vi.waitFor(async () => expect(await manager.health()).toMatchObject({ unpersisted: 0 }));
    expect(await connection.status()).toMatchObject({ state: 'uncertain', reason: 'quarantine' });
    expect(presented()).toBe(1);
  });

  it('F105 F44 is brought back once more where the store forgets that it was', async () => {
    const shared = new RestoredStore();
    const kept = storeJournal(memoryStore());
    const { manager, start } = await connected({ journal: kept });
    await manager.close();
    const link = new FlakyStore(shared);
    const one = start({ store: link });
    const ann = one.connection('ann');
    await bench.signIn(ann);
    const before = shared.backUp();
    await answerInHand(link, () => ann.refresh({ force: true }));
    await bench.stop(one);
    await before();
    const elsewhere = start({ store: shared, journal: undefined }).connection('ann');
    await expect(elsewhere.refresh({ force: true })).rejects.toMatchObject({
      code: 'reauthorization_required',
    });
    const dead = shared.backUp();
    const back = start({ store: shared }).connection('ann');
    await bench.clock.advance(31 * MINUTE);
    const uncertain = { state: 'uncertain', reason: 'quarantine' };
    const asked = async (): Promise<void> => {
      await bench.clock.advance(1_000);
      await back.getAccessToken({ waitMs: 0 }).catch(() => undefined);
      expect(await back.status()).toMatchObject(uncertain);
    };
    await vi.waitFor(asked, { timeout: 5_000, interval: 20 });
    await dead();
    expect(shared.grant('ann').quarantine).toBeNull();
    const again = async (): Promise<void> => {
      await bench.clock.advance(10_000);
      await back.getAccessToken({ waitMs: 0 }).catch(() => undefined);
      expect(shared.grant('ann').quarantine).not.toBeNull();
    };
    await vi.waitFor(again, { timeout: 5_000, interval: 20 });
    expect(await elsewhere.status()).toMatchObject(uncertain);
  });

  it('F105 F60f is rescued by close(), kept by the next start, and read by the version that can', async () => {
    const dir = await rescueFolder();
    const { manager, connection, start, presented } = await connected();
    await renewedInHand(connection);
    await bench.stop(manager, 5_000);
    expect(await readdir(dir)).toHaveLength(1);
    store.down = false;

    const after = start().connection('ann');
    await expect(after.getAccessToken()).rejects.toMatchObject({ retryable: true });
    await bench.clock.advance(200_000);
    await after.getAccessToken().catch(() => undefined);
    expect(await after.status()).toMatchObject({ state: 'uncertain', reason: 'quarantine', generation: 1 });
    expect(presented()).toBe(1);

    parser.corrected = true;
    const later = start().connection('ann');
    expect(await later.getAccessToken()).toBeTruthy();
    expect(await later.status()).toMatchObject({ state: 'active', generation: 2 });
    expect(presented()).toBe(1);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });

  it('F105 F60c is replayed from a journal after a crash, before the old token would be sent again', async () => {
    const journal: Journal = storeJournal(memoryStore());
    const { connection, start, presented } = await connected({ journal });
    await renewedInHand(connection);
    // The process with the answer never reaches the store again. Another one starts.
    parser.corrected = true;
    const after = start({ store: new FlakyStore(store.inner) }).connection('ann');
    const first = after.getAccessToken().catch(() => undefined);
    await bench.clock.advance(200_000);
    await first;
    const served = async (): Promise<void> => {
      await bench.clock.advance(1_000);
      expect(await after.getAccessToken({ waitMs: 0 }).catch(() => null)).toBeTruthy();
    };
    await vi.waitFor(served, { timeout: 20_000, interval: 20 });
    expect(await after.status()).toMatchObject({ state: 'active', generation: 2 });
    expect(presented()).toBe(1);
  });

  it('F105 revives a grant that another process gave up without knowing of it', async () => {
    const dir = journalFolder();
    const { connection, start } = await connected({ journal: storeJournal(memoryStore()) });
    await renewedInHand(connection);
    const there = new FlakyStore(store.inner);
    const elsewhere = start({ journal: undefined, store: there }).connection('ann');
    await bench.clock.advance(200_000);
    const refused = elsewhere.getAccessToken().catch(() => undefined);
    await vi.waitFor(
      () => expect(there.writes.some(({ body }) => body.includes('"announce"'))).toBe(true),
      10_000,
    );
    await bench.clock.advance(6_000);
    await bench.presented(2);
    await refused;
    await vi.waitFor(async () => expect((await elsewhere.status()).state).toBe('reauth_required'));
    parser.corrected = true;
    const back = start({ store: new FlakyStore(store.inner) }).connection('ann');
    expect(await back.getAccessToken()).toBeTruthy();
    expect((await elsewhere.status()).state).toBe('active');
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('a kept answer', () => {
  it('F105 says nothing about the registration when it is read later: the breaker stays as it is', async () => {
    const { connection, start } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    const { manager } = { manager: start() };
    const neighbour = manager.connection('bob');
    await bench.signIn(neighbour, 'limited@clientname.com');
    const breaker = () => store.writes.filter(({ body }) => body.includes('openUntil'));
    await vi.waitFor(() => expect(breaker().at(-1)?.body).toContain('unusable_answer'));
    const before = breaker().length;
    parser.corrected = true;
    expect(await manager.connection('ann').getAccessToken()).toBeTruthy();
    await bench.clock.settle(10);
    expect(breaker()).toHaveLength(before);
  });

  it('F105 is tried again by the next refresh when the first one ended before it', async () => {
    const { connection, start } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    await connection.getAccessToken().catch(() => undefined);
    const link = new FlakyStore(store.inner);
    const other = start({ store: link }).connection('ann');
    await other.status();
    parser.asked = 0;
    // The first flight reads nothing, the second one does.
    link.down = true;
    await other.getAccessToken().catch(() => undefined);
    expect(parser.asked).toBe(0);
    link.down = false;
    parser.corrected = true;
    await bench.clock.advance(2_000);
    expect(await other.getAccessToken()).toBeTruthy();
  });

  it('F105 is not read again and again by a version that cannot', async () => {
    const { connection, start } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    const other = start().connection('ann');
    parser.asked = 0;
    for (let hour = 0; hour < 5; hour += 1) {
      await expect(other.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
      await bench.clock.advance(70 * MINUTE);
    }
    expect(parser.asked).toBe(1);
  });
});
