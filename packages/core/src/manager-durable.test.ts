import { readdir } from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from './contracts.ts';
import { fileJournal } from './file-journal.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { journalFolder } from './journal.fixture.ts';
import { Bench, DAY, HOUR, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { someKey } from './options.fixture.ts';
import { rescueFolder } from './rescue-folder.fixture.ts';
import { storeJournal } from './store-journal.ts';
import type { parseTokenResponse } from './token-response.ts';

/** A later version whose parser knows the other root, when a test says so. */
const parser = vi.hoisted(() => ({ corrected: false }));
vi.mock('./token-response.ts', async (original) => {
  const real = await original<typeof import('./token-response.ts')>();
  const corrected: typeof parseTokenResponse = (body, type) =>
    real.parseTokenResponse(parser.corrected ? String(body).replace(/<\/?response>/g, '') : body, type);
  return { ...real, parseTokenResponse: corrected };
});

const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
let store: FlakyStore;
afterEach(() => {
  parser.corrected = false;
  vi.unstubAllEnvs();
});

async function connected(options: ManagerOptions = {}) {
  const opened = await Bench.connected(new FlakyStore(), options);
  ({ bench, store } = opened);
  return { ...opened, presented: () => bench.refreshes };
}

/** Renewed, and in this process's memory only. */
const pairInHand = (connection: Connection): Promise<string> =>
  bench.pairInHand(store, () => connection.getAccessToken());

const announced = (where: FlakyStore): Promise<void> =>
  vi.waitFor(() => expect(where.writes.some(({ body }) => body.includes('"announce"'))).toBe(true), 10_000);

describe('journals', () => {
  it.each(['file', 'store'] as const)(
    'F60c a %s journal is replayed after a crash, before anything is sent',
    async (kind) => {
      const journal = kind === 'file' ? fileJournal({ dir: journalFolder() }) : storeJournal(memoryStore());
      const { connection, start, presented } = await connected({ journal });
      const token = await pairInHand(connection);
      // The process with the pair is gone: nobody advances its clock any more. Another one starts.
      store.down = false;
      store.cas = FlakyStore.prototype.cas.bind(new FlakyStore(store.inner));
      const after = start().connection('ann');
      expect(await after.getAccessToken()).toBe(token);
      expect(presented()).toBe(1);
      expect(await after.status()).toMatchObject({ generation: 2, state: 'active' });
    },
  );

  it('F60c revives a grant that was declared dead without its journal', async () => {
    const journal = storeJournal(memoryStore());
    const { connection, start, presented } = await connected({ journal });
    const token = await pairInHand(connection);
    const there = new FlakyStore(store.inner);
    const elsewhere = start({ journal: undefined, store: there }).connection('ann');
    await bench.clock.advance(200_000);
    const refused = elsewhere.getAccessToken().catch(() => undefined);
    await announced(there);
    await bench.clock.advance(6_000);
    await bench.presented(2);
    await refused;
    await vi.waitFor(async () => expect((await elsewhere.status()).state).toBe('reauth_required'));
    const back = start({ store: new FlakyStore(store.inner) }).connection('ann');
    expect(await back.getAccessToken()).toBe(token);
    expect(presented()).toBe(2);
    expect((await elsewhere.status()).state).toBe('active');
  });

  it('a pair that waited longer than 30 days needs a person', async () => {
    const journal = storeJournal(memoryStore());
    const { connection, start, presented } = await connected({ journal });
    await pairInHand(connection);
    bench.clock.stall(30 * DAY + 1);
    // It proves the store's own refresh token spent: nothing is presented.
    await expect(
      start({ store: new FlakyStore(store.inner) })
        .connection('ann')
        .getAccessToken(),
    ).rejects.toMatchObject({ reason: 'rotation_outcome_lost' });
    expect(presented()).toBe(1);
  });

  it('a journal that cannot be read stops the refresh, not the valid token', async () => {
    const inner = new FlakyStore();
    const { connection, presented } = await connected({ journal: storeJournal(inner) });
    const token = await connection.getAccessToken();
    inner.down = true;
    await bench.clock.advance(28 * MINUTE);
    expect(await connection.getAccessToken()).toBe(token);
    await bench.clock.advance(2 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(presented()).toBe(0);
    inner.down = false;
    await bench.clock.advance(2_000);
    expect(await connection.getAccessToken()).not.toBe(token);
  });

  it('F44 F60f close() with the store down writes a sealed rescue file, names its folder, and the next start reads it', async () => {
    const dir = await rescueFolder();
    const said: unknown[] = [];
    const { manager, connection, start, presented } = await connected({
      logger: { error: (...told) => said.push(told) },
    });
    const token = await pairInHand(connection);
    await bench.stop(manager, 5_000);
    expect(JSON.stringify(said)).toContain(dir);
    expect(await readdir(dir)).toHaveLength(1);
    store.down = false;
    const after = start().connection('ann');
    // The one with the pair is gone with its process; its timers do not count.
    expect(await after.getAccessToken()).toBe(token);
    expect(presented()).toBe(1);
  });
});

describe('what is in hand when a shutdown comes', () => {
  it('F44 F60f is rescued also while its first write has neither succeeded nor failed', async () => {
    const dir = await rescueFolder();
    const { manager, connection, start, presented } = await connected();
    const cas = store.cas.bind(store);
    store.cas = (key, rev, next) =>
      next.body.includes('"generation":2') ? new Promise(() => undefined) : cas(key, rev, next);
    await bench.clock.advance(30 * MINUTE);
    connection.getAccessToken().catch(() => undefined);
    await bench.presented(1);
    await bench.clock.settle(20);
    await bench.stop(manager);
    expect(await readdir(dir)).toHaveLength(1);
    store.cas = cas;
    expect(await start().connection('ann').getAccessToken()).toBeTruthy();
    expect(presented()).toBe(1);
  });

  it('F44 F60f is rescued when it came of a sign-in and the store has not answered at all', async () => {
    const dir = await rescueFolder();
    const { manager, start } = await connected();
    const { code } = await bench.emulator.authorize();
    const read = store.read.bind(store);
    const signedIn = manager.connection('bob').exchangeCode(code);
    signedIn.catch(() => undefined);
    store.read = () => new Promise(() => undefined);
    await vi.waitFor(() => expect(bench.codes).toBe(2));
    await bench.clock.settle(20);
    await bench.stop(manager);
    expect(await readdir(dir)).toHaveLength(1);
    store.read = read;
    expect(start().connection('bob').id).toBe('bob');
  });
});

describe('a person who left', () => {
  it('F55 I9 is not served again by the answer to a refresh that was under way, with the store away', async () => {
    const { connection } = await connected();
    await bench.clock.advance(30 * MINUTE);
    const renewal = await bench.refreshing(1_000, () => connection.getAccessToken());
    await connection.disconnect();
    store.down = true;
    await bench.clock.advance(20_000);
    // Never a token: the store cannot be asked whether the person has come back.
    await expect(renewal.ended).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'store_unavailable' });
    store.down = false;
    await bench.clock.advance(5_000);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
  });
});

