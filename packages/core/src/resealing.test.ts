import { afterEach, describe, expect, it, vi } from 'vitest';
import { fileJournal } from './file-journal.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { journalFolder } from './journal.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, DAY, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { someKey } from './options.fixture.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import { storeJournal } from './store-journal.ts';
import type { TokenStore } from './token-store.ts';

const oldKey = { id: 'old', key: someKey };
const newKey = { id: 'new', key: Buffer.alloc(32, 7).toString('hex') };
const before = { encryption: { keys: [oldKey] } };
const promoted = { encryption: { keys: [newKey, oldKey] } };
const retired = { encryption: { keys: [newKey] } };

let bench: Bench;
afterEach(() => {
  vi.unstubAllEnvs();
});

function journalOf(kind: 'file' | 'store'): Journal {
  return kind === 'store' ? storeJournal(memoryStore()) : fileJournal({ dir: journalFolder() });
}

async function connected<S extends TokenStore>(store: S, options: ManagerOptions) {
  const opened = await Bench.connected(store, { ...before, ...options });
  ({ bench } = opened);
  return opened;
}

describe.each(['file', 'store'] as const)('sealing anew, with a %s journal', (kind) => {
  it('F74 F60c brings a pair that only the journal has into the store before its key goes', async () => {
    const store = new FlakyStore();
    const { connection, start } = await connected(store, { journal: journalOf(kind) });
    const manager = start({ ...promoted, store: new FlakyStore(store.inner) });
    // It has looked into the journal once, when there was nothing there.
    await manager.connection('ann').getAccessToken();
    // The store is gone for the other process only, and for good.
    const token = await bench.pairInHand(store, () => connection.getAccessToken());

    expect(await manager.reseal()).toEqual({ resealed: 1, left: [] });
    const after = start({ ...retired, store: new FlakyStore(store.inner) }).connection('ann');
    expect(await after.getAccessToken()).toBe(token);
    expect(bench.refreshes).toBe(1);
    store.down = false;
  });

  it('F74 seals also what the journal keeps for a store that comes back empty', async () => {
    const store = new RestoredStore();
    const empty = store.backUp();
    const { connection, start } = await connected(store, { journal: journalOf(kind) });
    await connection.refresh({ force: true });
    const token = await connection.getAccessToken();
    const manager = start(promoted);
    expect(await manager.reseal()).toEqual({ resealed: 1, left: [] });
    expect(await manager.reseal()).toEqual({ resealed: 0, left: [] });
    await empty();
    expect(await start(retired).connection('ann').getAccessToken()).toBe(token);
    expect(bench.refreshes).toBe(1);
  });

  it('F74 names a connection of which the journal holds another pair, until it has been refreshed', async () => {
    const store = new RestoredStore();
    const journal = journalOf(kind);
    const { connection, start } = await connected(store, { journal });
    bench.emulator.switches.set({ reuse: 'grace', grace: 'fork', graceMs: DAY });
    const restore = store.backUp();
    await connection.refresh({ force: true });
    await restore();
    await start({ journal: undefined }).connection('ann').refresh({ force: true });
    const manager = start(promoted);
    expect(await manager.reseal()).toEqual({ resealed: 0, left: ['ann'] });
    await manager.connection('ann').refresh({ force: true });
    expect(await manager.reseal()).toEqual({ resealed: 0, left: [] });
  });

  it('F74 brings a first sign-in that no store took into the store', async () => {
    const store = new FlakyStore();
    const { manager, start } = await connected(store, { journal: journalOf(kind) });
    const { code } = await bench.emulator.authorize({ user: 'limited@clientname.com' });
    const cas = store.cas.bind(store);
    store.cas = async () => {
      throw new Error('disk full');
    };
    manager
      .connection('bob')
      .exchangeCode(code)
      .catch(() => undefined);
    await vi.waitFor(() => expect(bench.codes).toBe(2));
    await bench.clock.settle(20);
    await bench.stop(manager);
    store.cas = cas;
    expect(await start(promoted).reseal()).toEqual({ resealed: 2, left: [] });
    expect(await start(retired).connection('bob').getAccessToken()).toBeTruthy();
    expect(await start(promoted).reseal()).toEqual({ resealed: 0, left: [] });
  });

  it('F74 rejects while the journal cannot be looked into', async () => {
    const journal = journalOf(kind);
    const { start } = await connected(new FlakyStore(), { journal });
    const manager = start(promoted);
    await journal.close();
    await expect(manager.reseal()).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});

it('F74 F60f brings what is in the rescue folder into the store, and leaves nothing there', async () => {
  const dir = await rescueFolder();
  const store = new FlakyStore();
  const { manager, connection, start } = await connected(store, {});
  const token = await bench.pairInHand(store, () => connection.getAccessToken());
  await bench.stop(manager);
  expect(await filesIn(dir)).toHaveLength(1);
  store.down = false;
  expect(await start(promoted).reseal()).toEqual({ resealed: 1, left: [] });
  expect(await filesIn(dir)).toHaveLength(0);
  expect(await start(retired).connection('ann').getAccessToken()).toBe(token);
});

it('F74 does not wait without end for a pair that the store does not take', async () => {
  const store = new FlakyStore();
  const { manager, connection } = await connected(store, { journal: journalOf('store') });
  const cas = store.cas.bind(store);
  let takes = true;
  store.cas = async (...given) => {
    if (given[2].body.includes('"kind":"refresh"') || takes) return cas(...given);
    throw new Error('read-only');
  };
  await bench.clock.advance(30 * MINUTE);
  const renewal = await bench.refreshing(1_000, () => connection.getAccessToken());
  takes = false;
  await bench.clock.advance(1_000);
  await renewal.ended;
  const sealing = manager.reseal().catch((error: unknown) => error);
  expect(await bench.clock.advanceUntil(sealing)).toMatchObject({
    code: 'store_unavailable',
    message: expect.stringContaining('health()'),
    connectionId: 'ann',
  });
  takes = true;
  const again = bench.clock.advanceUntil(manager.reseal());
  expect(await again).toEqual({ resealed: 0, left: [] });
});
