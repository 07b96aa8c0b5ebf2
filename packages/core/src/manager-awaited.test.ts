import { afterEach, describe, expect, it, vi } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { filesIn, rescueFolder } from './rescue-folder.fixture.ts';

const LIFE = 30 * MINUTE;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
afterEach(async () => {
  vi.unstubAllEnvs();
  await bench.close();
});

/** Resolves when the pair in hand has lost patience with the store. */
async function rescuedTo(dir: string): Promise<void> {
  for (let seconds = 0; seconds < 15; seconds += 1) await bench.clock.advance(1_000);
  await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(1));
}

/** One process that is frozen between calls. */
async function open(waitMs?: number, switches: Parameters<typeof Bench.open>[0] = {}) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }], ...switches });
  const link = new FlakyStore(memoryStore());
  const refresh = { background: 'await', ...(waitMs === undefined ? {} : { waitMs }) } as const;
  const ann = bench.manager({ store: link, refresh }).connection('ann');
  await bench.signIn(ann);
  await ann.getAccessToken();
  return { link, ann };
}

const presented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
const codeOf = (error: { code?: unknown }): unknown => error.code;

describe("background: 'await', and callers with little patience", () => {
  it('F106 F112 an uncertain connection recovers, though each of them would wait for less than a probe takes', async () => {
    const { ann, link } = await open(4_000, { reuse: 'grace', graceMs: 86_400_000 });
    bench.emulator.faults.add({ match: REFRESH, kind: 'reset-after-commit', times: 1 });
    await bench.clock.advance(LIFE);
    expect(await bench.clock.advanceUntil(ann.getAccessToken().catch(codeOf))).toBe('rotation_uncertain');
    let answer: unknown;
    for (let call = 0; call < 10; call += 1) {
      await bench.clock.advance(30_000);
      answer = await bench.clock.advanceUntil(ann.getAccessToken().catch(codeOf));
    }
    expect((await ann.status()).state).toBe('active');
    expect(answer).toBe(await ann.getAccessToken());
    expect(link.writes.filter(({ body }) => body.includes('"announce"'))).toHaveLength(1);
  });

  it('F112 one who leaves while the intent is written has the refresh made all the same, and spoils it for nobody', async () => {
    const { ann, link } = await open();
    await bench.clock.advance(LIFE);
    const gate = Promise.withResolvers<void>();
    const cas = link.cas.bind(link);
    let waits = 0;
    link.cas = async (key, rev, next) => {
      if (next.body.includes('"kind":"refresh"')) {
        waits += 1;
        await gate.promise;
      }
      return cas(key, rev, next);
    };
    const hasty = ann.getAccessToken({ waitMs: 1_000 });
    while (waits === 0) await bench.clock.settle(20);
    await bench.clock.advance(1_000);
    const patient = ann.getAccessToken({ waitMs: 15_000 });
    await bench.clock.settle(20);
    gate.resolve();
    expect(await hasty).toBe(await patient);
    expect(bench.named('refreshFailed')).toEqual([]);
    expect(presented()).toBe(1);
  });

  it('F112 refresh({ force }) that joins what was given up has made one when it returns', async () => {
    const { ann, link } = await open();
    await bench.clock.advance(LIFE - 3 * MINUTE);
    await ann.status();
    const gate = Promise.withResolvers<void>();
    const read = link.read.bind(link);
    let holds = 0;
    link.read = async (key) => {
      if (key.kind === 'registration') {
        holds += 1;
        await gate.promise;
      }
      return read(key);
    };
    const hasty = ann.getAccessToken({ waitMs: 1_000 });
    while (holds === 0) await bench.clock.settle(20);
    await bench.clock.advance(1_000);
    const forced = ann.refresh({ force: true });
    await bench.clock.settle(20);
    gate.resolve();
    await hasty;
    expect((await forced).generation).toBe(2);
    expect(presented()).toBe(1);
  });

  it('F112 F60f a pair that the store does not take is rescued while its caller waits: the platform may lose patience', async () => {
    const dir = await rescueFolder();
    const { ann, link } = await open();
    await bench.clock.advance(LIFE);
    const asked = await bench.refreshing(1_000, () => ann.getAccessToken());
    link.down = true;
    await bench.clock.advance(5_000);
    expect(await filesIn(dir)).toHaveLength(0);
    for (let seconds = 0; seconds < 20; seconds += 1) await bench.clock.advance(1_000);
    await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(1));
    link.down = false;
    expect(typeof (await bench.clock.advanceUntil(asked.ended))).toBe('string');
    expect((await ann.status()).generation).toBe(2);
    // The store has it: it must not come back from there.
    expect(await filesIn(dir)).toHaveLength(0);
  });
});

