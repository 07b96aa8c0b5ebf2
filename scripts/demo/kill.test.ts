import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { EmulatorOptions } from '../../packages/emulator/dist/index.js';
import { Browser, type Page } from './browser.ts';
import { openStage, type Stage } from './stage.ts';
import { signIn } from './walk.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LIFE = 30 * 60_000;
/** Lease and response deadline: within them the next process knows what became of a refresh. */
const LEASE_AND_DEADLINE = 180_000 + 90_000;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;

let stage: Stage | undefined;
afterEach(async () => {
  await stage?.close();
  stage = undefined;
});

async function open(options: EmulatorOptions = {}): Promise<Stage> {
  const emulator = {
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
    registrations: [{ tokenExpirationMs: LIFE }],
    ...options,
  };
  stage = await openStage(ROOT, { usual: false, emulator });
  await stage.example.start();
  await signIn(stage);
  return stage;
}

type End = 'at once' | 'after the lease' | 'lost';

/** Lets the example catch up with the clock, which it reads over HTTP like anybody. */
async function caughtUp({ emulator }: Stage, requests = 25): Promise<void> {
  for (let turn = 0; turn < requests; turn += 1) await fetch(emulator.env.HIGHQ_TEST_CLOCK);
}

/**
 * Asks until there is a definite answer. While the program waits, the clock goes on second by second; where it says
 * when to come back, the clock leaps there.
 */
async function asked(on: Stage): Promise<{ end: End; virtualMs: number; text: string }> {
  const { browser, example, emulator } = on;
  let virtualMs = 0;
  const pass = async (ms: number): Promise<void> => {
    emulator.clock.advance(ms);
    virtualMs += ms;
    await caughtUp(on);
    expect(virtualMs).toBeLessThanOrEqual(LEASE_AND_DEADLINE);
  };
  for (;;) {
    let page: Page | null = null;
    const opened = browser.open(`${example.url}/matters`).then((answer) => {
      page = answer;
    });
    // On a loaded machine a page takes its time; only one that waits for the clock takes longer than this.
    await Promise.race([opened, caughtUp(on, 1_000)]);
    while (page === null) await pass(1_000);
    const { status, headers, text } = page as Page;
    if (status === 200) return { end: virtualMs === 0 ? 'at once' : 'after the lease', virtualMs, text };
    if (status !== 503) return { end: 'lost', virtualMs, text };
    const waitMs = Number(headers.get('retry-after') ?? '1') * 1_000;
    // A probe that settles is followed second by second, as it would be.
    await pass(waitMs > 20_000 ? waitMs : 1_000);
  }
}

/** Generations that were issued and never used: the new pair reached nobody, or died with who had it. */
function unreadRotations({ emulator: { ledger } }: Stage): number {
  const used = new Set(ledger.filter({ kind: 'presented', tokenType: 'access' }).map(({ token }) => token));
  return ledger
    .filter({ kind: 'issued', tokenType: 'access' })
    .filter(({ token, generation }) => (generation ?? 0) > 1 && !used.has(token)).length;
}

const presented = (count: number, { emulator: { ledger } }: Stage): Promise<void> =>
  vi.waitFor(() => expect(ledger.count({ kind: 'presented', tokenType: 'refresh' })).toBe(count), {
    timeout: 10_000,
    interval: 2,
  });

describe('kill -9 of the example', () => {
  it('F57 between two calls: the next call works at once, without a refresh', async () => {
    const on = await open();
    await on.example.kill();
    await on.example.start();
    expect((await asked(on)).end).toBe('at once');
    expect(on.emulator.ledger.refreshes()).toBe(0);
  });

  it('F60d after a refresh: the new pair is there', async () => {
    const on = await open();
    on.emulator.clock.advance(LIFE);
    expect((await asked(on)).end).toBe('at once');
    await on.example.kill();
    await on.example.start();
    expect((await asked(on)).end).toBe('at once');
    expect(on.emulator.ledger.refreshes()).toBe(1);
  });

  it('F60a while the answer is on its way: lost, and the page says exactly that', async () => {
    const on = await open();
    on.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 600_000, times: 1 });
    on.emulator.clock.advance(LIFE);
    const cut = on.browser.open(`${on.example.url}/matters`).catch(() => null);
    await presented(1, on);
    await on.example.kill();
    await cut;
    await on.example.start();
    const { end, virtualMs, text } = await asked(on);
    expect(end).toBe('lost');
    expect(virtualMs).toBeLessThanOrEqual(LEASE_AND_DEADLINE);
    expect(unreadRotations(on)).toBe(1);
    expect(text).toContain('its answer never arrived');
  });

  it('F60a the same where the provider has a grace period: nothing is lost', async () => {
    const on = await open({ reuse: 'grace', graceMs: 86_400_000 });
    on.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 600_000, times: 1 });
    on.emulator.clock.advance(LIFE);
    const cut = on.browser.open(`${on.example.url}/matters`).catch(() => null);
    await presented(1, on);
    await on.example.kill();
    await cut;
    await on.example.start();
    const { end, virtualMs } = await asked(on);
    expect(end).toBe('after the lease');
    expect(virtualMs).toBeLessThanOrEqual(LEASE_AND_DEADLINE);
  });

  it('F58 F59 F60b at any moment of a refresh: at once, within lease and deadline, or lost with a rotation that nobody read', async () => {
    const on = await open();
    const ends: Record<End, number> = { 'at once': 0, 'after the lease': 0, lost: 0 };
    for (let round = 0; round < 16; round += 1) {
      on.emulator.clock.advance(LIFE);
      const cut = on.browser.open(`${on.example.url}/matters`).catch(() => null);
      // Each round a little later; how far the refresh is by then depends on the machine, and any point will do.
      for (let turn = 0; turn < round * 2; turn += 1) await fetch(on.emulator.env.HIGHQ_TEST_CLOCK);
      await on.example.kill();
      await cut;
      await on.example.start();
      const before = unreadRotations(on);
      const { end, virtualMs, text } = await asked(on);
      ends[end] += 1;
      expect(virtualMs).toBeLessThanOrEqual(LEASE_AND_DEADLINE);
      if (end === 'lost') {
        expect(before).toBeGreaterThan(0);
        expect(text).toContain('its answer never arrived');
        await signIn({ ...on, browser: new Browser() });
      }
    }
    // What happened is told, so that a run that never hit a refresh can be seen.
    console.log(`kill -9 in 16 refreshes: ${JSON.stringify(ends)}`);
    expect(ends['at once'] + ends['after the lease'] + ends.lost).toBe(16);
    expect(on.emulator.ledger.presentedTwice()).toBeLessThanOrEqual(ends.lost + ends['after the lease']);
  }, 300_000);
});
