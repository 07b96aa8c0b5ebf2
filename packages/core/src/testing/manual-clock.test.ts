import { describe, expect, it } from 'vitest';
import { sleep } from '../clock.ts';
import { ManualClock } from './manual-clock.ts';
import { seededRandom } from './seeded-random.ts';

const START = Date.UTC(2026, 0, 1);

describe('ManualClock', () => {
  it('stands still, and moves both clocks together', async () => {
    const clock = new ManualClock({ monotonic: 7 });
    expect([clock.now(), clock.monotonic()]).toEqual([START, 7]);
    await clock.advance(1500);
    expect([clock.now(), clock.monotonic()]).toEqual([START + 1500, 1507]);
  });

  it('fires a timer at its instant and not a millisecond before', async () => {
    const clock = new ManualClock();
    let at: number | null = null;
    clock.setTimer(() => {
      at = clock.now();
    }, 1000);
    await clock.advance(999);
    expect(at).toBeNull();
    await clock.advance(5000);
    expect(at).toBe(START + 1000);
    expect(clock.now()).toBe(START + 5999);
  });

  it('F34 holds a timer of 30 days for 30 days', async () => {
    const clock = new ManualClock();
    let fired = false;
    clock.setTimer(() => {
      fired = true;
    }, 30 * 86_400_000);
    await clock.advance(30 * 86_400_000 - 1);
    expect(fired).toBe(false);
    await clock.advance(1);
    expect(fired).toBe(true);
  });

  it('fires in the order of the due times, and of setting where those are equal', async () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    clock.setTimer(() => fired.push('late'), 20);
    clock.setTimer(() => fired.push('first of two'), 10);
    clock.setTimer(() => fired.push('second of two'), 10);
    clock.setTimer(() => fired.push('at once'), -5);
    await clock.advance(20);
    expect(fired).toEqual(['at once', 'first of two', 'second of two', 'late']);
  });

  it('shows whole milliseconds on the wall, and lands exactly, whatever fractions timers have', async () => {
    const clock = new ManualClock();
    const shown: number[] = [];
    for (let timer = 1; timer <= 7; timer += 1)
      clock.setTimer(() => shown.push(clock.now() - START), timer / 0.7);
    await clock.advance(500);
    expect(shown).toEqual([1, 2, 4, 5, 7, 8, 10]);
    expect(clock.now()).toBe(START + 500);
    expect(clock.monotonic()).toBe(1500);
    for (let round = 0; round < 1000; round += 1) {
      clock.stall(round / 0.7);
      clock.setWall(START + round);
      expect(clock.now()).toBe(START + round);
    }
  });

  it('carries a chain of sleeps through one advance, each at its own instant', async () => {
    const clock = new ManualClock();
    const instants: number[] = [];
    const chain = (async () => {
      for (let round = 0; round < 5; round += 1) {
        await sleep(clock, 100);
        await new Promise<void>((resolve) => clock.afterIo(resolve));
        instants.push(clock.now() - START);
      }
    })();
    await clock.advance(500);
    await chain;
    expect(instants).toEqual([100, 200, 300, 400, 500]);
  });

  it('does not fire what was cancelled, and counts what is set', async () => {
    const clock = new ManualClock();
    const cancel = clock.setTimer(() => expect.fail('cancelled'), 10);
    clock.setTimer(() => {}, 30);
    expect([clock.pendingTimers, clock.nextTimerAt]).toEqual([2, START + 10]);
    cancel();
    expect([clock.pendingTimers, clock.nextTimerAt]).toEqual([1, START + 30]);
    await clock.advance(30);
    expect([clock.pendingTimers, clock.nextTimerAt]).toEqual([0, null]);
  });

  it('moves only the wall when it is set or the machine sleeps, and no timer with it', async () => {
    const clock = new ManualClock({ monotonic: 0 });
    let fired = 0;
    clock.setTimer(() => {
      fired += 1;
    }, 1000);
    clock.jumpWall(-86_400_000);
    clock.suspend(2 * 86_400_000);
    expect([clock.now(), clock.monotonic()]).toEqual([START + 86_400_000, 0]);
    await clock.advance(999);
    expect(fired).toBe(0);
    await clock.advance(1);
    expect(fired).toBe(1);
    clock.setWall(START);
    expect([clock.now(), clock.monotonic()]).toEqual([START, 1000]);
    expect(() => clock.suspend(-1)).toThrow(RangeError);
  });

  it('fires after a stop what came due meanwhile, at the time after the stop', async () => {
    const clock = new ManualClock();
    let at = 0;
    clock.setTimer(() => {
      at = clock.now();
    }, 1000);
    clock.stall(60_000);
    await clock.advance(0);
    expect([at, clock.now()]).toEqual([START + 60_000, START + 60_000]);
  });

  it('queues advances, so that one begun inside another adds to it', async () => {
    const clock = new ManualClock();
    await Promise.all([clock.advance(100), clock.advance(50)]);
    expect(clock.now()).toBe(START + 150);
  });

  it('rejects with what a timer throws, and goes on working', async () => {
    const clock = new ManualClock();
    clock.setTimer(() => {
      throw new Error('from the timer');
    }, 1);
    await expect(clock.advance(5)).rejects.toThrow('from the timer');
    await clock.advance(5);
    expect(clock.now()).toBe(START + 6);
    expect(() => clock.advance(-1)).toThrow(RangeError);
    expect(() => clock.advance(Number.NaN)).toThrow(RangeError);
  });

  it('advances until a promise settles and no further than its timer', async () => {
    const clock = new ManualClock();
    const value = sleep(clock, 2500).then(() => 'done');
    await expect(clock.advanceUntil(value)).resolves.toBe('done');
    expect(clock.now()).toBe(START + 2500);
    const failed = sleep(clock, 10).then(() => Promise.reject(new Error('failed')));
    await expect(clock.advanceUntil(failed)).rejects.toThrow('failed');
    await expect(clock.advanceUntil(new Promise(() => {}), { maxMs: 5000 })).rejects.toThrow('still pending');
    expect(clock.now()).toBe(START + 7510);
  });
});

describe('seededRandom', () => {
  it('repeats itself for a seed and differs between seeds', () => {
    const draw = (seed: number): unknown[] => {
      const random = seededRandom(seed);
      return [random.float(), random.id(), random.float(), random.id()];
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('stays in [0, 1), spreads evenly, and makes ids of 128 bits', () => {
    const random = seededRandom(42);
    const buckets = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw += 1) {
      const value = random.float();
      expect(value >= 0 && value < 1).toBe(true);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    expect(Math.min(...buckets)).toBeGreaterThan(850);
    expect(Math.max(...buckets)).toBeLessThan(1150);
    expect(Buffer.from(random.id(), 'base64url')).toHaveLength(16);
  });
});
