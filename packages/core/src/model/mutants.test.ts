import { describe, expect, it } from 'vitest';
import { explore } from './explore.fixture.ts';
import { MUTANTS, type Mutant, SHELLS, TRACES } from './mutants.fixture.ts';
import { REAL } from './system.fixture.ts';

function check({ invariant, config }: Mutant): void {
  const { counterexample } = explore(config, 500_000);
  expect(counterexample?.invariant).toBe(invariant);
  // Short enough to be read by a person.
  expect(counterexample?.trace.length).toBeLessThan(50);
  const faults = counterexample?.trace.filter((label) => label.startsWith('!')) ?? [];
  expect(faults.length).toBeLessThanOrEqual(config.faults);
}

/** The same faults, with the rule in place. */
function checkReal({ config }: Mutant): void {
  const { system: _, ...rest } = config;
  const { counterexample } = explore({ ...rest, system: REAL }, 500_000);
  expect(counterexample).toBeNull();
}

describe('without one of its rules the protocol fails', () => {
  it.each(MUTANTS)('$invariant breaks with $name', check);
});

describe('runs that lost a grant in an earlier text of the protocol', () => {
  it.each(TRACES)('$invariant breaks: $name', check);
});

describe('what a shell and a store must not do', () => {
  it.each(SHELLS)('$invariant breaks when $name', check);
});

describe('with the rule in place, the same faults break nothing', () => {
  // Two have timings of their own, and two take more states than a test should.
  const without = /^(lease shorter|T14|T5|T6)/;
  const own = [...MUTANTS, ...TRACES].filter(({ name }) => !without.test(name));
  it.each(own)('$name', checkReal);
});
