import { createTokenManager, type StoreRow, type TokenStore } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findViolations } from '../stores/cas-history.ts';
import { Herd } from './herd.ts';
import { onVirtualTime } from './virtual-time.ts';
import { HERD_CONNECTION, HERD_COUNTERS, HERD_LIMITED, HERD_REGISTRATION } from './worker.ts';

/** The part of an emulator of `@hq-oauth/emulator` that a herd needs. */
export interface HerdEmulator {
  readonly env: {
    readonly HIGHQ_INSTANCE_URL: string;
    readonly HIGHQ_CLIENT_ID: string;
    readonly HIGHQ_CLIENT_SECRET: string;
    readonly HIGHQ_TEST_CLOCK: string;
  };
  readonly clock: { advance(ms: number): unknown };
  readonly ledger: {
    count(filter: { kind: 'presented'; tokenType: 'refresh' }): number;
    refreshes(): number;
    presentedTwice(): number;
  };
  authorize(input?: { readonly user: string }): Promise<{ readonly code: string }>;
  close(): Promise<void>;
}

export interface HerdSuiteOptions {
  /** Of the store, for the titles of the tests. */
  readonly name: string;
  /** A file that calls `workInHerd` with a store on the rows that `args` (its `process.argv`) name. */
  readonly worker: URL;
  /** Makes a place without rows. `store`: a handle on it, which the suite closes; `args`: what the worker gets. */
  create(): Promise<{ readonly store: TokenStore; readonly args: readonly string[] }>;
  emulator(): Promise<HerdEmulator>;
  /**
   * How often the tokens run out.
   *
   * @default HQ_HERD_ROUNDS, or 20
   */
  readonly rounds?: number;
  /**
   * How many calls that the user may not make, over three hours.
   *
   * @default HQ_HERD_FORBIDDEN, or 1,024
   */
  readonly forbidden?: number;
}

const PROCESSES = 8;
const CALLERS = 125;
const INCREMENTS = 200;
const AT_A_TIME = 64;
/** Of the emulator's usual users, the one who may read nobody but himself. */
const LIMITED_USER = 'limited@clientname.com';
const DENIED = '403 {"statuscode":403,"message":"You may not read this user"}';
const HOUR_MS = 3_600_000;
const TIMEOUT_MS = 300_000;
const KEY = '0102'.repeat(16);

