import { describe, expect, it } from 'vitest';
import { explore } from './explore.fixture.ts';
import { shortCells } from './matrix.fixture.ts';
import { configOf, REAL } from './system.fixture.ts';

describe('every state that processes on one record can reach, by the real machine', () => {
  it.each(shortCells())('keeps I1 to I7 and I10, and is never stuck: $name', ({ config }) => {
    const { counterexample, states } = explore(config, 500_000);
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(1_000);
  });

  it('reaches rest without faults in a handful of states', () => {
    const { counterexample, states } = explore(configOf({ faults: 0, system: REAL }));
    expect(counterexample).toBeNull();
    expect(states).toBeGreaterThan(50);
  });

  // A pair that was dead when it was written is refused a generation later, where nothing tells why.
  it('I10 calls a loss by its name also when it shows a generation later', () => {
    expect(explore(configOf({ kinds: ['pause'] })).counterexample).toBeNull();
  });
});
