import { describe, expect, it, vi } from 'vitest';
import { createClock } from './clock.ts';

const DAY_MS = 86_400_000;

describe('a virtual clock', () => {
  it('ticks with the machine, stands still when frozen, and runs at a rate', () => {
    let machineMs = 1000;
    const spy = vi.spyOn(performance, 'now').mockImplementation(() => machineMs);
    try {
      const clock = createClock('virtual');
      const start = clock.now();
      machineMs += 250;
      expect(clock.now()).toBe(start + 250);
      clock.setRate(0);
      machineMs += 5000;
      expect(clock.now()).toBe(start + 250);
      expect(clock.advance(DAY_MS)).toBe(start + 250 + DAY_MS);
      clock.setRate(1000);
      machineMs += 3;
      expect(clock.read()).toEqual({ at: start + 250 + DAY_MS + 3000, mode: 'virtual', rate: 1000 });
    } finally {
      spy.mockRestore();
    }
  });

  it('calls timers in their order when it is moved, each once, and cancelled ones never', () => {
    const clock = createClock('virtual');
    clock.setRate(0);
    const called: string[] = [];
    clock.setTimer(() => called.push('b'), 20);
    clock.setTimer(() => called.push('a'), 10);
    const cancel = clock.setTimer(() => called.push('never'), 15);
    cancel();
    clock.advance(9);
    expect(called).toEqual([]);
    clock.advance(1);
    expect(called).toEqual(['a']);
    clock.set(clock.now() + 10);
    clock.advance(DAY_MS);
    expect(called).toEqual(['a', 'b']);
  });

  it('calls a timer by itself while it runs', async () => {
    const clock = createClock('virtual');
    clock.setRate(1000);
    const before = clock.now();
    await new Promise<void>((resolve) => {
      clock.setTimer(resolve, 2000);
    });
    expect(clock.now()).toBeGreaterThanOrEqual(before + 2000);
  });

  it('tells of each move and of no tick', () => {
    const told: number[] = [];
    const clock = createClock('virtual', ({ at }) => told.push(at));
    clock.setRate(0);
    const start = clock.now();
    clock.advance(5);
    clock.set(7);
    expect(told).toEqual([start, start + 5, 7]);
  });

  it('goes back only when it is set', () => {
    const clock = createClock('virtual');
    expect(() => clock.advance(-1)).toThrow('from 0');
    expect(() => clock.advance(Number.NaN)).toThrow('from 0');
    expect(() => clock.advance(1e300)).toThrow('range of dates');
    clock.setRate(0);
    expect(clock.set(5)).toBe(5);
    expect(() => clock.set(-1)).toThrow('range of dates');
  });
});

describe('a clock of somebody else', () => {
  it('is read and asked for timers, and not moved', () => {
    const timers: number[] = [];
    const source = {
      at: 5,
      now() {
        return this.at;
      },
      setTimer(_: () => void, delayMs: number) {
        timers.push(this.at + delayMs);
        return () => {};
      },
    };
    const clock = createClock(source);
    source.at = 7;
    expect(clock.read()).toEqual({ at: 7, mode: 'shared', rate: 1 });
    clock.setTimer(() => {}, 10);
    expect(timers).toEqual([17]);
    expect(() => clock.advance(1)).toThrow('belongs to the program');
    expect(() => createClock('real').set(1)).toThrow('--clock virtual');
  });
});
