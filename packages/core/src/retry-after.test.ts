import { describe, expect, it } from 'vitest';
import { cpuMs } from './cpu-time.fixture.ts';
import { retryAfterMs } from './retry-after.ts';

const NOW = Date.UTC(2026, 10, 21, 8, 0, 0);
const at = (ms: number): string => new Date(NOW + ms).toUTCString();
const read = (retryAfter: string | null, date: string | null = null): number | null =>
  retryAfterMs({ retryAfter, date }, NOW);

describe('F20 Retry-After', () => {
  it.each([
    ['120', 120_000],
    [' 120 ', 120_000],
    ['1', 1_000],
    ['0', 1_000],
    ['-5', 1_000],
    ['3600', 3_600_000],
    ['3601', 3_600_000],
    ['99999999', 3_600_000],
    ['9'.repeat(400), 3_600_000],
  ])('holds %s seconds between a second and an hour', (text, ms) => {
    expect(read(text)).toBe(ms);
  });

  it.each(['', 'soon', '1.5', '0x10', '1e3', '120 seconds', '2026-11-21', 'Sat, 31 Foo 2026 08:00:00 GMT'])(
    'takes %j for no answer',
    (text) => {
      expect(read(text)).toBeNull();
      expect(read(null)).toBeNull();
    },
  );

  it('compares a date with the Date of the answer, and with the clock where there is none', () => {
    expect(read(at(120_000))).toBe(120_000);
    expect(read(at(120_000), at(60_000))).toBe(60_000);
    expect(read(at(120_000), 'yesterday')).toBe(120_000);
    expect(read(at(-120_000))).toBe(1_000);
    expect(read(at(86_400_000))).toBe(3_600_000);
  });

  it('F100 is done with a long header at once', () => {
    const texts = ['1'.repeat(16_000), `-${'1'.repeat(16_000)}x`, ' '.repeat(16_000), 'Mon, '.repeat(3_000)];
    // The best of four: a pause of the garbage collector is not ours.
    const times = [1, 2, 3, 4].map(() =>
      cpuMs(() => {
        for (const text of texts) read(text);
      }),
    );
    expect(Math.min(...times)).toBeLessThan(50);
  });
});
