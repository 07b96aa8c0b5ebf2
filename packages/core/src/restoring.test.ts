import { describe, expect, it } from 'vitest';
import { hasLeftMeanwhile, hasLeftSince, isPassed, mayHaveCrossed, standingOf } from './journal-standing.ts';
import { record, T0 } from './machine.fixture.ts';
import { forgotten } from './machine-parts.ts';
import { parseRecord } from './record.ts';
import { carried, restored, withCrossed } from './restoring.ts';
import { handedOver } from './sign-in-rescue.ts';
import type { HistoryEntry } from './status.ts';
import { givenWay, rotated, tombstone, withoutPending } from './transitions.ts';

const pair = { access: 'access', refresh: 'refresh' };
const next = {
  pair,
  access: { issuedAt: T0, lifeMs: 1, fingerprint: 'a' },
  refresh: { issuedAt: T0, lifeMs: 1, fingerprint: 'r' },
  userEmail: null,
};

describe('who gave way', () => {
  const stands = record({ epoch: 8, generation: 4, authorizationId: 'standing' });
  const gave = record({ authorizationId: 'first', generation: 1 });
  const below = (authorizationId: string, generation: number, epoch = 7) =>
    record({ authorizationId, generation, epoch });
  const promoted = { ...stands, gaveWay: givenWay(gave) };

  it.each([
    ['a sign-in that nobody looked at', below('second', 1), true],
    ['the pair that was refused', below('first', 1), false],
    ['the next pair of the one that was refused', below('first', 2), true],
    ['the next pair of a stranger', below('second', 2), false],
    ['the standing one itself', below('standing', 5), false],
    ['what stands above', below('second', 1, 9), false],
    ['a sign-in of its very millisecond', below('second', 1, 8), true],
  ])('I5 lets %s be looked at: %#', (_, entry, expected) => {
    expect(mayHaveCrossed(entry, standingOf(promoted))).toBe(expected);
  });

  it('F27 is forgotten once the one that stands has rotated: nothing below it lives', () => {
    const by = { attemptId: 'x', kind: 'refresh', contested: false, at: T0, jitter: 0 } as const;
    const proved = rotated(promoted, next, by);
    expect(promoted.gaveWay).toEqual([{ authorizationId: 'first', generation: 1 }]);
    for (const entry of [below('second', 1), below('first', 2)])
      expect(mayHaveCrossed(entry, standingOf(proved))).toBe(false);
  });

  it('F27 does not come back under a later place', () => {
    expect(isPassed(below('first', 1, 9), standingOf(promoted))).toBe(true);
    expect(isPassed(below('first', 2, 9), standingOf(promoted))).toBe(false);
  });

  it('I5 keeps what is in journals: it may live', () => {
    expect(forgotten(promoted)).toEqual([]);
    expect(forgotten(stands)).toHaveLength(1);
  });

  it('names each sign-in once, and the latest eight', () => {
    let list = givenWay(gave);
    for (let n = 0; n < 9; n += 1)
      list = givenWay(record({ gaveWay: list, authorizationId: `s${n}`, generation: n }));
    list = givenWay(record({ gaveWay: list, authorizationId: 's4', generation: 40 }));
    expect(list).toHaveLength(8);
    expect(list.at(-1)).toEqual({ authorizationId: 's4', generation: 40 });
    expect(list.filter(({ authorizationId }) => authorizationId === 's4')).toHaveLength(1);
  });
});

