import { expect, it } from 'vitest';
import { CrashStage } from './crash-stage.ts';
import type { CrashSuiteOptions } from './options.ts';

const TIMEOUT_MS = 300_000;
const ID = 'same-process';

/** A program that starts again with the host name and process id of its predecessor, as containers do. */
export function ownIntentTests(options: CrashSuiteOptions): void {
  it(
    `F41 ${options.name}: a manager of the same host and process id does not take its predecessor's refresh over`,
    async () => {
      const stage = await CrashStage.open(options, [ID], { place: await options.create() });
      try {
        stage.expire();
        const process = await stage.start({
          traps: [{ connection: ID, at: 'after-intent', action: 'hold' }],
        });
        void process.call(ID);
        await process.reached(ID);
        const before = await stage.facts(ID);
        await process.ask({ kind: 'second-manager' });
        stage.emulator.clock.setRate(5);
        expect(await process.call(ID)).toMatchObject({ kind: 'error', code: 'refresh_in_progress' });
        expect(stage.presented(ID)).toEqual([]);
        expect(await stage.facts(ID)).toEqual(before);
        const outcome = (await stage.drive([[process, ID]])).get(ID);
        expect(outcome).toMatchObject({ kind: 'token' });
        expect(stage.presented(ID)).toEqual(['ok']);
      } finally {
        await stage.close();
      }
    },
    TIMEOUT_MS,
  );
}
