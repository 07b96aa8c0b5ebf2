import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { fileJournal } from './file-journal.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { storeJournal } from './store-journal.ts';

const LIFE = 30 * MINUTE;
let bench: Bench;
afterEach(() => bench.close());

const folder = (): Promise<string> => mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'shared-'));

describe.each([
  ['file', async (): Promise<Journal> => fileJournal({ dir: await folder() })],
  ['store', async (): Promise<Journal> => storeJournal(new FlakyStore())],
])('a %s journal that several managers were given', (_, journalOf) => {
  it('goes on when one of them is closed', async () => {
    const journal = await journalOf();
    const opened = await Bench.connected(new FlakyStore(), { lifeMs: LIFE, journal });
    bench = opened.bench;
    const token = await opened.connection.getAccessToken();
    await opened.start().close();
    await bench.clock.advance(LIFE);
    expect(await opened.connection.getAccessToken()).not.toBe(token);
    expect(bench.named('anomaly')).toEqual([]);
  });

  it('F44 F60f saves what another one has in hand when all of them are closed at once', async () => {
    const journal = await journalOf();
    const store = new FlakyStore();
    const opened = await Bench.connected(store, { lifeMs: LIFE, journal });
    bench = opened.bench;
    const idle = opened.start();
    await bench.clock.advance(LIFE);
    bench.emulator.faults.add({
      match: { endpoint: 'token', grantType: 'refresh_token' },
      kind: 'delay',
      delayMs: 10_000,
    });
    opened.connection.getAccessToken().catch(() => undefined);
    await bench.presented(1);
    store.down = true;
    const closed = Promise.all([
      idle.close({ timeoutMs: 30_000 }),
      opened.manager.close({ timeoutMs: 30_000 }),
    ]);
    for (let second = 0; second < 60; second += 1) await bench.clock.advance(1_000);
    await closed;
    store.down = false;
    bench.emulator.faults.clear();
    expect(await opened.start().connection('ann').getAccessToken()).toBeTruthy();
    expect(bench.refreshes).toBe(1);
  });
});