describe('a sign-in that is restored', () => {
  const entry = { record: record({ epoch: 9, generation: 1, authorizationId: 'restored' }), pair };

  it('F82 leaves it said which account was rejected', () => {
    const row = record({ authorizationId: 'standing', rejectedIds: ['rejected'] });
    expect(restored(row, entry).rejectedIds).toEqual(['rejected']);
    expect(
      restored(null, { ...entry, record: { ...entry.record, rejectedIds: ['before'] } }).rejectedIds,
    ).toEqual(['before']);
  });

  it('F82 is none where its account was rejected, also before another one', () => {
    let row = record({ authorizationId: 'standing', epoch: 7 });
    for (const id of ['restored', 'another']) {
      const pending = {
        id,
        tokens: 'sealed',
        epoch: 8,
        access: null,
        refresh: null,
        userEmail: null,
        until: T0,
      };
      row = withoutPending({ ...row, pending }, T0);
    }
    expect(isPassed(entry.record, standingOf(row))).toBe(true);
    expect(isPassed({ ...entry.record, authorizationId: 'third' }, standingOf(row))).toBe(false);
  });

  it('F82 shows nobody again whom it knows to be rejected, where the store has fallen back', () => {
    const pending = {
      id: 'x',
      tokens: 'y',
      epoch: 9,
      access: null,
      refresh: null,
      userEmail: null,
      until: T0,
    };
    const row = record({ authorizationId: 'standing', pending, rejectedIds: ['a'] });
    const later = { ...withoutPending(row, T0), generation: 4 };
    const next = restored(row, { record: later, pair }, pair);
    expect(next).toMatchObject({ generation: 4, pending: null, rejectedIds: ['a', 'x'] });
  });

  it('F103 leaves it said when somebody left', () => {
    expect(restored(record({ authorizationId: 'standing', leftAt: T0 }), entry).leftAt).toBe(T0);
    const later = { ...entry, record: { ...entry.record, leftAt: T0 + 1 } };
    expect(restored(record({ authorizationId: 'standing', leftAt: T0 }), later).leftAt).toBe(T0 + 1);
    expect(restored(record({ authorizationId: 'standing', leftAt: T0 + 2 }), later).leftAt).toBe(T0 + 2);
    const left = { at: T0, event: 'disconnected', generation: 0 } as const;
    const { leftAt: _, ...older } = record({ history: [left] });
    expect(parseRecord(JSON.stringify(older), 'ann').leftAt).toBe(T0);
  });

  it('F75 knows who left last also where an earlier version has written that, and carried an older instant over', () => {
    const left = { at: T0, event: 'disconnected', generation: 0 } as const;
    const read = (change: Parameters<typeof record>[0]) =>
      parseRecord(JSON.stringify(record({ history: [left], ...change })), 'ann').leftAt;
    expect(read({ leftAt: T0 - 1 })).toBe(T0);
    expect(read({ leftAt: T0 + 1 })).toBe(T0 + 1);
    // A clock was ahead when somebody left before.
    expect(read({ leftAt: T0 + 1, disconnectedAt: T0 })).toBe(T0);
  });

  it('T8 a tombstone tells of its own time, though a clock was ahead at one before', () => {
    const before = tombstone(record(), T0 + 5_000);
    const own = { ...tombstone(record(), T0), epoch: before.epoch + 1 };
    expect(carried(own, before).leftAt).toBe(T0);
  });

  it('F82 remembers the latest eight who were rejected', () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const row = record({ authorizationId: 'standing', rejectedIds: ids, pendingOver: 9 });
    const old = { ...entry, record: { ...entry.record, rejectedIds: ['x', 'y'], pendingOver: 1 } };
    expect(restored(row, old).rejectedIds).toEqual(ids);
  });

  it('F27 leaves it said who has given way', () => {
    const gaveWay = [{ authorizationId: 'first', generation: 1 }];
    expect(restored(record({ authorizationId: 'standing', gaveWay }), entry).gaveWay).toEqual(gaveWay);
  });
});

