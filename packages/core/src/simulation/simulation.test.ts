import { describe, expect, it } from 'vitest';
import { type Config, planOf } from './plan.fixture.ts';
import { type Outcome, simulate } from './run.fixture.ts';
import { parseSelection, parseSwitches, reportOf, selectionText, shrink } from './shrink.fixture.ts';
import { count, emptyTally, neverHit, positionsOf, tableOf } from './tally.fixture.ts';
import type { Sabotage } from './world.fixture.ts';

const SHARE = 500;
/** A range whose 2,000 plans meet every fault at every wait; the rarest of them meet once or twice. */
const FIRST = 20_001;
const total = emptyTally();
/** A run that broke a listed rule says nothing about the rules that follow from it. */
let unlabelled = 0;

/** `switches`: those that the run was made with, or its plan is another one. */
async function failure(
  outcome: Outcome,
  switches: Partial<Config> = {},
  sabotage: Sabotage | null = null,
): Promise<string> {
  const shrunk = await shrink(planOf(outcome.seed, switches), outcome, sabotage);
  return reportOf(outcome.seed, shrunk, switches);
}

/** They are of a time when no process ended in order, and no two people met. */
const EARLIER: Partial<Config> = { shutdowns: 'none', people: 'one at a time' };

describe('the simulation of several processes', () => {
  it.each([0, 1, 2, 3])(
    'F45 F46 F55 F60a F60b F60c F60d F60e F72 F73 I1 to I12 hold over seeds, part %i',
    { timeout: 300_000 },
    async (part) => {
      const first = FIRST + part * SHARE;
      for (let seed = first; seed < first + SHARE; seed += 1) {
        const plan = planOf(seed);
        const outcome = await simulate(plan);
        count(total, outcome, plan.config);
        unlabelled += outcome.unlabelled;
        if (outcome.violations.length > 0) expect.fail(await failure(outcome));
      }
    },
  );

  it('hits every fault at every wait, with the switches of the provider in every combination', () => {
    expect(total.seeds).toBe(4 * SHARE);
    console.log(tableOf(total));
    console.log(positionsOf(total));
    console.log(
      `${total.cycles} refresh cycles, ${total.faults} faults, ${unlabelled} unlabelled losses, ${JSON.stringify(total.losses)}`,
    );
    expect(neverHit(total)).toEqual([]);
    expect(unlabelled).toBe(0);
  });

  // Each broke a rule in a long run once: an answer of the store that was slept over, a flight behind its own process, an
  // answer that was written twice, a date that was taken for another.
  it.each([
    100791, 100823, 102028, 103673, 103986, 109517, 109658, 111122, 115322, 123170, 123607, 123684, 201605,
    202004, 212036, 220940, 301500, 303678, 304113, 309034, 315886, 316053, 324337, 509325, 510287, 702350,
    703153, 711204, 711832, 712164, 714296, 715359, 715765, 717193, 722089, 1006445, 5000016, 5000240,
    5000279, 2020257, 3005175, 3015914, 3022310,
  ])('I3 I7 I9 I10 F32 F108 holds over seed %i', async (seed) => {
    const outcome = await simulate(planOf(seed, EARLIER));
    if (outcome.violations.length > 0) expect.fail(await failure(outcome, EARLIER));
  });

  // Sign-ins that met, accounts that waited, processes that ended in order: two grants in one epoch, a year that was over and
  // not said, a pair that went with a key; and what the oracle had to learn about them.
  it.each([
    10011, 10190, 10374, 10959, 41766, 6000461, 6018440, 7000922, 7001145, 7001801, 7003811, 7007608, 7008961,
    7020940, 8017479, 9009128, 9009632, 11009822, 11011233, 11017542, 13002520, 13012306, 13016474, 14001884,
    14003701, 14016351, 14017980, 15007269, 15019924, 16017285, 17008873, 17013649, 17021229, 19601938,
    19605408, 19608824, 19610528, 19624365, 21000318, 21010733, 21020205, 24002658, 24016052, 26001992,
    26016056,
  ])('I2 I5 I6 I10 F73 holds over seed %i, where people meet', async (seed) => {
    const outcome = await simulate(planOf(seed));
    if (outcome.violations.length > 0) expect.fail(await failure(outcome));
  });

  it('gives the same history for the same seed', async () => {
    for (const seed of [3, 40, 166]) {
      const [first, second] = [await simulate(planOf(seed)), await simulate(planOf(seed))];
      expect(second.hash).toBe(first.hash);
      expect(second.history).toEqual(first.history);
    }
  });

  it.each<[Sabotage, RegExp, number]>([
    ['store writes blindly', /I1|I2|I4|I6|I10|rev/, 20],
    ['lease is not checked', /I4/, 300],
    ['journal keeps nothing', /I5|I10/, 400],
    ['rescue keeps nothing', /I5|I10/, 2_000],
  ])('notices when the %s', { timeout: 180_000 }, async (sabotage, rules, seeds) => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      const outcome = await simulate(planOf(seed), null, sabotage);
      if (outcome.violations.length === 0) continue;
      expect(outcome.violations[0]?.rule).toMatch(rules);
      return;
    }
    expect.fail(`${seeds} seeds went by without a violation`);
  });

  it('tells of a failing seed by a short history, and by a command that shows the same again', async () => {
    const sabotage = 'store writes blindly';
    let failed: Outcome | null = null;
    for (let seed = 1; !failed?.violations.length; seed += 1)
      failed = await simulate(planOf(seed, EARLIER), null, sabotage);
    const report = await failure(failed, EARLIER, sabotage);
    const [, from, switches = '', only = ''] =
      /^replay: node scripts\/simulate\.ts --from (\d+) --seeds 1 --switches '([^']+)' --only '([^']+)'$/m.exec(
        report,
      ) ?? [];
    const plan = planOf(Number(from), parseSwitches(switches));
    expect(plan.config).toEqual(planOf(failed.seed, EARLIER).config);
    const selection = parseSelection(only);
    // What has no part in it is gone: a handful of calls and faults is left of dozens.
    expect(selection.events.size).toBeLessThan(plan.events.length / 2);
    expect(selection.faults.size).toBeLessThan(failed.faults.length);
    const again = await simulate(plan, selection, sabotage);
    expect(again.violations[0]?.rule).toBe(failed.violations[0]?.rule);
    expect(report).toContain(`seed ${failed.seed} breaks ${again.violations[0]?.rule}: `);
    expect(report).toContain(again.history.map((line) => `  ${line}`).join('\n'));
    expect(again.history.length).toBeLessThan(failed.history.length / 2);
  });

  it('replays a selection of events and faults as it was written down', async () => {
    const plan = planOf(12);
    const whole = await simulate(plan);
    const text = selectionText({
      events: new Set(plan.events.keys()),
      faults: new Map(whole.faults.map(({ operation, kind, ms }) => [operation, { kind, ms }])),
    });
    expect(whole.faults.length).toBeGreaterThan(0);
    expect((await simulate(plan, parseSelection(text))).hash).toBe(whole.hash);
    expect(() => parseSelection('x')).toThrow('neither an event');
  });
});
