import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crossing, type Process, sharedJournal } from './crossing.fixture.ts';
import { MINUTE } from './manager.fixture.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';

let crossing: Crossing;

beforeEach(async () => {
  vi.stubEnv('HIGHQ_RESCUE_DIR', '');
  crossing = await Crossing.open();
});
afterEach(() => crossing.close());

/** A grant of this generation, by a sign-in that crossed nothing. */
async function olderGrant(generation: number): Promise<void> {
  const { ann } = crossing.start();
  if (generation > 0) await crossing.bench.signIn(ann);
  if (generation > 1) await ann.refresh({ force: true });
  await crossing.bench.clock.advance(MINUTE);
}

async function inPlace(folder: string): Promise<Process> {
  const process = crossing.startIn(folder);
  await process.ann.getAccessToken();
  return process;
}

describe('whose turn it was', () => {
  it.each([0, 1, 2, 3])(
    'I5 the sign-in that lives is found in a folder of its own after an older grant of generation %s had its turn',
    async (generation) => {
      const { bench } = crossing;
      await olderGrant(generation);
      const folders = [await rescueFolder(), await rescueFolder()] as const;
      await crossing.rescueCrossed(crossing.startIn(folders[0]), crossing.startIn(folders[1]));
      for (const folder of folders) expect(await filesIn(folder)).toHaveLength(1);

      const without = await inPlace(folders[0]);
      await without.ann.refresh({ force: true }).catch(() => undefined);
      await bench.clock.advance(31 * MINUTE);
      await crossing.outcome(without, 'reauthorization_required');
      await crossing.served(crossing.startIn(folders[1]));
      expect(bench.emulator.ledger.presentedTwice()).toBe(0);
      // The process that has given it up knows better with its next read.
      await bench.clock.advance(MINUTE);
      expect((await without.ann.fetch('6/sites')).status).toBe(200);
    },
  );

  /** The later of two crossed sign-ins, with the other one beside it, and its next pair in a private journal of a process that ended. */
  async function renewedInPrivate(swaps: number) {
    const { bench } = crossing;
    const folder = await rescueFolder();
    const [earlier, one] = [crossing.start(), crossing.start()];
    const first = await crossing.signingIn(earlier, 1_000);
    await bench.clock.advance(50);
    const signIn = await crossing.signingIn(one, 2_000);
    await crossing.pass(1_000);
    await first.ended;
    await crossing.rescue(signIn);
    await inPlace(folder);
    const journal = sharedJournal();
    const again = () => crossing.startIn('', { journal: journal() });
    const renewing = again();
    await renewing.ann.getAccessToken();
    const match = { endpoint: 'token', grantType: 'refresh_token' } as const;
    for (let n = 0; n < swaps; n += 1) {
      bench.emulator.faults.add({ match, kind: 'status', status: 403, times: 1 });
      await expect(renewing.ann.refresh({ force: true })).rejects.toMatchObject({ code: 'token_endpoint' });
      await bench.clock.advance(21 * MINUTE);
    }
    await crossing.renewInJournal(renewing);
    await bench.clock.advance(31 * MINUTE);
    return again;
  }

  it.each([0, 2])(
    'I5 the next pair of one is found in a private journal after the two had changed places %s times',
    async (swaps) => {
      const again = await renewedInPrivate(swaps);
      await crossing.outcome(crossing.start(), 'reauthorization_required');
      await crossing.served(again());
    },
  );

  it('I2 such a pair stays out where the one that took its place has rotated', async () => {
    crossing.keepAllGrants();
    const again = await renewedInPrivate(0);
    const { ann } = crossing.start();
    await crossing.outcome({ ann }, 'a token');
    await ann.refresh({ force: true });
    const back = again();
    expect(await back.ann.getAccessToken()).toBe(await ann.getAccessToken());
    expect(back.link.writes).toHaveLength(0);
  });
});
