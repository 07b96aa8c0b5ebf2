import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Crossing, type Process, sharedJournal, type UnderWayOf } from './crossing.fixture.ts';
import { fileJournal } from './file-journal.ts';
import { journalFolder } from './journal.fixture.ts';
import { MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';

let crossing: Crossing;
let dir: string;

beforeEach(async () => {
  dir = await rescueFolder();
  crossing = await Crossing.open();
});
afterEach(() => crossing.close());

/** A sign-in of `one` is on its way, and its person leaves by `two` meanwhile. */
async function leaving(
  one: Process,
  two: Process,
  delayMs = 5_000,
  options: { readonly confirm?: boolean } = {},
): Promise<UnderWayOf> {
  const signIn = await crossing.signingIn(one, delayMs, options);
  await crossing.bench.clock.advance(1_000);
  await two.ann.disconnect();
  return signIn;
}

/** That person signs in once more. */
async function comesBack({ ann }: Process): Promise<void> {
  await crossing.bench.clock.advance(1_000);
  await crossing.bench.signIn(ann);
}

/** One who left is in a journal, written down by a process that waits for the store: `signIn` is not over. */
async function leftInJournal() {
  crossing.keepAllGrants();
  const journal = sharedJournal();
  const own = journal();
  const one = crossing.startIn('', { journal: own, refresh: { background: 'await' } });
  const two = crossing.start({ journal: journal() });
  const signIn = await leaving(one, two, 3_000);
  await crossing.writeDown(signIn);
  return { journal, own, one, two, signIn };
}

const signedInAt = async ({ ann }: Process) => (await ann.status()).authorizedAt;

/** What was rescued is not brought in by the next process. */
async function expectNobody(): Promise<Process> {
  expect(await filesIn(dir)).toHaveLength(1);
  const next = crossing.start();
  await crossing.outcome(next, 'not_connected');
  expect(next.link.writes).toHaveLength(0);
  expect(crossing.bench.refreshes).toBe(0);
  return next;
}

/** Who signed in then is the one that this process finds. */
async function expectFound(at: number | null, next: Process): Promise<void> {
  await crossing.outcome(next, 'a token');
  expect(await signedInAt(next)).toBe(at);
}

describe('a sign-in that was under way when its person left', () => {
  it.each(['nobody', 'an older grant'])(
    'T8 F103 does not come back from a rescue folder, over %s',
    async (over) => {
      const [one, two] = [crossing.start(), crossing.start()];
      if (over !== 'nobody') await crossing.bench.signIn(two.ann);
      await crossing.bench.clock.advance(MINUTE);
      await crossing.rescue(await leaving(one, two));
      await expectNobody();
    },
  );

  it('T8 F05 does not come back from a rescue folder with an answer of which only the refresh token can be used', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    crossing.bench.emulator.faults.add({
      match: { endpoint: 'token' },
      kind: 'omit-field',
      field: 'access_token',
      times: 1,
    });
    await crossing.rescue(await leaving(one, two));
    await expectNobody();
  });

  it('T8 F103 does not come back from a rescue folder over, or beside, one that came after that', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    const signIn = await leaving(one, two);
    await bench.clock.advance(1_000);
    const again = await crossing.signingIn(two, 6_000);
    await crossing.rescue(signIn);
    await crossing.pass(6_000);
    await again.ended;
    const next = crossing.start();
    await expectFound(await signedInAt(two), next);
    expect(next.link.writes).toHaveLength(0);
    // Nor when that one has ended.
    await bench.signIn(crossing.start().manager.connection('bob'));
    await bench.clock.advance(31 * MINUTE);
    await crossing.outcome(next, 'reauthorization_required');
    expect(bench.refreshes).toBe(1);
  });

  it('T8 F103 does not come back where the store has forgotten that, and a journal has not', async () => {
    const journal = fileJournal({ dir: journalFolder() });
    const [one, two] = [crossing.start({ journal }), crossing.start({ journal })];
    await crossing.rescue(await leaving(one, two));
    expect(await filesIn(dir)).toHaveLength(1);
    await crossing.outcome(crossing.start({ journal, store: memoryStore() }), 'not_connected');
    expect(crossing.bench.refreshes).toBe(0);
  });

  it('T8 is not written over the one with which that person came back', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    const signIn = await leaving(one, two);
    await comesBack(two);
    const at = await signedInAt(two);
    await crossing.pass(5_000);
    expect(await signIn.ended).toMatchObject({ code: 'sign_in', reason: 'disconnected_meanwhile' });
    expect(await signedInAt(crossing.start())).toBe(at);
  });

  it('F85 one of after that is restored', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    await bench.signIn(two.ann);
    await bench.clock.advance(1_000);
    await two.ann.disconnect();
    await bench.clock.advance(1_000);
    await crossing.rescue(await crossing.signingIn(one, 5_000));
    await crossing.outcome(crossing.start(), 'a token');
  });

  it('F85 T6 so is one of after that if the clock was set back meanwhile', async () => {
    const { bench } = crossing;
    const [one, two] = [crossing.start(), crossing.start()];
    await bench.signIn(two.ann);
    await one.ann.getAccessToken();
    await bench.clock.advance(MINUTE);
    await two.ann.disconnect();
    const next = crossing.start();
    for (const { link } of [one, two, next]) link.setBackMs = 10 * MINUTE;
    await crossing.rescue(await crossing.signingIn(one, 5_000));
    await crossing.outcome(next, 'a token');
  });

  it('I5 takes only itself back from a rescue folder, and not one that came after that', async () => {
    const one = crossing.start({ refresh: { background: 'await' } });
    const two = crossing.start();
    const signIn = await leaving(one, two, 6_000);
    await crossing.bench.clock.advance(1_000);
    const again = await crossing.signingIn(two, 1_000);
    one.link.down = true;
    await crossing.rescue(again);
    await crossing.writeDown(signIn);
    await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(2));
    one.link.down = false;
    await crossing.pass(3_000);
    expect(await signIn.ended).toMatchObject({ reason: 'disconnected_meanwhile' });
    await crossing.served(crossing.start());
  });

  it('T8 F82 is not shown for its person to confirm, out of a rescue folder', async () => {
    const [one, two] = [crossing.start(), crossing.start()];
    await crossing.rescue(await leaving(one, two, 5_000, { confirm: true }));
    const next = await expectNobody();
    expect(await next.ann.status()).not.toHaveProperty('pending');
    expect(next.link.writes).toHaveLength(0);
  });
});

