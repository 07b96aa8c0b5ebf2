import type { StoreKey, StoreValue } from '@hq-oauth/core';
import { expect, it } from 'vitest';
import { REGISTRATION } from './registration.fixture.ts';
import { sqliteStore } from './sqlite-store.ts';

const KIB_256 = 256 * 1024;
const ROWS = 30;
const ALL = { registration: REGISTRATION, kind: 'grant', limit: 1000 } as const;

function key(index: number): StoreKey {
  return { registration: REGISTRATION, kind: 'grant', id: String(index).padStart(3, '0') };
}

/** Due in the opposite order of the ids. */
function value(index: number, changes: Partial<StoreValue> = {}): StoreValue {
  const body = String(index).padEnd(KIB_256, '.');
  return { body, state: 'connected', dueAt: 1000 - index, expiresAt: null, ...changes };
}

async function filled(): Promise<ReturnType<typeof sqliteStore>> {
  const store = sqliteStore({ path: ':memory:' });
  for (let index = 0; index < ROWS; index += 1) await store.cas(key(index), null, value(index));
  return store;
}

const IDS = Array.from({ length: ROWS }, (_, index) => key(index).id);

it('lists rows with large bodies whole and in order, in several slices', async () => {
  const store = await filled();
  const byId = await store.list(ALL);
  expect(byId.map(({ id }) => id)).toEqual(IDS);
  expect(byId.every(({ body }, index) => body === value(index).body)).toBe(true);
  expect((await store.list({ ...ALL, dueBefore: 1000 })).map(({ id }) => id)).toEqual(IDS.toReversed());
  expect((await store.list({ ...ALL, state: 'connected', limit: 7 })).map(({ id }) => id)).toEqual(
    IDS.slice(0, 7),
  );
  expect((await store.list({ ...ALL, dueBefore: 990, limit: 7 })).map(({ id }) => id)).toEqual(
    IDS.slice(10).toReversed().slice(0, 7),
  );
  await store.close();
});

it('reads a large list in more than one piece, and gives no row twice that moves meanwhile', async () => {
  const store = await filled();
  const revOf = async (index: number): Promise<number | null> =>
    (await store.read(key(index))).row?.rev ?? null;
  const [first, last] = [await revOf(0), await revOf(ROWS - 1)];
  const listing = store.list({ ...ALL, dueBefore: 2000 });
  // Listed already, and due again after all others.
  await store.cas(key(ROWS - 1), last, value(ROWS - 1, { dueAt: 2000 }));
  // Not listed yet.
  await store.cas(key(0), first, value(0, { body: 'written between two slices' }));
  const listed = await listing;
  expect(listed.map(({ id }) => id)).toEqual(IDS.toReversed());
  expect(listed[0]?.dueAt).toBe(value(ROWS - 1).dueAt);
  expect(listed.at(-1)?.body).toBe('written between two slices');
  await store.close();
});