describe('what is below a sign-in that stands', () => {
  const HOUR = 3_600_000;
  const signIn = (authorizationId: string, authorizedAt: number, epoch: number) =>
    record({
      authorizationId,
      authorizedAt,
      epoch,
      generation: 1,
      // An access token counts from the request.
      access: { issuedAt: authorizedAt - 50, lifeMs: HOUR, fingerprint: `${authorizationId} access` },
      refresh: { issuedAt: authorizedAt, lifeMs: 100 * HOUR, fingerprint: `${authorizationId} refresh` },
    });

  it('I2 is not put beside one that came after it had stood there itself', () => {
    const rescued = signIn('rescued', T0, 8);
    const stood = restored(signIn('older', T0 - HOUR, 7), { record: rescued, pair });
    const later = { ...signIn('later', T0 + HOUR, 9), tokens: pair };
    const event = { at: T0 + HOUR, event: 'authorized', generation: 1 } as const;
    const stands = { ...later, history: [...stood.history, event] };
    expect(withCrossed(stands, { record: rescued, pair, at: T0 }, T0 + 2 * HOUR)).toBe(stands);
    const crossed = signIn('crossed', T0 + HOUR - 1, 8);
    const found = withCrossed(stands, { record: crossed, pair, at: T0 + HOUR }, T0 + 2 * HOUR);
    expect(found.sibling?.authorizationId).toBe('crossed');
  });

  it('I5 is dated by its own sign-in where it was to stand beside another', () => {
    const row = { ...signIn('row', T0, 8), tokens: pair };
    const own = signIn('own', T0 - HOUR, 7);
    const { access, refresh, authorizationId } = own;
    if (!refresh) throw new Error('A sign-in has a refresh token.');
    const next = { ...row, sibling: { tokens: pair, access, refresh, generation: 1, authorizationId } };
    const entry = handedOver(next, { record: row, pair }, []);
    expect(entry).toMatchObject({ authorizationId: 'own', authorizedAt: T0 - HOUR });
  });
});

describe('a sign-in below the one that stands', () => {
  const refresh = { issuedAt: T0 + 20, lifeMs: 1_000, fingerprint: 'other' };
  const other = record({
    epoch: 7,
    generation: 1,
    authorizationId: 'other',
    authorizedAt: T0 + 30,
    access: null,
    refresh,
  });
  const entry = { record: other, pair, at: T0 + 30 };
  const standing = (...history: HistoryEntry[]) =>
    record({
      epoch: 8,
      generation: 1,
      authorizationId: 'standing',
      authorizedAt: T0 + 50,
      history: [
        { at: T0, event: 'authorized', generation: 1 },
        ...history,
        { at: T0 + 50, event: 'authorized', generation: 1 },
      ],
    });
  const isPut = (row: ReturnType<typeof record>): boolean =>
    withCrossed(row, entry, T0 + 60).sibling?.authorizationId === 'other';

  it.each<readonly [string, readonly HistoryEntry[], boolean]>([
    ['nothing', [], true],
    ['the end of the one before', [{ at: T0 + 40, event: 'died', generation: 1 }], true],
    ['a store that fell back', [{ at: T0 + 40, event: 'repaired', generation: 1 }], true],
    ['a refresh of the one before', [{ at: T0 + 40, event: 'refreshed', generation: 2 }], true],
    ['a sign-in of another', [{ at: T0 + 40, event: 'imported', generation: 1 }], false],
    ['its person having left', [{ at: T0 + 40, event: 'disconnected', generation: 1 }], false],
    ['its own time', [{ at: T0 + 30, event: 'repaired', generation: 1, detail: 'from a journal' }], false],
  ])('I5 F27 is put beside it, or not, after %s', (_, between, expected) => {
    expect(isPut(standing(...between))).toBe(expected);
  });
});

describe('who left in the millisecond in which a sign-in began', () => {
  const left = { at: T0, event: 'disconnected', generation: 0 } as const;
  const back = record({
    epoch: 9,
    leftAt: T0,
    history: [{ at: T0 + 9, event: 'authorized', generation: 1 }],
  });

  it('T8 F103 has left, unless that sign-in knew of it', () => {
    expect(hasLeftMeanwhile(back, { record: record(), at: T0, epochBefore: 7 })).toBe(true);
    expect(hasLeftMeanwhile(back, { record: record({ leftAt: T0 }), at: T0, epochBefore: 7 })).toBe(false);
    expect(hasLeftSince(record(), T0, standingOf(back))).toBe(true);
    expect(hasLeftSince(record(), T0 + 1, standingOf(back))).toBe(false);
    expect(hasLeftSince(record({ history: [left] }), T0, standingOf(back))).toBe(false);
  });
});
