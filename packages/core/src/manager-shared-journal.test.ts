import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileJournal } from './file-journal.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import { storeJournal } from './store-journal.ts';

const LIFE = 30 * MINUTE;

const folder = (): Promise<string> => mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'shared-'));

describe.each([
  ['file', async (): Promise<Journal> => fileJournal({ dir: await folder() })],
  ['store', async (): Promise<Journal> => storeJournal(new FlakyStore())],
])('a %s journal that several managers were given', (_, journalOf) => {
  it('goes on when one of them is closed', async () => {
    const journal = await journalOf();
    const { bench, connection, start } = await Bench.connected(new FlakyStore(), { lifeMs: LIFE, journal });
    const token = await connection.getAccessToken();
    await start().close();
    await bench.clock.advance(LIFE);
    expect(await connection.getAccessToken()).not.toBe(token);
    expect(bench.named('anomaly')).toEqual([]);
  });

  it('F44 F60f saves what another one has in hand when all of them are closed at once', async () => {
    const journal = await journalOf();
    const store = new FlakyStore();
    const { bench, manager, connection, start } = await Bench.connected(store, { lifeMs: LIFE, journal });
    const idle = start();
    await bench.clock.advance(LIFE);
    bench.emulator.faults.add({
      match: { endpoint: 'token', grantType: 'refresh_token' },
      kind: 'delay',
      delayMs: 10_000,
    });
    connection.getAccessToken().catch(() => undefined);
    await bench.presented(1);
    store.down = true;
    const closed = Promise.all([idle.close({ timeoutMs: 30_000 }), manager.close({ timeoutMs: 30_000 })]);
    for (let second = 0; second < 60; second += 1) await bench.clock.advance(1_000);
    await closed;
    store.down = false;
    bench.emulator.faults.clear();
    expect(await start().connection('ann').getAccessToken()).toBeTruthy();
    expect(bench.refreshes).toBe(1);
  });
});
