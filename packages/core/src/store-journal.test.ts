import { describe, expect, it } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { CONNECTION, entryAt, generationsOf, REGISTRATION } from './journal.fixture.ts';
import { journalSuite } from './journal-suite.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { storeJournal } from './store-journal.ts';
import type { StoreKey, TokenStore } from './token-store.ts';

journalSuite('store journal', () => {
  const store = memoryStore();
  return { open: () => storeJournal(store) };
});

const read = async (store: TokenStore) =>
  generationsOf(await storeJournal(store).read(REGISTRATION, CONNECTION));

/** A store with the journal's row of two entries in it, and the name of that row. */
async function twoEntries() {
  const store = new FlakyStore();
  let key: StoreKey | null = null;
  const cas = store.cas.bind(store);
  store.cas = (...args) => {
    key = args[0];
    return cas(...args);
  };
  const journal = storeJournal(store);
  await journal.append(entryAt(1));
  await journal.append(entryAt(2));
  if (key === null) throw new Error('nothing was written');
  return { store, journal, key: key as StoreKey, body: store.writes.at(-1)?.body ?? '' };
}

async function replaceBody(store: TokenStore, key: StoreKey, body: string): Promise<void> {
  const { row } = await store.read(key);
  const value = { state: 'other', dueAt: null, expiresAt: null, ...row, body } as const;
  expect(await store.cas(key, row?.rev ?? null, value)).toMatchObject({ ok: true });
}

describe('store journal', () => {
  it('writes rows that are no grants, logins or registrations of the same store', async () => {
    const { store, key } = await twoEntries();
    for (const kind of ['grant', 'login', 'registration'] as const) {
      expect((await store.read({ registration: REGISTRATION, kind, id: CONNECTION })).row).toBeNull();
      expect(await store.list({ registration: REGISTRATION, kind, limit: 10 })).toEqual([]);
    }
    // Hexadecimal like any registration, and of a kind that no store drops by time.
    expect(key).toMatchObject({ registration: expect.stringMatching(/^[0-9a-f]{64}$/), kind: 'grant' });
    expect((await store.read(key)).row).toMatchObject({ state: 'other', dueAt: null, expiresAt: null });
  });

  it('keeps at most the newest 8 of a grant', async () => {
    const store = memoryStore();
    const journal = storeJournal(store);
    for (let generation = 1; generation <= 8; generation += 1) await journal.append(entryAt(generation));
    expect(await read(store)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await journal.append(entryAt(9));
    expect(await read(store)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    // What was acknowledged is there, also a late one.
    await journal.append(entryAt(0));
    expect(await read(store)).toEqual([0, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('keeps a row within what every store takes, at the cost of the oldest', async () => {
    const store = new FlakyStore();
    const journal = storeJournal(store);
    const body = 'x'.repeat(100_000);
    for (const generation of [1, 2, 3]) await journal.append(entryAt(generation, { body }));
    expect(await read(store)).toEqual([2, 3]);
    for (const write of store.writes) expect(Buffer.byteLength(write.body)).toBeLessThanOrEqual(256 * 1024);
    await expect(journal.append(entryAt(1, { body: 'x'.repeat(200_000) }))).rejects.toThrow(RangeError);
    expect(await read(store)).toEqual([2, 3]);
  });

  it('F60e leaves out a row that is torn or changed at any byte, and never writes over it', async () => {
    const { store, journal, key, body } = await twoEntries();
    for (let at = 0; at < body.length; at += 1) {
      const flipped = String.fromCharCode(body.charCodeAt(at) ^ 1);
      for (const damaged of [body.slice(0, at), body.slice(0, at) + flipped + body.slice(at + 1)]) {
        await replaceBody(store, key, damaged);
        const found = await read(store);
        expect([[], [1], [2]], `byte ${at}`).toContainEqual(found);
        await expect(journal.append(entryAt(3))).rejects.toMatchObject({ name: 'RecordUnreadableError' });
        await journal.forget(REGISTRATION, CONNECTION, { epoch: 9, generation: 0 });
        expect((await store.read(key)).row?.body).toBe(damaged);
      }
    }
    await replaceBody(store, key, body);
    expect(await read(store)).toEqual([1, 2]);
  });

  it('shows the sound entries of a damaged row, and drops none of it to forget', async () => {
    const { store, journal, key, body } = await twoEntries();
    const damaged = body.replace(']}', ',"torn"]}');
    await replaceBody(store, key, damaged);
    expect(await read(store)).toEqual([1, 2]);
    await journal.forget(REGISTRATION, CONNECTION, { epoch: 1, generation: 2 });
    expect((await store.read(key)).row?.body).toBe(damaged);
  });

  it.each([
    ['later_schema', '{"v":2,"entries":[],"more":true}'],
    ['malformed', '{"v":0,"entries":[]}'],
    ['malformed', 'null'],
    ['malformed', ''],
    ['malformed', '{"v":1,"entries":[7]}'],
  ])('F56 says %s of a row it does not know, and leaves it: %s', async (reason, body) => {
    const { store, journal, key } = await twoEntries();
    await replaceBody(store, key, body);
    // What a later version wrote may be the newest pair: nothing is sent without it.
    if (reason === 'later_schema') await expect(read(store)).rejects.toMatchObject({ reason });
    else expect(await read(store)).toEqual([]);
    await expect(journal.append(entryAt(3))).rejects.toMatchObject({ reason, connectionId: CONNECTION });
    expect((await store.read(key)).row?.body).toBe(body);
  });

  it('leaves out the entries of another grant, and does not write over the row they were copied into', async () => {
    const { store, body, key } = await twoEntries();
    const other = { ...key, id: 'user-2' };
    await store.cas(other, null, { body, state: 'other', dueAt: null, expiresAt: null });
    const journal = storeJournal(store);
    expect(await journal.read(REGISTRATION, 'user-2')).toEqual([]);
    await expect(journal.append(entryAt(3, { connectionId: 'user-2' }))).rejects.toMatchObject({
      reason: 'malformed',
    });
    expect((await store.read(other)).row?.body).toBe(body);
  });

  it('F118 reads again when the answer to its write is lost, and writes no second time', async () => {
    const { store, journal } = await twoEntries();
    store.loseAnswers = 1;
    await journal.append(entryAt(3));
    expect(await read(store)).toEqual([1, 2, 3]);
    expect(store.writes).toHaveLength(3);
  });

  it('rejects when the store is away, and when it never stops refusing', async () => {
    const { store, journal } = await twoEntries();
    store.down = true;
    for (const attempt of [journal.append(entryAt(3)), journal.read(REGISTRATION, CONNECTION)]) {
      await expect(attempt).rejects.toMatchObject({ code: 'store_unavailable', connectionId: CONNECTION });
    }
    store.down = false;
    let writes = 0;
    store.cas = async (key) => {
      writes += 1;
      return { ok: false, row: (await store.read(key)).row, now: 0 };
    };
    await expect(journal.append(entryAt(3))).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(writes).toBe(32);
  });

  it('leaves the store open for its owner', async () => {
    const { store, journal } = await twoEntries();
    await journal.close();
    expect(await read(store)).toEqual([1, 2]);
  });
});