it('F103 what was rescued of a grant that its person has left elsewhere is not kept', async () => {
  await crossing.rescue(await crossing.signingIn(crossing.start(), 1_000));
  expect(await filesIn(dir)).toHaveLength(1);
  await crossing.bench.clock.advance(MINUTE);
  await crossing.startIn('').ann.disconnect();
  await crossing.outcome(crossing.startIn(dir), 'not_connected');
  await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(0));
});

it.each(['newest', 'many'] as const)(
  'T8 F103 one who left does not come back once the history has forgotten it, where the provider keeps %s',
  async (grants) => {
    if (grants === 'many') crossing.keepAllGrants();
    const [one, two] = [crossing.start(), crossing.start()];
    const signIn = await leaving(one, two, 8_000);
    await comesBack(two);
    await crossing.rescue(signIn);
    expect(await filesIn(dir)).toHaveLength(1);
    const at = await signedInAt(two);
    for (let n = 0; n < 21; n += 1) {
      await crossing.bench.clock.advance(20 * MINUTE);
      await two.ann.refresh({ force: true });
    }
    const events = (await two.ann.history()).map(({ event }) => event);
    expect(events).not.toContain('disconnected');
    const next = crossing.start();
    await expectFound(at, next);
    expect(next.link.writes).toHaveLength(0);
  },
);

it('T8 F103 who comes back is not turned down while an earlier sign-in is taken back from a journal', async () => {
  const { journal, one, two, signIn } = await leftInJournal();
  const again = await crossing.signingIn(two, 6_000);
  one.link.down = false;
  await crossing.pass(1_000);
  await crossing.pass(1_000);
  expect(await signIn.ended).toMatchObject({ reason: 'disconnected_meanwhile' });
  for (let n = 0; n < 8; n += 1) await crossing.pass(1_000);
  expect(await again.ended).toMatchObject({ state: 'active' });
  await expectFound(await signedInAt(two), crossing.start({ journal: journal() }));
});

it.each(['one process', 'two processes'])(
  'I5 F82 an account that waits is not forgotten with the pair beside which %s rescued it',
  async (by) => {
    crossing.keepAllGrants();
    const one = crossing.start();
    const two = by === 'one process' ? one : crossing.start();
    await crossing.bench.signIn(one.ann);
    await crossing.bench.clock.advance(10 * MINUTE);
    if (two !== one) await two.ann.getAccessToken();
    const proposed = await crossing.signingIn(two, 4_000, { confirm: true });
    const refreshed = await crossing.refreshing(one, 6_000);
    await crossing.rescue(refreshed, proposed);
    expect(await filesIn(dir)).toHaveLength(2);
    const next = crossing.start();
    await crossing.outcome(next, 'a token');
    expect(await next.ann.status()).toMatchObject({
      generation: 2,
      pending: { userEmail: expect.any(String) },
    });
    await next.ann.confirm();
    expect((await next.ann.fetch('6/sites')).status).toBe(200);
  },
);

