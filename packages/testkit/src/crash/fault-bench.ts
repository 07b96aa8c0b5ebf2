import { createTokenManager, type TokenManager } from '@hq-oauth/core';
import { type FollowedClock, followClock } from '@hq-oauth/core/testing';
import { onVirtualTime } from '../herd/virtual-time.ts';
import { CrashStage, KEY, realTime } from './crash-stage.ts';
import { HingedStore } from './hinged-store.ts';
import type { CrashPlace, CrashSuiteOptions, CrashSwitches } from './options.ts';

const STEP_MS = 1_000;
/** Real milliseconds in which managers take in what a step of the clock has brought. */
const TURN_MS = 15;
const TURNS = 400;

export type KeyRing = readonly { readonly id: string; readonly key: string }[];

export interface Hinged {
  readonly manager: TokenManager;
  readonly store: HingedStore;
}

/** Several managers of this process on one real store and one emulator. */
export class FaultBench {
  readonly stage: CrashStage;
  readonly #clock: FollowedClock;
  readonly #managers: TokenManager[] = [];

  private constructor(stage: CrashStage, clock: FollowedClock) {
    this.stage = stage;
    this.#clock = clock;
  }

  /** `connection` is signed in. */
  static async open(
    options: CrashSuiteOptions,
    connection: string,
    { place, switches }: { readonly place: CrashPlace; readonly switches?: CrashSwitches },
  ): Promise<FaultBench> {
    const stage = await CrashStage.open(options, [connection], {
      place,
      ...(switches ? { switches } : {}),
    });
    const clock = followClock(stage.emulator.env.HIGHQ_TEST_CLOCK);
    await clock.sync();
    return new FaultBench(stage, clock);
  }

  manager(keys: KeyRing = [{ id: 'k1', key: KEY }]): Hinged {
    const { env } = this.stage.emulator;
    const store = new HingedStore(onVirtualTime(this.stage.place.store));
    const manager = createTokenManager({
      instanceUrl: env.HIGHQ_INSTANCE_URL,
      clientId: env.HIGHQ_CLIENT_ID,
      clientSecret: env.HIGHQ_CLIENT_SECRET,
      store,
      encryption: { keys },
      provider: { allowLoopback: true },
      clock: this.#clock,
    });
    this.#managers.push(manager);
    return { manager, store };
  }

  /** Lets virtual time go by in steps, and real answers come in between. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.stage.emulator.clock.advance(Math.min(left, STEP_MS));
      await this.#clock.sync();
      await realTime(TURN_MS);
    }
  }

  /** Lets time go by until `reached` says so. */
  async until(reached: () => boolean): Promise<void> {
    for (let turn = 0; !reached(); turn += 1) {
      if (turn > TURNS) throw new Error('what the test waits for does not come');
      await this.pass(STEP_MS);
    }
  }

  /** A call that is made again whenever its error says that it may be, as callers do. */
  async token(manager: TokenManager, connection: string): Promise<string> {
    for (let turn = 0; ; turn += 1) {
      const result = await this.settled(manager.connection(connection).getAccessToken({ waitMs: 0 }));
      if (typeof result === 'string') return result;
      if (turn > TURNS || Reflect.get(Object(result), 'retryable') !== true) throw result;
      await this.pass(STEP_MS);
    }
  }

  /** What a call came to, value or error. */
  settled<T>(call: Promise<T>): Promise<T | unknown> {
    return call.catch((error: unknown) => error);
  }

  async close(): Promise<void> {
    for (const manager of this.#managers) await manager.close({ timeoutMs: 0 });
    this.#clock.close();
    await this.stage.close();
  }
}
