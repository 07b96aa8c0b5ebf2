import { afterEach, expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';

const DAY = 86_400_000;
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

it('F34 a timer of 30 days on the system’s clock does not fire early', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  const longest: number[] = [];
  const real = globalThis.setTimeout;
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(((fn: () => void, ms: number) => {
    longest.push(ms);
    return real(fn, ms);
  }) as typeof setTimeout);
  let fired = false;
  systemClock.setTimer(() => {
    fired = true;
  }, 30 * DAY);
  vi.advanceTimersByTime(30 * DAY - 1);
  expect(fired).toBe(false);
  vi.advanceTimersByTime(1);
  expect(fired).toBe(true);
  // Node turns every longer one into a millisecond.
  expect(Math.max(...longest)).toBeLessThanOrEqual(2 ** 31 - 1);
});
