import { memoryStore, type StoreKey, type StoreValue } from '@hq-oauth/core';
import { expect } from 'vitest';
import { HingedStore } from '../crash/hinged-store.ts';
import { factsOf } from '../crash/trapped.ts';
import { type Behaviour, HOUR_MS } from './bench.ts';

/** Takes everything but the pair that a refresh has brought. */
class PairRefusingStore extends HingedStore {
  refuses = false;
  #written: () => void = () => undefined;

  /** Resolves after the next write of a pair. */
  nextPair(): Promise<void> {
    return new Promise((resolve) => {
      this.#written = resolve;
    });
  }

  override async cas(key: StoreKey, expectedRev: number | null, next: StoreValue) {
    const pair = key.kind === 'grant' && factsOf(next).intent === null;
    if (pair && this.refuses) throw new Error('the disk is full');
    const result = await super.cas(key, expectedRev, next);
    if (pair) this.#written();
    return result;
  }
}

/** Frameworks wrap it in words of their own; the manager's stand in it all the same. */
export const HEALTH_BEHAVIOURS: readonly Behaviour[] = [
  {
    title: 'health: up is 200, for visitors without a session as well',
    async run(bench) {
      const app = await bench.open();
      const answer = await app.ask('/health', null);
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('"status":"up","store":"up","unpersisted":0');
    },
  },
  {
    title: 'health: degraded is 200, while a pair waits for the store',
    async run(bench) {
      const store = new PairRefusingStore(memoryStore());
      const app = await bench.open({ manager: { store } });
      await app.connect();
      await bench.advance(6 * HOUR_MS);
      store.refuses = true;
      await app.manager.connection('ann').getAccessToken();
      const answer = await app.ask('/health');
      expect([answer.status, await answer.text()]).toEqual([
        200,
        expect.stringContaining('"status":"degraded","store":"up","unpersisted":1'),
      ]);
      const written = store.nextPair();
      store.refuses = false;
      await bench.advance(2_000);
      await written;
      expect(await (await app.ask('/health')).text()).toContain('"status":"up"');
    },
  },
  {
    title: 'health: down is 503, while the store is away',
    async run(bench) {
      const store = new HingedStore(memoryStore());
      const app = await bench.open({ manager: { store } });
      store.down = true;
      const answer = await app.ask('/health');
      expect([answer.status, await answer.text()]).toEqual([
        503,
        expect.stringContaining('"status":"down","store":"down"'),
      ]);
      store.down = false;
      expect((await app.ask('/health')).status).toBe(200);
    },
  },
];
