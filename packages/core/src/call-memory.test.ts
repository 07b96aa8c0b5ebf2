import { describe, expect, it } from 'vitest';
import { CallMemory, DENIAL_MS } from './call-memory.ts';

const AT_MOST = 1_000;

describe('what is remembered of denials', () => {
  it('F66 is bounded: the oldest go first', () => {
    const memory = new CallMemory();
    for (let n = 0; n <= AT_MOST; n += 1) {
      memory.deny(`GET ${n}`, '1.1', 0);
      // Denied again, one is not the oldest any more.
      if (n === 1) memory.deny('GET 0', '1.1', 0);
    }
    const known = Array.from({ length: AT_MOST + 1 }, (_, n) => memory.isDenied(`GET ${n}`, '1.1', 0));
    expect(known.filter(Boolean)).toHaveLength(AT_MOST);
    expect(known.indexOf(false)).toBe(1);
  });

  it('F63 lasts for five minutes, and as long as the token does', () => {
    const memory = new CallMemory();
    memory.deny('GET a', '1.1', 1_000);
    expect(memory.isDenied('GET a', '1.1', 1_000 + DENIAL_MS - 1)).toBe(true);
    expect(memory.isDenied('GET a', '1.1', 1_000 + DENIAL_MS)).toBe(false);
    expect(memory.isDenied('GET a', '1.2', 1_000)).toBe(false);
    memory.deny('GET b', '1.2', 1_000);
    expect([memory.isDenied('GET a', '1.2', 1_000), memory.isDenied('GET b', '1.2', 1_000)]).toEqual([
      false,
      true,
    ]);
  });
});
