import { expect, it } from 'vitest';
import { CrashStage, realTime } from './crash-stage.ts';
import type { CrashSuiteOptions, OutagePlace } from './options.ts';

const TIMEOUT_MS = 300_000;
const LONGER_THAN_A_LEASE_MS = 200_000;
const AGAIN_MS = 50;
const ID = 'held';

/** The store goes away right after the provider has answered, for longer than a lease. */
export function outageTests(options: CrashSuiteOptions, rounds: number): void {
  for (const { name, open } of options.outages) {
    it(
      `F44 F46 F107 ${options.name}: ${name} right after the provider answered: the call returns, shutdown waits, and nobody beats the holder to it`,
      async () => {
        for (let round = 0; round < rounds; round += 1) await holdThrough(await open());
      },
      TIMEOUT_MS * rounds,
    );
  }

  async function holdThrough(place: OutagePlace): Promise<void> {
    const stage = await CrashStage.open(options, [ID], { switches: { reuse: 'family-revoked' }, place });
    try {
      const [holder, prober] = await Promise.all([
        stage.start({ traps: [{ connection: ID, at: 'before-pair', action: 'hold' }] }),
        stage.start({ waitMs: 1_000 }),
      ]);
      // A store that comes back empty is one that it knows better than.
      expect(await prober.call(ID)).toMatchObject({ kind: 'token' });
      stage.expire();
      const call = holder.call(ID);
      await holder.reached(ID);
      // It waits for the refresh, and will probe.
      const waiting = prober.call(ID);
      await prober.ask({ kind: 'sync' });
      await place.down();
      await holder.ask({ kind: 'go-on', connection: ID });

      const served = await call;
      expect(served).toMatchObject({ kind: 'token' });
      expect(await waiting).toMatchObject({ kind: 'error', retryable: true });
      await stage.pass(LONGER_THAN_A_LEASE_MS, [holder, prober]);
      expect(await holder.call(ID)).toEqual(served);

      let closed = false;
      const closing = holder.ask({ kind: 'close' }).then(() => {
        closed = true;
      });
      // A round trip to each of them.
      await stage.pass(1, [holder, prober]);
      expect(closed).toBe(false);
      // The other one is at it all the time, in real time: drivers take theirs to connect again.
      const probing = (async () => {
        while (!closed) await Promise.all([prober.call(ID), realTime(AGAIN_MS)]);
      })();
      await place.up();
      await closing;
      expect(await holder.gone).toBe(0);
      await probing;

      expect((await stage.drive([[prober, ID]])).get(ID)).toMatchObject(served ?? {});
      expect(stage.presented(ID)).toEqual(['ok']);
      expect(await stage.facts(ID)).toMatchObject({ generation: 2, deadReason: null });
      // A newcomer may find a repair that has run out and renew once more; nothing is ever presented twice.
      const next = await stage.start();
      expect(await next.call(ID)).toMatchObject({ kind: 'token' });
      expect(new Set(stage.presented(ID))).toEqual(new Set(['ok']));
    } finally {
      await stage.close();
    }
  }
}