describe('a journal entry that only another process can open', () => {
  it('F73 I6 stops this one: nothing is sent and nobody is declared dead', async () => {
    const journal = storeJournal(memoryStore());
    const old = { id: 'old', key: someKey };
    const next = { id: 'next', key: Buffer.alloc(32, 5).toString('hex') };
    const { connection, start, presented } = await connected({ journal, encryption: { keys: [old] } });
    await connection.getAccessToken();
    const link = new FlakyStore(store.inner);
    const writer = start({ encryption: { keys: [next, old] }, store: link }).connection('ann');
    await writer.getAccessToken();
    await bench.pairInHand(link, () => writer.getAccessToken());
    await bench.clock.advance(200_000);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ reason: 'unknown_key' });
    expect(presented()).toBe(1);
    expect((await connection.status()).state).not.toBe('reauth_required');
    link.down = false;
  });
});

describe('an answer that cannot be read', () => {
  it('F105 is kept sealed, nothing more is sent, the breaker opens for all, a corrected parser recovers it', async () => {
    const { manager, connection, start, presented } = await connected();
    const neighbour = manager.connection('bob');
    await bench.signIn(neighbour, 'limited@clientname.com');
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    await vi.waitFor(() =>
      expect(neighbour.getAccessToken()).rejects.toMatchObject({ reason: 'breaker_open' }),
    );
    await bench.clock.advance(HOUR);
    await connection.getAccessToken().catch(() => undefined);
    expect(await connection.status()).toMatchObject({
      state: 'uncertain',
      reason: 'quarantine',
      generation: 1,
    });
    expect(presented()).toBe(1);
    expect(await neighbour.getAccessToken()).toBeTruthy();

    parser.corrected = true;
    const later = start().connection('ann');
    expect(await later.getAccessToken()).toBeTruthy();
    expect(await later.status()).toMatchObject({ state: 'active' });
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });
});