describe("background: 'await', and a store that takes nothing for long", () => {
  it('F112 F60f F105 an answer that could not be read is rescued like a pair', async () => {
    const dir = await rescueFolder();
    const { ann, link } = await open();
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await bench.clock.advance(LIFE);
    const asked = await bench.refreshing(1_000, () => ann.getAccessToken().catch(codeOf));
    link.down = true;
    await rescuedTo(dir);
    link.down = false;
    expect(await bench.clock.advanceUntil(asked.ended)).toBe('rotation_uncertain');
  });

  it.each([false, true])(
    'F112 F60f so is the pair of a sign-in (confirm: %s), until the store has it',
    async (confirm) => {
      const dir = await rescueFolder();
      const { ann, link } = await open();
      const signIn = await bench.signingIn(ann, 1_000, { confirm });
      link.down = true;
      await rescuedTo(dir);
      link.down = false;
      expect(await bench.clock.advanceUntil(signIn.ended)).toMatchObject({ state: 'active' });
      // The disk takes real time, and the patience with it is virtual.
      await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(0));
    },
  );

  it('F112 F60f also where the store neither takes it nor says so', async () => {
    const dir = await rescueFolder();
    const { ann, link } = await open();
    const signIn = await bench.signingIn(ann, 1_000);
    const there = Promise.withResolvers<void>();
    const read = link.read.bind(link);
    link.read = (key) => there.promise.then(() => read(key));
    await rescuedTo(dir);
    there.resolve();
    expect(await bench.clock.advanceUntil(signIn.ended)).toMatchObject({ state: 'active' });
    await vi.waitFor(async () => expect(await filesIn(dir)).toHaveLength(0));
  });
});

describe("background: 'await', and a person who has left meanwhile", () => {
  it('F103 one who comes back is not turned down for what was rescued before', async () => {
    const dir = await rescueFolder();
    const { ann, link } = await open();
    const other = bench.manager({ store: link.inner }).connection('ann');
    const first = await bench.signingIn(ann, 1_000);
    link.down = true;
    await rescuedTo(dir);
    await other.disconnect();
    await bench.clock.advance(10);
    const again = await bench.signingIn(other, 60_000);
    await bench.clock.advance(10);
    link.down = false;
    let turnedDown: unknown;
    void first.ended.then((error) => {
      turnedDown = codeOf(error as object);
    });
    // The disk takes real time, and both patiences are virtual.
    const over = async (): Promise<void> => {
      await bench.clock.advance(100);
      expect([turnedDown, await filesIn(dir)]).toEqual(['sign_in', []]);
    };
    await vi.waitFor(over, { timeout: 10_000, interval: 20 });
    let came: unknown;
    void again.ended.then((status) => {
      came = status;
    });
    const back = async (): Promise<void> => {
      await bench.clock.advance(1_000);
      expect(came).toMatchObject({ state: 'active' });
    };
    await vi.waitFor(back, { timeout: 20_000, interval: 20 });
    expect((await ann.fetch('6/sites')).status).toBe(200);
  });
});

describe('a store that answers late', () => {
  it.each([1_900, 2_500, 6_000])('I5 takes a pair in hand, %i ms after it was asked', async (latencyMs) => {
    bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }], reuse: 'family-revoked' });
    const shared = memoryStore();
    const [slow, quick] = [new FlakyStore(shared), new FlakyStore(shared)];
    const ann = bench.manager({ store: slow }).connection('ann');
    const other = bench.manager({ store: quick }).connection('ann');
    await bench.signIn(ann);
    await bench.clock.advance(LIFE);
    let isLate = false;
    const late = async (): Promise<void> => {
      if (isLate) await new Promise<void>((resolve) => bench.clock.setTimer(resolve, latencyMs));
    };
    const [read, cas, now] = [slow.read.bind(slow), slow.cas.bind(slow), slow.now.bind(slow)];
    slow.read = async (key) => late().then(() => read(key));
    slow.cas = async (...given) => late().then(() => cas(...given));
    slow.now = async () => late().then(() => now());
    const asked = await bench.refreshing(2_000, () => ann.getAccessToken({ waitMs: 60_000 }));
    isLate = true;
    // Somebody writes beside the intent: its revision has moved, and must be read anew.
    const { code } = await bench.emulator.authorize({ user: 'limited@clientname.com' });
    await other.exchangeCode(code, { confirm: true });
    for (let seconds = 0; seconds < 60; seconds += 1) await bench.clock.advance(1_000);
    isLate = false;
    expect(typeof (await bench.clock.advanceUntil(asked.ended))).toBe('string');
    expect((await other.status()).generation).toBe(2);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });
});
