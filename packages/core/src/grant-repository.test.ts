import { describe, expect, it } from 'vitest';
import { ConfigurationError, StoreUnavailableError } from './errors.ts';
import { GrantRepository, GrantSlot } from './grant-repository.ts';
import { record, T0 } from './machine.fixture.ts';
import { memoryStore } from './memory-store.ts';
import type { GrantRecord } from './record.ts';
import { createSealer } from './sealer.ts';
import { StoreTime } from './store-time.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { timings } from './timings.ts';
import type { StoreKey, TokenStore } from './token-store.ts';

const KEY: StoreKey = { registration: 'r', kind: 'grant', id: 'ann' };
const ring = (...ids: number[]) =>
  createSealer({ keys: ids.map((byte) => ({ id: `k${byte}`, key: new Uint8Array(32).fill(byte) })) });
const granted = (generation: number): GrantRecord =>
  record({ generation, tokens: { access: `a${generation}`, refresh: `r${generation}` } });

/** A store whose answers can be made late, or replaced. */
function bench(sealer = ring(1)) {
  const clock = new ManualClock();
  clock.setWall(T0);
  const inner = memoryStore({ clock });
  const store: TokenStore = {
    name: 'late',
    read: (key) => inner.read(key),
    cas: (key, rev, next) => inner.cas(key, rev, next),
    now: () => inner.now(),
    list: (query) => inner.list(query),
    close: () => inner.close(),
  };
  const open = (by = sealer) =>
    new GrantRepository({
      store,
      sealer: by,
      registration: 'r',
      clock,
      storeTime: new StoreTime(clock),
      timings: timings(),
    });
  const repository = open();
  return { clock, inner, store, open, repository, slot: new GrantSlot('ann') };
}

describe('a write', () => {
  it('I12 of what could not be read again is not made', async () => {
    const { repository, slot, inner } = bench();
    await repository.write(slot, null, granted(3));
    const before = (await inner.read(KEY)).row;
    const access = { issuedAt: Number.NaN, lifeMs: 1, fingerprint: 'a4' };
    await expect(repository.write(slot, before?.rev ?? null, { ...granted(4), access })).rejects.toThrow();
    expect((await inner.read(KEY)).row).toEqual(before);
  });
});

describe('an answer that this process slept over', () => {
  const LATE_MS = 3_000;

  it('I3 F32 is asked for again: the row may be past', async () => {
    const { clock, inner, store, repository, slot } = bench();
    const first = await repository.write(slot, null, granted(3));
    let reads = 0;
    store.read = async (key) => {
      reads += 1;
      const answer = await inner.read(key);
      if (reads > 1) return answer;
      // Another process goes on while this one sleeps.
      await repository.write(slot, first.snapshot?.rev ?? null, granted(4));
      clock.stall(LATE_MS);
      return answer;
    };
    const found = await repository.read(slot);
    expect(found.snapshot?.record.generation).toBe(4);
    expect(found.time.store).toBe(clock.now());
    expect(reads).toBe(2);
  });

  it('I3 F45 counts all the same where the store has fallen back since', async () => {
    const { clock, inner, store, repository, slot } = bench();
    await repository.write(slot, null, granted(3));
    const old = await inner.read(KEY);
    await repository.write(slot, old.row?.rev ?? null, granted(4));
    let reads = 0;
    store.read = async (key) => {
      reads += 1;
      const answer = await inner.read(key);
      if (reads > 1) return { ...answer, row: old.row };
      clock.stall(LATE_MS);
      return answer;
    };
    expect((await repository.read(slot)).snapshot?.record.generation).toBe(4);
  });

  it('F32 is no word on the time where none comes in half a minute', async () => {
    const { clock, inner, store, repository, slot } = bench();
    await repository.write(slot, null, granted(3));
    store.read = async (key) => {
      clock.stall(31_000);
      return inner.read(key);
    };
    store.now = async () => {
      clock.stall(31_000);
      return inner.now();
    };
    await expect(repository.read(slot)).rejects.toBeInstanceOf(StoreUnavailableError);
  });

  it('I9 F32 shows who has a pair in hand the row as it was, and the time as it is', async () => {
    const { clock, inner, store, repository, slot } = bench();
    const first = await repository.write(slot, null, granted(3));
    store.read = async (key) => {
      const answer = await inner.read(key);
      await inner.cas(key, first.snapshot?.rev ?? null, answer.row ?? expect.fail('there is a row'));
      clock.stall(LATE_MS);
      return answer;
    };
    const found = await repository.glance(slot);
    expect(found.snapshot?.rev).toBe(first.snapshot?.rev);
    expect(found.time.store).toBe(clock.now());
    // Also by a machine whose monotonic clock stood still meanwhile.
    store.read = async (key) => {
      const answer = await inner.read(key);
      clock.suspend(LATE_MS);
      return answer;
    };
    expect((await repository.glance(slot)).time.store).toBe(clock.now());
    // By an answer that takes half a minute nobody can tell it.
    store.now = async () => {
      clock.stall(31_000);
      return inner.now();
    };
    await expect(repository.glance(slot)).rejects.toBeInstanceOf(StoreUnavailableError);
  });

  it('F108 is as old as the question', async () => {
    const { clock, inner, store, repository, slot } = bench();
    await repository.write(slot, null, granted(3));
    store.read = async (key) => {
      const answer = await inner.read(key);
      clock.stall(1_500);
      return answer;
    };
    const askedAt = clock.monotonic();
    expect((await repository.read(slot)).asOfMono).toBe(askedAt);
    // A machine that slept has stopped this clock, and what was found is older than it shows.
    store.read = async (key) => {
      const answer = await inner.read(key);
      clock.suspend(1_500);
      return answer;
    };
    expect((await repository.read(slot)).asOfMono).toBe(clock.monotonic() - 1_500);
  });
});

describe('a second pair', () => {
  it('F27 F73 that is sealed with a key which is not here stays as it is, beside a grant that opens', async () => {
    const { inner, open, slot, repository } = bench(ring(1));
    const sibling = {
      tokens: { access: null, refresh: 'rs' },
      access: null,
      refresh: { issuedAt: T0, lifeMs: 1_000_000, fingerprint: 'rs' },
      generation: 3,
    };
    await open(ring(2)).write(slot, null, { ...granted(3), sibling });
    const other = JSON.parse((await inner.read(KEY)).row?.body ?? '').sibling.tokens;
    const { row } = await inner.read(KEY);
    await repository.write(slot, row?.rev ?? null, { ...granted(3), sibling: { ...sibling, tokens: other } });
    const { snapshot } = await repository.read(new GrantSlot('ann'));
    expect(snapshot?.pair).toEqual({ access: 'a3', refresh: 'r3' });
    expect(snapshot?.record.sibling?.tokens).toBe(other);
    expect(JSON.parse((await inner.read(KEY)).row?.body ?? '').sibling.tokens).toBe(other);
  });
});

describe('a store that is set up wrongly', () => {
  it('F47 says itself what to do', async () => {
    const { store, repository, slot } = bench();
    const problem = new ConfigurationError([{ option: 'store', problem: 'has no tables' }]);
    store.read = () => Promise.reject(problem);
    await expect(repository.read(slot)).rejects.toBe(problem);
    store.read = () => Promise.reject(new Error('connection refused'));
    await expect(repository.read(slot)).rejects.toBeInstanceOf(StoreUnavailableError);
  });
});
