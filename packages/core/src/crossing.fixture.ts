import { expect, vi } from 'vitest';
import type { Connection, TokenManager } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import type { Journal } from './journal.ts';
import { Bench, type ManagerOptions, MINUTE, type UnderWay } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import { storeJournal } from './store-journal.ts';

/** One process of several on one store, with a connection to it of its own. */
export interface Process {
  readonly link: FlakyStore;
  readonly manager: TokenManager;
  readonly ann: Connection;
}

/** Of this process. */
export interface UnderWayOf extends UnderWay {
  readonly process: Process;
}

/** Several processes on one store, and a provider that keeps one grant of a person, unless told otherwise: the one it made last. */
export class Crossing {
  readonly bench: Bench;
  /** The store that all of them reach. */
  readonly shared = new RestoredStore();
  readonly #links: FlakyStore[] = [];

  private constructor(bench: Bench) {
    this.bench = bench;
  }

  static async open(): Promise<Crossing> {
    const registrations = [{ tokenExpirationMs: 30 * MINUTE }];
    return new Crossing(await Bench.open({ registrations, grants: 'newest' }));
  }

  /** From now on the provider keeps all grants of a person. */
  keepAllGrants(): void {
    this.bench.emulator.switches.set({ grants: 'many' });
  }

  start(options: ManagerOptions = {}): Process {
    const link = new FlakyStore(this.shared);
    this.#links.push(link);
    const manager = this.bench.manager({ store: link, ...options });
    return { link, manager, ann: manager.connection('ann') };
  }

  /** With this rescue folder, as those that are started after it; '': without one. */
  startIn(folder: string, options: ManagerOptions = {}): Process {
    vi.stubEnv('HIGHQ_RESCUE_DIR', folder);
    return this.start(options);
  }

  async code(): Promise<string> {
    return (await this.bench.emulator.authorize()).code;
  }

  /** A sign-in whose answer comes so much later. */
  async signingIn(
    process: Process,
    delayMs: number,
    options: { readonly confirm?: boolean } = {},
  ): Promise<UnderWayOf> {
    return { process, ...(await this.bench.signingIn(process.ann, delayMs, options)) };
  }

  /** A refresh whose answer comes so much later. */
  async refreshing(process: Process, delayMs: number): Promise<UnderWayOf> {
    const ask = () => process.ann.refresh({ force: true }).catch((error: unknown) => error);
    return { process, ...(await this.bench.refreshing(delayMs, ask)) };
  }

  async pass(ms: number): Promise<void> {
    await this.bench.clock.advance(ms);
    await this.bench.clock.settle(50);
  }