/** Defines vitest tests with several real processes on one store. */
export function herdSuite(options: HerdSuiteOptions): void {
  const { name, worker, create, rounds = Number(process.env.HQ_HERD_ROUNDS ?? '20') } = options;
  const { forbidden = Number(process.env.HQ_HERD_FORBIDDEN ?? '1024') } = options;
  describe(`${PROCESSES} processes on one ${name} store`, () => {
    const cleanups: Array<() => Promise<void>> = [];
    let emulator: HerdEmulator;
    let store: TokenStore;
    let herd: Herd;

    // One for all tests: starting processes is most of the work.
    beforeAll(async () => {
      emulator = await options.emulator();
      cleanups.push(() => emulator.close());
      const place = await create();
      store = place.store;
      cleanups.push(() => store.close());
      const env = { ...process.env, ...emulator.env, HIGHQ_ENCRYPTION_KEYS: `k1:${KEY}` };
      herd = await Herd.start(worker, place.args, { size: PROCESSES, env });
      cleanups.push(() => herd.kill());
    }, TIMEOUT_MS);

    afterAll(async () => {
      for (const clean of cleanups.splice(0).reverse()) await clean();
    }, TIMEOUT_MS);

    it(
      `F38 ${name}: lose none of ${PROCESSES} × ${INCREMENTS} increments`,
      async () => {
        const reports = await herd.order((index) => ({
          kind: 'race',
          wins: INCREMENTS,
          worker: String(index),
        }));
        expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
        const rows = new Map<string, StoreRow | null>();
        for (const id of HERD_COUNTERS) {
          rows.set(id, (await store.read({ registration: HERD_REGISTRATION, kind: 'grant', id })).row);
        }
        // Each revision that was won leads to the row that stands at the end.
        const events = reports.flatMap((report) => report.events);
        expect(findViolations(events, rows).slice(0, 10)).toEqual([]);
        expect(events.filter(({ kind }) => kind === 'won')).toHaveLength(PROCESSES * INCREMENTS);
      },
      TIMEOUT_MS,
    );

    it(
      `F38 ${name}: ${PROCESSES} × ${CALLERS} callers send one refresh a round and none fails, ${rounds} rounds`,
      async () => {
        await signIn(emulator, store, HERD_CONNECTION);
        const failures: string[] = [];
        const handedOut: string[] = [];
        for (let round = 1; round <= rounds; round += 1) {
          emulator.clock.advance(6 * HOUR_MS);
          const reports = await herd.order(() => ({ kind: 'call', callers: CALLERS }));
          failures.push(...reports.flatMap((report) => report.failures));
          // Every caller of every process was handed the same token, and not one of an earlier round.
          const [token = 'none'] = reports[0]?.digests ?? [];
          expect(reports.map(({ digests }) => digests)).toEqual(reports.map(() => [token]));
          expect(handedOut).not.toContain(token);
          handedOut.push(token);
          expect(emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' })).toBe(round);
        }
        expect(failures).toEqual([]);
        expect(emulator.ledger.refreshes()).toBe(rounds);
        expect(emulator.ledger.presentedTwice()).toBe(0);
      },
      TIMEOUT_MS,
    );

    it.each([
      ['with the canary send no refresh', true],
      ['without it one an hour in total', false],
    ] as const)(
      `F66 ${name}: ${PROCESSES} processes, ${forbidden} forbidden calls over three hours, %s`,
      async (_, canary) => {
        await signIn(emulator, store, HERD_LIMITED, LIMITED_USER);
        const presented = (): number => emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
        const before = presented();
        const batches = Math.ceil(forbidden / AT_A_TIME);
        const each = AT_A_TIME / PROCESSES;
        const answers = new Map<string, number>();
        const failures: string[] = [];
        for (let batch = 0; batch < batches; batch += 1) {
          emulator.clock.advance((3 * HOUR_MS) / batches);
          const reports = await herd.order((index) => ({
            kind: 'fetch',
            canary,
            paths: Array.from({ length: each }, (_each, at) => {
              const n = batch * AT_A_TIME + index * each + at;
              return `6/users/u${n}@clientname.com?type=email`;
            }),
          }));
          failures.push(...reports.flatMap((report) => report.failures));
          for (const answer of reports.flatMap((report) => report.answers)) {
            answers.set(answer, (answers.get(answer) ?? 0) + 1);
          }
        }
        expect(failures).toEqual([]);
        expect([...answers]).toEqual([[DENIED, batches * AT_A_TIME]]);
        const refreshes = presented() - before;
        // One in each hour, and none would mean that the guess was never made.
        if (canary) expect(refreshes).toBe(0);
        else expect(refreshes).toBe(3);
        expect(emulator.ledger.presentedTwice()).toBe(0);
      },
      TIMEOUT_MS,
    );

    it(`${name}: ${PROCESSES} processes end by themselves`, () => herd.end(), TIMEOUT_MS);
  });
}

async function signIn(
  emulator: HerdEmulator,
  store: TokenStore,
  connection: string,
  user?: string,
): Promise<void> {
  const { env } = emulator;
  // As the processes do, or the token would be dated days before their time.
  const clock = followClock(env.HIGHQ_TEST_CLOCK);
  const manager = createTokenManager({
    clock,
    instanceUrl: env.HIGHQ_INSTANCE_URL,
    clientId: env.HIGHQ_CLIENT_ID,
    clientSecret: env.HIGHQ_CLIENT_SECRET,
    store: onVirtualTime(store),
    encryption: { keys: [{ id: 'k1', key: KEY }] },
    provider: { allowLoopback: true },
  });
  const { code } = await emulator.authorize(user === undefined ? undefined : { user });
  await manager.connection(connection).exchangeCode(code);
  await manager.close();
  clock.close();
}