it('T8 F103 does not come back where the store is empty and a journal has the grant of who came back', async () => {
  const journal = sharedJournal();
  const [one, two] = [crossing.start({ journal: journal() }), crossing.start({ journal: journal() })];
  const signIn = await leaving(one, two, 8_000);
  await comesBack(two);
  await crossing.rescue(signIn);
  expect(await filesIn(dir)).toHaveLength(1);
  await crossing.bench.clock.advance(5 * MINUTE);
  await two.ann.refresh({ force: true });
  await crossing.pass(60_000);
  await expectFound(await signedInAt(two), crossing.start({ journal: journal(), store: memoryStore() }));
});

it('I5 F82 who is turned down takes no account along that waits in the same folder', async () => {
  const one = crossing.start({ refresh: { background: 'await' } });
  const two = crossing.start();
  const signIn = await leaving(one, two, 6_000);
  await crossing.bench.clock.advance(1_000);
  const proposed = await crossing.signingIn(two, 1_000, { confirm: true });
  one.link.down = true;
  await crossing.rescue(proposed);
  expect(await filesIn(dir)).toHaveLength(1);
  await crossing.writeDown(signIn);
  await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(2));
  one.link.down = false;
  await crossing.turnedDown(signIn);
  const next = crossing.start();
  await crossing.outcome(next, 'not_connected');
  expect((await next.ann.status()).pending).toBeDefined();
});

it('T8 F103 does not come back from a journal where the store forgets who has come back since', async () => {
  const { journal, one, two, signIn } = await leftInJournal();
  await crossing.bench.signIn(two.ann);
  one.link.down = false;
  await crossing.turnedDown(signIn);
  await expectFound(await signedInAt(two), crossing.start({ journal: journal(), store: memoryStore() }));
});

describe('who left, where the store has forgotten it before anybody looked, and a journal has not', () => {
  let empty: () => Promise<void>;
  let journal: ReturnType<typeof sharedJournal>;

  beforeEach(() => {
    crossing.keepAllGrants();
    empty = crossing.shared.backUp();
    journal = sharedJournal();
  });

  it('T8 F103 does not come back out of a rescue folder once the one with which that person came back was renewed', async () => {
    const { bench } = crossing;
    const signIn = await leaving(crossing.start(), crossing.start({ journal: journal() }), 8_000);
    await empty();
    const two = crossing.start({ journal: journal() });
    await comesBack(two);
    await crossing.rescue(signIn);
    expect(await filesIn(dir)).toHaveLength(1);
    const at = await signedInAt(two);
    await bench.clock.advance(MINUTE);
    const renewing = crossing.start({ journal: journal() });
    await crossing.outcome(renewing, 'a token');
    await renewing.ann.refresh({ force: true });
    await crossing.pass(1_000);
    const next = crossing.start();
    await expectFound(at, next);
    expect(next.link.writes).toHaveLength(0);
  });

  it('T8 stays away also with an answer that is still on its way', async () => {
    const signIn = await leaving(crossing.start(), crossing.start({ journal: journal() }), 8_000);
    await empty();
    await comesBack(crossing.start());
    const next = crossing.start({ journal: journal() });
    await crossing.outcome(next, 'a token');
    const at = await signedInAt(next);
    await crossing.pass(8_000);
    expect(await signIn.ended).toMatchObject({ reason: 'disconnected_meanwhile' });
    expect(await signedInAt(crossing.start())).toBe(at);
  });

  it('T8 F103 is not forgotten there with the hand-over of the sign-in with which that person came back', async () => {
    const one = crossing.start();
    const signIn = await leaving(one, crossing.startIn('', { journal: journal() }), 20_000);
    await empty();
    await crossing.bench.clock.advance(1_000);
    const two = crossing.start({ journal: journal(), refresh: { background: 'await' } });
    const again = await crossing.signingIn(two, 1_000);
    await crossing.writeDown(again);
    two.link.down = false;
    await crossing.pass(2_000);
    expect(await again.ended).toMatchObject({ state: 'active' });
    const at = await signedInAt(two);
    await crossing.rescue(signIn);
    expect(await filesIn(dir)).toHaveLength(1);
    const next = crossing.startIn(dir, { journal: journal() });
    await expectFound(at, next);
    await next.ann.refresh({ force: true });
    expect((await next.ann.fetch('6/sites')).status).toBe(200);
    expect(await signedInAt(crossing.start())).toBe(at);
  });
});

it('T8 F103 who is turned down is not forgotten where no journal takes the word of it', async () => {
  const { journal, own, one, two, signIn } = await leftInJournal();
  await crossing.bench.signIn(two.ann);
  own.append = () => Promise.reject(new Error('disk full'));
  one.link.down = false;
  await crossing.turnedDown(signIn);
  expect(crossing.bench.named('anomaly')).toContainEqual(
    expect.objectContaining({ anomaly: 'journal_failed', connectionId: 'ann' }),
  );
  // The journal tells of the departure, and the store that is lost now does not.
  await crossing.outcome(crossing.start({ journal: journal(), store: memoryStore() }), 'not_connected');
});