describe('the registration', () => {
  it('F16 is asked once when it is refused, not once per connection', async () => {
    const { manager, presented } = await connected();
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    for (const id of ids) await bench.signIn(manager.connection(id));
    bench.emulator.registrations.archive('1012');
    await bench.clock.advance(30 * MINUTE);
    await expect(manager.connection('a').getAccessToken()).rejects.toMatchObject({
      reason: 'unauthorized_client',
    });
    await vi.waitFor(() =>
      expect(manager.connection('b').getAccessToken()).rejects.toMatchObject({ reason: 'breaker_open' }),
    );
    for (const id of ids)
      await manager
        .connection(id)
        .getAccessToken()
        .catch(() => undefined);
    expect(presented()).toBe(1);
    bench.emulator.registrations.update('1012', { status: 'active' });
    await bench.clock.advance(HOUR);
    for (const id of ids) expect(await manager.connection(id).getAccessToken()).toBeTruthy();
  });

  it('F20 a Retry-After holds all processes back', async () => {
    const { connection, start, presented } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'rate-limit', retryAfter: 120, times: 1 });
    await bench.clock.advance(30 * MINUTE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({
      reason: 'rate_limited',
      retryAfterMs: 120_000,
    });
    const other = start().connection('ann');
    await vi.waitFor(() => expect(other.getAccessToken()).rejects.toMatchObject({ reason: 'breaker_open' }));
    expect(presented()).toBe(1);
    await bench.clock.advance(120_000);
    expect(await other.getAccessToken()).toBeTruthy();
  });

  it('F18 an unrecognized refusal ends a grant after three over an hour, while the registration works for others', async () => {
    const { manager, connection } = await connected();
    const neighbour = manager.connection('bob');
    await bench.signIn(neighbour, 'limited@clientname.com');
    const ann = { ...REFRESH, connection: 'user@clientname.com' };
    bench.emulator.faults.add({
      match: ann,
      kind: 'status',
      status: 403,
      body: '<response>Access denied</response>',
    });
    await bench.clock.advance(30 * MINUTE);
    const reasons: unknown[] = [];
    for (let minutes = 0; minutes < 90; minutes += 10) {
      await neighbour.getAccessToken();
      reasons.push(await connection.getAccessToken().catch((error: { reason?: unknown }) => error.reason));
      await bench.clock.advance(10 * MINUTE);
    }
    expect(reasons.slice(0, 6)).toEqual(Array.from({ length: 6 }, () => 'refused_unrecognized'));
    expect(await connection.status()).toMatchObject({
      state: 'reauth_required',
      reason: 'refused_unrecognized',
    });
    expect((await neighbour.status()).state).not.toBe('reauth_required');
  });
});

describe('keys', () => {
  it('F74 are rotated without a failed call: add, promote, seal anew, retire', async () => {
    const oldKey = { id: 'old', key: someKey };
    const newKey = { id: 'new', key: Buffer.alloc(32, 7).toString('hex') };
    const { manager, connection, start } = await connected({ encryption: { keys: [oldKey] } });
    await bench.signIn(manager.connection('bob'));
    const { code } = await bench.emulator.authorize();
    await manager.connection('bob').exchangeCode(code, { confirm: true });
    const token = await connection.getAccessToken();

    const added = start({ encryption: { keys: [oldKey, newKey] } });
    expect(await added.connection('ann').getAccessToken()).toBe(token);
    const promoted = start({ encryption: { keys: [newKey, oldKey] } });
    expect(await promoted.connection('ann').getAccessToken()).toBe(token);
    expect(await promoted.reseal()).toEqual({ resealed: 2, left: [] });
    expect(await promoted.reseal()).toEqual({ resealed: 0, left: [] });
    // A process that has only had the new key added opens what was sealed anew.
    expect(await added.connection('bob').getAccessToken()).toBeTruthy();
    const retired = start({ encryption: { keys: [newKey] } });
    expect(await retired.connection('ann').getAccessToken()).toBe(token);
    expect(await retired.connection('bob').confirm()).toMatchObject({ state: 'active' });
    const without = start({ encryption: { keys: [oldKey] } }).connection('ann');
    await expect(without.getAccessToken()).rejects.toMatchObject({
      code: 'record_unreadable',
      reason: 'unknown_key',
    });
    expect(await retired.connection('ann').getAccessToken()).toBe(token);
  });

  it('F73 a process without the key refreshes nothing and writes nothing', async () => {
    const { connection, start, presented } = await connected();
    const writes = store.writes.length;
    const without = start({ encryption: { keys: [{ id: 'k2', key: Buffer.alloc(32, 9).toString('hex') }] } });
    await bench.clock.advance(30 * MINUTE);
    await expect(without.connection('ann').getAccessToken()).rejects.toMatchObject({ reason: 'unknown_key' });
    expect(store.writes).toHaveLength(writes);
    expect(presented()).toBe(0);
    expect(await connection.getAccessToken()).toBeTruthy();
  });
});
