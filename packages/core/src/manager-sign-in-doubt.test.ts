import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Crossing, leaveUnanswered, type Process } from './crossing.fixture.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';

let crossing: Crossing;
let dir: string;

beforeEach(async () => {
  dir = await rescueFolder();
  crossing = await Crossing.open();
});
afterEach(() => crossing.close());

const twoProcesses = () => [crossing.start(), crossing.start()] as const;

/** The sign-in of `one` is taken without an answer, beside one that the provider made later; then it is presented, and refused. */
async function refusedMeanwhile([one, two]: readonly [Process, Process], when: 'at once' | 'late') {
  const signIn = await crossing.signingIn(one, 5_000);
  await crossing.bench.clock.advance(100);
  await crossing.bench.signIn(two.ann);
  leaveUnanswered(one, when);
  await crossing.pass(5_000);
  await crossing.gone(one);
  await two.ann.refresh({ force: true }).catch(() => undefined);
  expect(crossing.bench.refreshes).toBe(1);
  return signIn;
}

describe('a sign-in whose write was not answered', () => {
  it('I6 does not come back from a rescue folder over the one that it gave way to', async () => {
    const [one, two] = twoProcesses();
    const signIn = await refusedMeanwhile([one, two], 'late');
    await crossing.stop(one);
    await signIn.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    const next = crossing.start();
    await next.ann.getAccessToken();
    expect(next.link.writes).toHaveLength(0);
    await next.ann.refresh({ force: true });
    expect(crossing.bench.refreshes).toBe(2);
    expect((await next.ann.fetch('6/sites')).status).toBe(200);
    const last = crossing.start();
    await last.ann.getAccessToken();
    expect(last.link.writes).toHaveLength(0);
  });

  it('I6 is not put beside the one that it gave way to', async () => {
    const [one, two] = twoProcesses();
    const signIn = await refusedMeanwhile([one, two], 'at once');
    one.link.down = false;
    const { length } = one.link.writes;
    await crossing.pass(2_000);
    await crossing.pass(2_000);
    await signIn.ended;
    expect(one.link.writes).toHaveLength(length);
    // The same person signs in once more, for another connection: both have ended.
    await crossing.bench.signIn(two.manager.connection('bob'));
    await crossing.outcome(two, 'a token');
    await expect(two.ann.refresh({ force: true })).rejects.toMatchObject({
      code: 'reauthorization_required',
    });
    expect(crossing.bench.refreshes).toBe(2);
  });

  it('I6 is announced where it was renewed meanwhile, and another has taken its place', async () => {
    const [one, two] = twoProcesses();
    const signIn = await crossing.signingIn(one, 1_000);
    leaveUnanswered(one, 'at once');
    await crossing.pass(1_000);
    await crossing.gone(one);
    await two.ann.refresh({ force: true });
    await crossing.bench.clock.advance(1_000);
    await crossing.bench.signIn(two.ann);
    one.link.down = false;
    await crossing.pass(2_000);
    await crossing.pass(2_000);
    await signIn.ended;
    await crossing.bench.signIn(two.manager.connection('bob'));
    await two.ann.refresh({ force: true }).catch(() => undefined);
    await two.ann.refresh({ force: true }).catch(() => undefined);
    // Nobody presents it at once: a probe has its time.
    expect(crossing.bench.emulator.ledger.presentedTwice()).toBe(0);
  });
});
