import { expect, it } from 'vitest';
import { KEY, userOf } from './crash-stage.ts';
import { FaultBench, type KeyRing } from './fault-bench.ts';
import type { CrashPlace, CrashSuiteOptions, CrashSwitches } from './options.ts';

const TIMEOUT_MS = 120_000;
const LEASE_MS = 180_000;
const ID = 'ann';
const NEXT_KEY = '0506'.repeat(16);

/** Faults between managers and rows that need no process of their own, on real rows. */
export function faultTests(options: CrashSuiteOptions): void {
  const { name } = options;

  function test(
    title: string,
    body: (bench: FaultBench) => Promise<void>,
    setting: { readonly switches?: CrashSwitches; readonly open?: () => Promise<CrashPlace> } = {},
  ): void {
    const run = async (): Promise<void> => {
      const place = await (setting.open ?? options.create)();
      const bench = await FaultBench.open(options, ID, { ...setting, place });
      try {
        await body(bench);
      } finally {
        await bench.close();
      }
    };
    it(title, run, TIMEOUT_MS);
  }

  test(
    `F40 F116 ${name}: a lease runs out under a live holder and the store flaps while another settles: the holder's pair wins`,
    async (bench) => {
      const { stage } = bench;
      const [holder, prober] = [bench.manager(), bench.manager()];
      stage.expire();
      const held = holder.store.holdPair();
      const call = holder.manager.connection(ID).getAccessToken({ waitMs: 3_600_000 });
      await held.reached;
      await bench.pass(LEASE_MS + 1_000);
      const probing = bench.settled(prober.manager.connection(ID).getAccessToken({ waitMs: 3_600_000 }));
      await bench.until(() => prober.store.announcements > 0);
      await bench.pass(3_000);
      prober.store.down = true;
      await bench.pass(2_000);
      prober.store.down = false;
      // Longer than a settle time since the announcement, and shorter than one since the store is back.
      await bench.pass(3_000);
      expect(stage.presented(ID)).toEqual(['ok']);
      held.release();
      const token = await call;
      await bench.pass(6_000);
      expect(await probing).toBe(token);
      expect(stage.presented(ID)).toEqual(['ok']);
      expect(await stage.facts(ID)).toMatchObject({ generation: 2, intent: null, deadReason: null });
    },
    { switches: { reuse: 'family-revoked' } },
  );

  test(`F42 ${name}: asked again 5 ms after a refresh of unknown outcome, a process sends nothing`, async (bench) => {
    const { stage } = bench;
    const { manager } = bench.manager();
    const match = { endpoint: 'token', grantType: 'refresh_token', connection: userOf(ID) } as const;
    stage.emulator.faults.add({ match, kind: 'status', status: 502, times: 1 });
    stage.expire();
    const uncertain = { code: 'rotation_uncertain', retryable: true };
    await expect(manager.connection(ID).getAccessToken()).rejects.toMatchObject(uncertain);
    stage.emulator.clock.advance(5);
    await expect(manager.connection(ID).getAccessToken({ waitMs: 0 })).rejects.toMatchObject({
      retryable: true,
    });
    expect(stage.presented(ID)).toEqual(['unprocessed']);
    await bench.token(manager, ID);
    expect(stage.presented(ID)).toEqual(['unprocessed', 'ok']);
  });

  for (const outage of options.outages) {
    test(
      `F43 ${name}: ${outage.name}: what is valid is served, nothing is sent, and calls go on when it is back`,
      async (bench) => {
        const { stage } = bench;
        const { manager } = bench.manager();
        const connection = manager.connection(ID);
        const token = await connection.getAccessToken();
        const place = stage.place as Awaited<ReturnType<typeof outage.open>>;
        await place.down();
        expect(await connection.getAccessToken()).toBe(token);
        await bench.pass(60_000);
        expect(await connection.getAccessToken()).toBe(token);
        stage.expire();
        // A file that another process locks can still be read: the refresh then waits with its intent.
        const refused: unknown = await bench.settled(connection.getAccessToken({ waitMs: 1_000 }));
        expect(['store_unavailable', 'refresh_in_progress']).toContain(Reflect.get(Object(refused), 'code'));
        expect(stage.presented(ID)).toEqual([]);
        await place.up();
        expect(await bench.token(manager, ID)).not.toBe(token);
        expect(new Set(stage.presented(ID))).toEqual(new Set(['ok']));
      },
      { open: outage.open },
    );
  }

  test(`F55 ${name}: a disconnect during a refresh stands, also when the row falls back`, async (bench) => {
    const { stage } = bench;
    const [holder, other] = [bench.manager(), bench.manager()];
    stage.expire();
    const older = await stage.place.store.read(stage.keyOf(ID));
    const held = holder.store.holdPair();
    const call = bench.settled(holder.manager.connection(ID).getAccessToken());
    await held.reached;
    await other.manager.connection(ID).disconnect();
    held.release();
    const gone = { code: 'not_connected' };
    expect(await call).toMatchObject(gone);
    expect((await other.manager.connection(ID).status()).state).toBe('disconnected');
    const { row } = await stage.place.store.read(stage.keyOf(ID));
    if (older.row && row) await stage.place.store.cas(stage.keyOf(ID), row.rev, older.row);
    await bench.pass(31_000);
    await expect(other.manager.connection(ID).getAccessToken()).rejects.toMatchObject(gone);
    await expect(bench.manager().manager.connection(ID).getAccessToken()).rejects.toMatchObject(gone);
    expect(stage.presented(ID)).toEqual(['ok']);
  });

  test(`F56 ${name}: a later version's members survive a refresh, and its schema is left alone`, async (bench) => {
    const { stage } = bench;
    const { store } = stage.place;
    const key = stage.keyOf(ID);
    const rewrite = async (change: Record<string, unknown>): Promise<string> => {
      const { row } = await store.read(key);
      if (!row) throw new Error('the row is gone');
      const body = JSON.stringify({ ...JSON.parse(row.body), ...change });
      expect(await store.cas(key, row.rev, { ...row, body })).toMatchObject({ ok: true });
      return body;
    };
    await rewrite({ laterMember: { kept: true } });
    stage.expire();
    await bench.manager().manager.connection(ID).getAccessToken();
    const { row } = await store.read(key);
    expect(JSON.parse(row?.body ?? '')).toMatchObject({ generation: 2, laterMember: { kept: true } });

    const later = await rewrite({ v: 99 });
    stage.expire();
    await expect(bench.manager().manager.connection(ID).getAccessToken()).rejects.toMatchObject({
      code: 'record_unreadable',
      reason: 'later_schema',
    });
    expect((await store.read(key)).row?.body).toBe(later);
    expect(stage.presented(ID)).toEqual(['ok']);
  });

  test(`F74 ${name}: keys are added, promoted, sealed anew and retired, and no call fails`, async (bench) => {
    const { stage } = bench;
    const old = { id: 'k1', key: KEY };
    const next = { id: 'k2', key: NEXT_KEY };
    const rings: readonly KeyRing[] = [[old], [old, next], [next, old]];
    const managers = rings.map((ring) => bench.manager(ring).manager);
    const callAll = async (): Promise<void> => {
      stage.expire();
      for (const manager of managers) await bench.token(manager, ID);
    };
    await callAll();
    // From here on the first ring is distributed nowhere any more.
    await managers.shift()?.close();
    await callAll();
    expect(await managers.at(-1)?.reseal()).toMatchObject({ left: [] });
    await managers.shift()?.close();
    managers.push(bench.manager([next]).manager);
    await callAll();
    expect(new Set(stage.presented(ID))).toEqual(new Set(['ok']));
  });

  test(`F118 ${name}: the answer to the intent's write is lost: found again, the flight goes on`, async (bench) => {
    const { stage } = bench;
    const { manager, store } = bench.manager();
    const token = await manager.connection(ID).getAccessToken();
    stage.expire();
    store.loseIntent = true;
    expect(await manager.connection(ID).getAccessToken()).not.toBe(token);
    expect(store.loseIntent).toBe(false);
    expect(stage.presented(ID)).toEqual(['ok']);
    expect(await stage.facts(ID)).toMatchObject({ generation: 2, intent: null });
  });
}
