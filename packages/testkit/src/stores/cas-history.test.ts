import type { StoreRow } from '@hq-oauth/core';
import { memoryStore } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { type CasEvent, findViolations, raceOnCounters } from './cas-history.ts';
import { grant, REGISTRATION, value } from './store-bench.ts';

function won(rev: number, startedAt: number, endedAt: number, body = `body ${rev}`): CasEvent {
  return { counter: 'c', kind: 'won', rev, expected: rev - 1, body, startedAt, endedAt };
}

function wonOver(expected: number, rev: number, startedAt: number, endedAt: number): CasEvent {
  return { ...won(rev, startedAt, endedAt), expected };
}

function saw(rev: number, startedAt: number, endedAt: number, body?: string): CasEvent {
  const seen = body ?? (rev === 0 ? null : `body ${rev}`);
  return { counter: 'c', kind: 'saw', rev, expected: null, body: seen, startedAt, endedAt };
}

function check(events: CasEvent[], rev: number, body = `body ${rev}`): string[] {
  const row: StoreRow | null = rev === 0 ? null : { ...value({ body }), rev };
  return findViolations(events, new Map([['c', row]]));
}

describe('findViolations', () => {
  it('accepts what one register can show', () => {
    expect(check([], 0)).toEqual([]);
    expect(check([saw(0, 1, 2), won(1, 3, 4), saw(1, 5, 6), won(2, 7, 8), saw(2, 9, 10)], 2)).toEqual([]);
    // Overlapping operations may take effect in either order.
    expect(check([won(1, 1, 10), saw(0, 2, 3), saw(1, 4, 5)], 1)).toEqual([]);
    expect(check([won(1, 1, 10), saw(1, 2, 3), won(2, 4, 20), saw(1, 5, 6), saw(2, 7, 8)], 2)).toEqual([]);
    // Revisions grow by any amount, up to the greatest safe integers.
    const [one, other] = [1_795_232_400_000_123, Number.MAX_SAFE_INTEGER];
    expect(check([wonOver(0, one, 1, 2), wonOver(one, other, 3, 4), saw(other, 5, 6)], other)).toEqual([]);
    // Ends and begins at one reading of the clock: the order is not known.
    expect(check([won(1, 1, 5), saw(0, 5, 6)], 1)).toEqual([]);
  });

  it('finds two winners of one revision', () => {
    expect(check([won(1, 1, 5), won(1, 2, 6, 'other')], 1, 'other')).toContain(
      'c: two writers won revision 1',
    );
  });

  it('finds two winners over one revision', () => {
    expect(check([won(1, 1, 2), won(2, 3, 4), wonOver(1, 3, 5, 6)], 3)).toEqual([
      'c: two writers won over revision 1',
      'c: revision 2 was acknowledged and lost',
    ]);
    expect(check([won(1, 1, 2), wonOver(0, 7, 3, 4)], 7)).toEqual([
      'c: two writers won over revision 0',
      'c: revision 1 was acknowledged and lost',
    ]);
  });

  it('finds a revision that does not grow', () => {
    expect(check([wonOver(0, 5, 1, 2), wonOver(5, 4, 3, 4)], 4)).toContain(
      'c: who expected revision 5 won revision 4',
    );
    expect(check([wonOver(5, 5, 1, 2)], 5)).toContain('c: who expected revision 5 won revision 5');
  });

  it('finds an acknowledged write that is gone, and one that nobody made', () => {
    expect(check([won(1, 1, 2), won(2, 3, 4)], 1)).toEqual(['c: revision 2 was acknowledged and lost']);
    expect(check([won(1, 1, 2)], 0)).toEqual(['c: revision 1 was acknowledged and lost']);
    expect(check([won(1, 1, 2), won(3, 3, 4)], 3)).toEqual([
      'c: nobody won revision 2',
      'c: revision 1 was acknowledged and lost',
    ]);
    expect(check([], 3)).toContain('c: nobody won revision 3');
  });

  it('finds a body that its revision never had, at the end too', () => {
    expect(check([won(1, 1, 2), saw(1, 3, 4, 'torn')], 1)).toEqual([
      'c: revision 1 was seen with another body',
    ]);
    expect(check([won(1, 1, 2)], 1, 'torn')).toEqual(['c: revision 1 was seen with another body']);
    expect(check([saw(0, 1, 2, 'ghost')], 0)).toEqual(['c: revision 0 was seen with another body']);
  });

  it('finds a stale read by a nanosecond', () => {
    expect(check([won(1, 1, 5), saw(0, 6, 7)], 1)).toEqual(['c: revision 0 was seen after revision 1']);
  });

  it('finds two reads that go back, though the write between them is still under way', () => {
    expect(check([won(1, 1, 20), saw(1, 2, 3), saw(0, 4, 5)], 1)).toEqual([
      'c: revision 0 was seen after revision 1',
    ]);
  });

  it('finds a revision that was seen before anyone began to write it', () => {
    expect(check([saw(1, 1, 2), won(1, 3, 4)], 1)).toEqual(['c: revision 1 was written after revision 1']);
  });

  it('finds revisions that were written in the wrong order', () => {
    expect(check([won(2, 1, 2), won(1, 3, 4)], 2)).toEqual(['c: revision 1 was written after revision 2']);
  });
});

describe('raceOnCounters', () => {
  it('stops after as many wins, or as many attempts, as asked', async () => {
    const store = memoryStore();
    const race = { registration: REGISTRATION, counters: ['a', 'b', 'c'], worker: 'w' };
    const first = await raceOnCounters(store, { ...race, until: { wins: 7 } });
    expect(first.filter(({ kind }) => kind === 'won')).toHaveLength(7);
    const second = await raceOnCounters(store, { ...race, until: { attempts: 5 } });
    expect(second).toHaveLength(10);
    const rows = new Map<string, StoreRow | null>();
    for (const id of race.counters) rows.set(id, (await store.read(grant(id))).row);
    expect(findViolations([...first, ...second], rows)).toEqual([]);
    const won = [...first, ...second].filter(({ kind }) => kind === 'won');
    expect(race.counters.map((id) => won.filter(({ counter }) => counter === id).length)).toEqual([5, 4, 3]);
  });
});
