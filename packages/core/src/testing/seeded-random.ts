import type { Random } from '../clock.ts';

/** Randomness that a test can repeat: the same seed gives the same sequence (mulberry32). Never for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    float: () => next() / 2 ** 32,
    id: () => Buffer.from(Uint32Array.from({ length: 4 }, next).buffer).toString('base64url'),
  };
}
