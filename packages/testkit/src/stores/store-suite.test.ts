import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startVitest } from 'vitest/node';
import { BROKEN_STORES } from './broken-stores.fixture.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));

describe('storeSuite', () => {
  it('fails on every store that has a defect', async () => {
    const { exitCode } = process;
    const vitest = await startVitest(
      'test',
      [],
      {
        root: FOLDER,
        config: false,
        include: ['broken-suites.fixture.ts'],
        watch: false,
        reporters: [{}],
        testTimeout: 20_000,
      },
      {},
    );
    const [module] = vitest.state.getTestModules();
    const caught = new Map<string, string[]>();
    for (const suite of module?.children.suites() ?? []) {
      const failed = [...suite.children.allTests('failed')].map(({ name }) => name);
      caught.set(suite.name.replace(/ store$/, ''), failed);
    }
    await vitest.close();
    // The failures of the inner run are what this test wants to see.
    process.exitCode = exitCode;
    expect([...caught.keys()]).toEqual(Object.keys(BROKEN_STORES));
    expect([...caught].filter(([, failed]) => failed.length === 0).map(([name]) => name)).toEqual([]);
    // What only a crowd can show must be found there, and not by chance elsewhere.
    for (const name of [
      'checks before it writes, in two steps',
      'acknowledges one write in 100 and forgets it',
    ]) {
      expect(caught.get(name)).toContainEqual(expect.stringContaining('linearizable history'));
    }
  }, 120_000);
});
