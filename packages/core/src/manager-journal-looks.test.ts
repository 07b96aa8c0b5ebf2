import { afterEach, describe, expect, it, vi } from 'vitest';
import { Crossing } from './crossing.fixture.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';
import { storeJournal } from './store-journal.ts';
import type { StoreKey } from './token-store.ts';

const LIFE = 30 * MINUTE;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
afterEach(async () => {
  vi.unstubAllEnvs();
  await bench.close();
});

/** Several processes on one store, and a journal that all of them reach. */
async function open() {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
  const shared = memoryStore();
  const journalStore = new FlakyStore();
  let key: StoreKey | null = null;
  const start = () => {
    const link = new FlakyStore(shared);
    const read = link.read.bind(link);
    link.read = (asked) => {
      if (asked.kind === 'grant') key = asked;
      return read(asked);
    };
    const manager = bench.manager({ store: link, journal: storeJournal(journalStore) });
    return { link, manager, ann: manager.connection('ann') };
  };
  /** The store falls back to an earlier write. */
  const fallBack = async (written: FlakyStore['writes'][number], change: object = {}): Promise<void> => {
    if (!key) throw new Error('nothing was read');
    const { row } = await shared.read(key);
    const body = JSON.stringify({ ...JSON.parse(written.body), ...change });
    await shared.cas(key, row?.rev ?? null, { ...written, body });
  };
  return { start, fallBack, journalStore, keyOf: () => key };
}

const codeOf = (error: { code?: unknown }): unknown => error.code;

describe('a first look at a journal that does not answer', () => {
  it('F15 is made up for: a person who has left is not served for long', async () => {
    const { start, fallBack, journalStore } = await open();
    const one = start();
    await bench.signIn(one.ann);
    await bench.clock.advance(1_000);
    await one.ann.refresh({ force: true });
    const earlier = one.link.writes.findLast(({ state }) => state === 'connected');
    await one.ann.disconnect();
    await one.manager.close();
    if (!earlier) throw new Error('nothing was written');
    await fallBack(earlier);
    const { ann } = start();
    journalStore.down = true;
    expect(typeof (await ann.getAccessToken())).toBe('string');
    journalStore.down = false;
    let last: unknown;
    for (let minute = 0; minute < 3; minute += 1) {
      await bench.clock.advance(MINUTE);
      await bench.clock.settle(50);
      last = await ann.getAccessToken().catch(codeOf);
    }
    expect(last).toBe('not_connected');
  });

  it('F60e I5 a grant that is dead in the store alone comes back as soon as it answers', async () => {
    const { start, fallBack, journalStore } = await open();
    const one = start();
    await bench.signIn(one.ann);
    const first = one.link.writes.findLast(({ state }) => state === 'connected');
    await bench.clock.advance(1_000);
    await one.ann.refresh({ force: true });
    await one.manager.close();
    if (!first) throw new Error('nothing was written');
    await fallBack(first, { dead: { reason: 'revoked_or_expired', at: bench.clock.now() } });
    await bench.clock.advance(LIFE);
    journalStore.down = true;
    const { ann } = start();
    // Nobody knows whether it has ended.
    expect(await bench.clock.advanceUntil(ann.getAccessToken().catch(codeOf))).toBe('store_unavailable');
    journalStore.down = false;
    let last: unknown;
    for (let minute = 0; minute < 3; minute += 1) {
      await bench.clock.advance(MINUTE);
      await bench.clock.settle(50);
      last = await ann.getAccessToken().catch(codeOf);
    }
    expect(last).toBe(await ann.getAccessToken());
  });
});

describe('a refresh that is wanted in any case', () => {
  it('F60e comes about also where journals are being looked into, which renews nothing', async () => {
    const { start, journalStore } = await open();
    const { ann, manager } = start();
    await bench.signIn(ann);
    await bench.clock.advance(1_000);
    const read = journalStore.read.bind(journalStore);
    const answered = Promise.withResolvers<void>();
    let isAsked = false;
    journalStore.read = async (key) => {
      isAsked = true;
      await answered.promise;
      return read(key);
    };
    const sealing = manager.reseal();
    await vi.waitFor(() => expect(isAsked).toBe(true));
    const refreshed = ann.refresh({ force: true });
    await bench.clock.settle(20);
    answered.resolve();
    expect((await refreshed).generation).toBe(2);
    await sealing;
    expect(bench.refreshes).toBe(1);
  });
});

describe('a refresh that is answered after its person has left', () => {
  it('F103 leaves no pair in a journal', async () => {
    const { start, journalStore, keyOf } = await open();
    const [one, two] = [start(), start()];
    await bench.signIn(one.ann);
    await two.ann.getAccessToken();
    const refresh = await bench.refreshing(20_000, () => two.ann.refresh({ force: true }).catch(codeOf));
    await one.ann.disconnect();
    await bench.clock.advance(20_000);
    await refresh.ended;
    const journal = storeJournal(journalStore);
    // Tidied up in the background.
    await vi.waitFor(async () => {
      const entries = await journal.read(keyOf()?.registration ?? '', 'ann');
      expect(entries.map(({ body }) => JSON.parse(body).tokens)).toEqual([null]);
    });
    await journal.close();
  });
});

describe('a sign-in that a shutdown rescued', () => {
  it('F103 F15 is not found again once the store has it: who has left stays away from a store that comes back empty', async () => {
    const dir = await rescueFolder();
    const crossing = await Crossing.open();
    ({ bench } = crossing);
    await crossing.rescue(await crossing.signingIn(crossing.start(), 1_000));
    expect(await filesIn(dir)).toHaveLength(1);
    const { ann } = crossing.start();
    expect((await ann.status()).state).toBe('active');
    await ann.disconnect();
    expect(await filesIn(dir)).toEqual([]);
    const empty = crossing.start({ store: new FlakyStore() });
    await expect(empty.ann.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
  });
});

describe('a grant that was given up by a process that cannot look into this journal', () => {
  it('I5 F60c comes back with the other pair of its generation that is there', async () => {
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
    bench.emulator.switches.set({ reuse: 'grace', grace: 'replace', graceMs: 24 * 60 * MINUTE });
    const shared = memoryStore();
    const start = (journal: Journal) => {
      const link = new FlakyStore(shared);
      return { link, ann: bench.manager({ store: link, journal }).connection('ann') };
    };
    /** A refresh whose process has the pair in its journal, and reaches the store no more. */
    const journalOnly = async (presented: number) => {
      const journal = storeJournal(memoryStore());
      const { link, ann } = start(journal);
      bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 20_000, times: 1 });
      const refreshed = ann.refresh({ force: true }).catch(codeOf);
      if (presented > 1) {
        await vi.waitFor(() =>
          expect(link.writes.some(({ body }) => body.includes('"announce"'))).toBe(true),
        );
        await bench.clock.advance(6_000);
      }
      await bench.presented(presented);
      link.down = true;
      await bench.clock.advance(20_000);
      await refreshed;
      return journal;
    };
    await bench.signIn(start(storeJournal(memoryStore())).ann);
    const first = await journalOnly(1);
    await bench.clock.advance(LIFE);
    const second = await journalOnly(2);
    const one = start(first).ann;
    await expect(one.getAccessToken()).rejects.toMatchObject({ reason: 'rotation_outcome_lost' });
    const other = start(second).ann;
    expect(await other.getAccessToken()).toBeTruthy();
    await other.refresh({ force: true });
    expect(await one.getAccessToken()).toBe(await other.getAccessToken());
  });
});
