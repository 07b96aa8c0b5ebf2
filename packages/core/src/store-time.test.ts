import { describe, expect, it } from 'vitest';
import type { Intent } from './record.ts';
import { StoreTime, sightLease } from './store-time.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { timings } from './timings.ts';

const DAY = 86_400_000;
const STORE = 1_700_000_000_000;

describe('StoreTime', () => {
  it('carries the last answer on by the monotonic clock, not by the wall', () => {
    const clock = new ManualClock();
    const time = new StoreTime(clock);
    time.note(STORE);
    clock.jumpWall(DAY);
    expect(time.estimate()).toBe(STORE);
    clock.stall(1_000);
    expect(time.estimate()).toBe(STORE + 1_000);
  });

  it.each([
    [5_000, 0],
    [5_001, 1],
    [-5_000, 0],
    [-5_001, 1],
  ])('takes a difference of %i ms for %i jumps', (difference, jumps) => {
    const clock = new ManualClock();
    const time = new StoreTime(clock);
    time.note(STORE);
    clock.stall(60_000);
    time.note(STORE + 60_000 + difference);
    expect(time.jumps).toBe(jumps);
  });
});

describe('sightLease', () => {
  const times = timings();
  const intent: Intent = {
    attemptId: 'a',
    generation: 1,
    owner: 'o',
    kind: 'refresh',
    firstAt: STORE,
    leaseUntil: STORE + times.leaseMs,
  };

  it('goes by the store’s clock as long as it runs evenly', () => {
    const first = sightLease(intent, null, { store: STORE + 1_000, mono: 0, jumps: 0 }, times);
    expect(first.leftMs).toBe(times.leaseMs - 1_000);
    const later = sightLease(
      intent,
      first.sight,
      { store: STORE + times.leaseMs, mono: 170_000, jumps: 0 },
      times,
    );
    expect(later.leftMs).toBe(0);
  });

  it.each([DAY, -DAY])(
    'F31 F30 counts a live lease as written now when the store’s time jumps by %i ms',
    (jump) => {
      const first = sightLease(intent, null, { store: STORE + 1_000, mono: 0, jumps: 0 }, times);
      const at = { store: STORE + 1_000 + jump, mono: 500, jumps: 1 };
      const second = sightLease(intent, first.sight, at, times);
      expect(second.leftMs).toBe(times.leaseMs);
      const end = { ...at, mono: 500 + times.leaseMs };
      expect(sightLease(intent, second.sight, { ...end, mono: end.mono - 1 }, times).leftMs).toBe(1);
      expect(sightLease(intent, second.sight, end, times).leftMs).toBe(0);
    },
  );

  it('does not wait a day for a lease from a clock that was a day ahead', () => {
    const at = { store: STORE - DAY, mono: 0, jumps: 0 };
    const first = sightLease(intent, null, at, times);
    expect(first.leftMs).toBe(times.leaseMs);
    const second = sightLease(intent, first.sight, { ...at, mono: times.leaseMs }, times);
    expect(second.leftMs).toBe(0);
  });

  it('takes another intent for another', () => {
    const first = sightLease(intent, null, { store: STORE, mono: 0, jumps: 0 }, times);
    const other = { ...intent, kind: 'announce' as const, leaseUntil: STORE + 15_000 };
    expect(sightLease(other, first.sight, { store: STORE, mono: 0, jumps: 1 }, times).leftMs).toBe(15_000);
  });
});