  /** The time until the answer comes. */
  async #passUntil({ dueAt }: UnderWay): Promise<void> {
    await this.pass(Math.max(0, dueAt - this.bench.clock.monotonic()));
  }

  /** What is in hand then is rescued; the store is there again. */
  async stop({ link, manager }: Process): Promise<void> {
    await this.bench.stop(manager);
    await this.bench.clock.advance(10_000);
    link.down = false;
  }

  /** The answers come when the store is away for their processes, which end then: what they have in hand is rescued. */
  async rescue(...underWay: readonly UnderWayOf[]): Promise<void> {
    for (const { process } of underWay) process.link.down = true;
    for (const one of [...underWay].sort((a, b) => a.dueAt - b.dueAt)) await this.#passUntil(one);
    for (const process of new Set(underWay.map(({ process }) => process))) await this.stop(process);
    await Promise.all(underWay.map(({ ended }) => ended));
  }

  /** Two sign-ins that cross, and are rescued each by its own process. The provider makes the second one last, and answers it first. */
  async rescueCrossed(first: Process, second: Process): Promise<void> {
    const earlier = await this.signingIn(first, 6_000);
    await this.bench.clock.advance(50);
    const later = await this.signingIn(second, 1_000);
    await this.rescue(later, earlier);
  }

  /** The answer comes when the store is away for its process, which writes down what it has in hand, and goes on waiting. */
  async writeDown(underWay: UnderWayOf): Promise<void> {
    underWay.process.link.down = true;
    await this.#passUntil(underWay);
    for (let seconds = 0; seconds < 14; seconds += 1) await this.pass(1_000);
  }

  /** Resolves when the sign-in is turned down because its person has left meanwhile; the clock waits for the disk. */
  async turnedDown({ ended }: UnderWay): Promise<void> {
    let answer: unknown;
    void ended.then((error) => {
      answer = error;
    });
    const over = async (): Promise<void> => {
      await this.bench.clock.advance(500);
      expect(answer).toMatchObject({ reason: 'disconnected_meanwhile' });
    };
    await vi.waitFor(over, { timeout: 20_000, interval: 20 });
  }

  /** The next pair is in the journal of this process only: its store is away when the answer comes. */
  async renewInJournal(process: Process): Promise<void> {
    const refresh = await this.refreshing(process, 1_000);
    process.link.down = true;
    await this.bench.clock.advance(1_000);
    await refresh.ended;
  }

  /** The store takes the sign-in of `one` late; by then it is in hand under another place, which is rescued. `two` has renewed it. */
  async takeLate(one: Process, two: Process): Promise<void> {
    leaveUnanswered(one, 'late');
    const signIn = one.ann.exchangeCode(await this.code()).catch(() => undefined);
    await this.gone(one);
    await two.ann.refresh({ force: true });
    await this.stop(one);
    await signIn;
  }

  /** Resolves when the store is away for this process. */
  async gone({ link }: Process): Promise<void> {
    const isGone = async (): Promise<void> => {
      await this.bench.clock.advance(100);
      expect(link.down).toBe(true);
    };
    await vi.waitFor(isGone, { timeout: 20_000, interval: 5 });
  }

  /** What comes of it when a token is asked for again and again; the clock waits for the disk. */
  async outcome({ ann }: Pick<Process, 'ann'>, expected: string): Promise<void> {
    const asked = async (): Promise<void> => {
      await this.bench.clock.advance(1_000);
      const answer = ann.getAccessToken({ waitMs: 0 }).then(
        () => 'a token',
        (error) => error.code,
      );
      expect(await answer).toBe(expected);
    };
    await vi.waitFor(asked, { timeout: 20_000, interval: 20 });
  }

  /** It has a token in the end, and the provider takes it. */
  async served({ ann }: Pick<Process, 'ann'>): Promise<void> {
    await this.outcome({ ann }, 'a token');
    expect((await ann.fetch('6/sites')).status).toBe(200);
  }

  async close(): Promise<void> {
    for (const link of this.#links.splice(0)) link.down = false;
    await this.bench.close();
    vi.unstubAllEnvs();
  }
}

/** The store takes the next write of a grant without an answer, at once, or late: when another one comes. Then it is away. */
export function leaveUnanswered({ link }: Process, when: 'at once' | 'late'): void {
  const cas = link.cas.bind(link);
  let first: Parameters<typeof cas> | null = null;
  link.cas = async (...given) => {
    if (given[0].kind !== 'grant') return cas(...given);
    if (when === 'at once' || first) {
      await cas(...(first ?? given));
      link.down = true;
      link.cas = cas;
    }
    first ??= given;
    throw new Error('connection lost');
  };
}

/** The store is away as soon as a write comes. */
export function leaveAtWrite({ link }: Process): void {
  const cas = link.cas.bind(link);
  link.cas = async (...given) => {
    link.down = true;
    return cas(...given);
  };
}

/** The next read of a grant goes through, the one before a code is sent; those after it wait for the gate. */
export function holdReads({ link }: Process): PromiseWithResolvers<void> {
  const gate = Promise.withResolvers<void>();
  const read = link.read.bind(link);
  let reads = 0;
  link.read = async (key) => {
    if (key.kind === 'grant') reads += 1;
    if (reads > 1) await gate.promise;
    return read(key);
  };
  return gate;
}

/** Each call opens a journal that keeps its entries in the same place, as several processes do. */
export function sharedJournal(): () => Journal {
  const kept = memoryStore();
  return () => storeJournal(kept);
}
