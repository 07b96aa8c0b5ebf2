import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crossing, holdReads, leaveUnanswered, sharedJournal } from './crossing.fixture.ts';
import { type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';

let crossing: Crossing;
let dir: string;

beforeEach(async () => {
  dir = await rescueFolder();
  crossing = await Crossing.open();
});
afterEach(() => crossing.close());

/** The sign-in of a process that has ended; the one that is returned has renewed it. */
async function takenLate(options: () => ManagerOptions = () => ({})) {
  const [one, two] = [crossing.start(options()), crossing.start(options())];
  await crossing.takeLate(one, two);
  expect(await filesIn(dir)).toHaveLength(process.env.HIGHQ_RESCUE_DIR ? 1 : 0);
  return two;
}

describe('what a sign-in wrote down, and the store shows further on', () => {
  it('I2 is not put over the next generation of the one beside which it was to stand', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    const gate = holdReads(one);
    const codes = [await crossing.code(), await crossing.code()];
    const signIn = one.ann.exchangeCode(codes[0] ?? '').catch(() => undefined);
    await vi.waitFor(() =>
      expect(crossing.bench.emulator.ledger.count({ kind: 'issued', tokenType: 'refresh' })).toBe(1),
    );
    await crossing.bench.clock.settle(50);
    await crossing.bench.clock.advance(100);
    await two.ann.exchangeCode(codes[1] ?? '');
    leaveUnanswered(one, 'at once');
    gate.resolve();
    await vi.waitFor(() => expect(one.link.down).toBe(true));
    await crossing.stop(one);
    await signIn;
    expect(await filesIn(dir)).toHaveLength(1);
    await two.ann.refresh({ force: true });
    const token = await two.ann.getAccessToken();
    expect((await two.ann.fetch('6/sites')).status).toBe(200);
    const next = crossing.start();
    const got = await next.ann.getAccessToken();
    expect(got).toBe(token);
  });

  it.each(['a rescue folder', 'the journal'])(
    'I5 I6 in %s gives way to its own next generation where the store comes back empty',
    async (place) => {
      if (place === 'the journal') vi.stubEnv('HIGHQ_RESCUE_DIR', '');
      const empty = crossing.shared.backUp();
      const journal = sharedJournal();
      const two = await takenLate(() => ({ journal: journal() }));
      await two.ann.refresh({ force: true });
      await empty();
      const next = crossing.start({ journal: journal() });
      await next.ann.getAccessToken();
      await next.ann.refresh({ force: true });
      expect(crossing.bench.emulator.ledger.presentedTwice()).toBe(0);
      expect((await next.ann.status()).state).toBe('active');
    },
  );

  it('F74 needs its key no more', async () => {
    const oldKey = { id: 'old', key: Buffer.alloc(32, 1).toString('hex') };
    const newKey = { id: 'new', key: Buffer.alloc(32, 2).toString('hex') };
    await takenLate(() => ({ encryption: { keys: [oldKey] } }));
    const next = crossing.start({ encryption: { keys: [newKey, oldKey] } });
    await next.manager.reseal();
    await next.ann.refresh({ force: true });
    expect((await next.manager.reseal()).left).toEqual([]);
    expect(await filesIn(dir)).toEqual([]);
  });
});

describe('the next pair of a rescued sign-in, in a private journal', () => {
  it.each([false, true])(
    'I5 F60c is found also where an older grant had taken its place (%s)',
    async (older) => {
      if (older) {
        const old = crossing.start();
        await crossing.bench.signIn(old.ann);
        await old.ann.refresh({ force: true });
        await crossing.bench.clock.advance(MINUTE);
      }
      await crossing.rescue(await crossing.signingIn(crossing.start(), 1_000));
      expect(await filesIn(dir)).toHaveLength(1);
      await crossing.start().ann.getAccessToken();
      // Whoever comes now has no rescue folder.
      const journal = sharedJournal();
      const renewing = crossing.startIn('', { journal: journal() });
      await renewing.ann.getAccessToken();
      await crossing.renewInJournal(renewing);
      await crossing.bench.clock.advance(31 * MINUTE);
      await crossing.outcome(crossing.start(), 'reauthorization_required');
      await crossing.outcome(crossing.start({ journal: journal() }), 'a token');
    },
  );
});
