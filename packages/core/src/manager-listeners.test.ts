import { describe, expect, it, vi } from 'vitest';
import { BusyStore } from './busy-store.fixture.ts';
import { systemClock } from './clock.ts';
import { Bench, EVENTS, MINUTE } from './manager.fixture.ts';

const LIFE = 30 * MINUTE;

describe('a listener that fails', () => {
  const LATER = 'throws in a later turn';
  const UNHANDLED = 'leaves a rejection unhandled';
  const failures: Readonly<Record<string, () => unknown>> = {
    throws: () => {
      throw new Error('by a listener');
    },
    rejects: async () => {
      throw new Error('by a listener');
    },
    'returns what rejects without being a Promise': () => ({
      // biome-ignore lint/suspicious/noThenProperty: what a listener returns may be anything
      then: (_: unknown, reject?: (reason: Error) => void) => reject?.(new Error('by a listener')),
    }),
    [LATER]: () => {
      systemClock.afterIo(() => {
        throw new Error('by a listener');
      });
    },
    [UNHANDLED]: () => {
      void Promise.reject(new Error('by a listener'));
    },
  };

  /** The process goes on after what nobody caught, as a program may decide. */
  async function survivingUncaught({ clock }: Bench, run: () => Promise<void>): Promise<number> {
    let uncaught = 0;
    const names = ['uncaughtException', 'unhandledRejection'] as const;
    const before = names.map((name) => [name, process.listeners(name as 'uncaughtException')] as const);
    const count = (): void => {
      uncaught += 1;
    };
    for (const name of names) {
      process.removeAllListeners(name);
      process.on(name, count);
    }
    try {
      await run();
      await clock.settle(20);
    } finally {
      for (const [name, listeners] of before) {
        process.off(name, count);
        for (const listener of listeners) process.on(name, listener);
      }
    }
    return uncaught;
  }

  it.each(Object.entries(failures))(
    'F60g %s: every refresh goes on, and what it told was written before',
    async (how, fail) => {
      const { bench, store, manager, connection, start } = await Bench.connected(new BusyStore());
      const toldAt: unknown[] = [];
      for (const name of EVENTS) manager.on(name, fail);
      manager.on('refreshed', () => void toldAt.push(store.writtenGeneration));
      const uncaught = await survivingUncaught(bench, async () => {
        for (let life = 0; life < 3; life += 1) {
          await bench.clock.advance(LIFE);
          expect(await connection.getAccessToken()).toBeTruthy();
        }
        await vi.waitFor(() => expect(toldAt).toEqual([2, 3, 4]));
        expect(bench.refreshes).toBe(3);
        // Were the process to end with the listener's mistake, the next one would find all of it.
        expect(await start().connection('ann').getAccessToken()).toBe(await connection.getAccessToken());

        bench.emulator.revoke();
        await bench.clock.advance(LIFE);
        await expect(connection.getAccessToken()).rejects.toMatchObject({ reason: 'revoked_or_expired' });
        await bench.signIn(connection);
        expect(await connection.getAccessToken()).toBeTruthy();
        await connection.disconnect();
        await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'not_connected' });
      });
      // What a listener does behind everybody's back is the program's own affair; the rest stops here.
      expect(uncaught > 0).toBe(how === LATER || how === UNHANDLED);
    },
  );
});
