import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crossing, sharedJournal } from './crossing.fixture.ts';
import { MINUTE } from './manager.fixture.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';

let crossing: Crossing;

beforeEach(async () => {
  vi.stubEnv('HIGHQ_RESCUE_DIR', '');
  crossing = await Crossing.open();
});
afterEach(() => crossing.close());

describe('an older grant whose refresh was under way', () => {
  it.each(['the store', 'a private journal'])(
    'I5 proves nothing about a sign-in in a folder of its own where its answer comes late, to %s',
    async (place) => {
      const { bench } = crossing;
      await bench.signIn(crossing.start().ann);
      await bench.clock.advance(MINUTE);
      const folders = [await rescueFolder(), await rescueFolder()] as const;
      const [ended, live] = [crossing.startIn(folders[0]), crossing.startIn(folders[1])];
      const journal = sharedJournal();
      const again = () =>
        place === 'the store' ? crossing.start() : crossing.startIn('', { journal: journal() });
      const renewing = again();
      await renewing.ann.getAccessToken();
      const refresh = await crossing.refreshing(renewing, 60_000);
      await crossing.rescueCrossed(ended, live);
      for (const folder of folders) expect(await filesIn(folder)).toHaveLength(1);

      const without = crossing.startIn(folders[0]);
      await without.ann.getAccessToken();
      await without.ann.refresh({ force: true }).catch(() => undefined);
      expect(bench.refreshes).toBe(2);
      if (place !== 'the store') renewing.link.down = true;
      await crossing.pass(60_000);
      await refresh.ended;
      if (place !== 'the store') {
        await bench.clock.advance(MINUTE);
        await again()
          .ann.getAccessToken()
          .catch(() => undefined);
      }
      expect(await filesIn(folders[1])).toHaveLength(1);
      await bench.clock.advance(31 * MINUTE);
      await crossing.outcome(without, 'reauthorization_required');
      await crossing.served(crossing.startIn(folders[1]));
      expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    },
  );
});

describe('a sign-in in the rescue folder of a process that renews an older grant', () => {
  it('I5 is not forgotten there for one that stands and has not proved itself', async () => {
    const { bench } = crossing;
    await bench.signIn(crossing.start().ann);
    await bench.clock.advance(MINUTE);
    const ended = crossing.start();
    const dir = await rescueFolder();
    const [renewing, live] = [crossing.start(), crossing.start()];
    await renewing.ann.getAccessToken();
    const refresh = await crossing.refreshing(renewing, 60_000);
    const first = await crossing.signingIn(ended, 6_000);
    await bench.clock.advance(50);
    const second = await crossing.signingIn(live, 1_000);
    live.link.down = true;
    await crossing.pass(1_000);
    await crossing.pass(5_000);
    await first.ended;
    await crossing.stop(live);
    await second.ended;
    expect(await filesIn(dir)).toHaveLength(1);
    await crossing.pass(60_000);
    await refresh.ended;
    await crossing.pass(1_000);
    expect(await filesIn(dir)).toHaveLength(1);
    await ended.ann.refresh({ force: true }).catch(() => undefined);
    await bench.clock.advance(31 * MINUTE);
    await crossing.outcome(ended, 'reauthorization_required');
    await crossing.served(crossing.start());
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });
});

describe('a sign-in that was brought in and refused', () => {
  it('I6 F27 is not presented once more beside another one that was brought in after it', async () => {
    const journals = [sharedJournal(), sharedJournal()] as const;
    const start = (n: 0 | 1) => crossing.start({ journal: journals[n]() });
    const first = await crossing.signingIn(start(0), 1_000);
    const second = await crossing.signingIn(start(1), 2_000);
    await crossing.rescue(first, second);
    // The same person signs in once more, for another connection: both have ended.
    await crossing.bench.signIn(crossing.start().manager.connection('bob'));
    for (const n of [0, 1, 0, 1] as const) {
      const { ann } = start(n);
      await ann.getAccessToken().catch(() => undefined);
      await ann.refresh({ force: true }).catch(() => undefined);
      await crossing.bench.clock.advance(31 * MINUTE);
      await crossing.outcome({ ann }, 'reauthorization_required');
    }
    expect(crossing.bench.refreshes).toBe(2);
  });
});

describe('a rescued sign-in that crossed the one that stands', () => {
  it('F74 I5 keeps its key where rows are sealed anew without it', async () => {
    const dir = await rescueFolder();
    const [oldKey, newKey] = ['old', 'new'].map((id, n) => ({
      id,
      key: Buffer.alloc(32, n + 1).toString('hex'),
    }));
    if (!oldKey || !newKey) throw new Error('two keys');
    const live = crossing.start({ encryption: { keys: [oldKey] } });
    const other = crossing.start({ encryption: { keys: [newKey] } });
    const ended = await crossing.signingIn(other, 6_000);
    const signIn = await crossing.signingIn(live, 1_000);
    live.link.down = true;
    await crossing.pass(1_000);
    await crossing.stop(live);
    await crossing.pass(6_000);
    await Promise.all([ended.ended, signIn.ended]);
    expect(await filesIn(dir)).toHaveLength(1);
    const without = crossing.start({ encryption: { keys: [newKey] } });
    expect((await without.manager.reseal()).left).toHaveLength(1);
    expect(await filesIn(dir)).toHaveLength(1);
    const back = crossing.start({ encryption: { keys: [newKey, oldKey] } });
    expect((await back.manager.reseal()).left).toEqual([]);
    await back.ann.refresh({ force: true }).catch(() => undefined);
    await crossing.bench.clock.advance(31 * MINUTE);
    await crossing.served(back);
  });
});
