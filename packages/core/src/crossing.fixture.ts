import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import type { Connection, TokenManager } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import type { TokenStore } from './token-store.ts';

/** One process of several on one store, with a connection to it of its own. */
export interface Process {
  readonly link: FlakyStore;
  readonly manager: TokenManager;
  readonly ann: Connection;
}

/** Several processes on one store, and a provider that keeps one grant of a person, unless told otherwise: the one it made last. */
export class Crossing {
  readonly bench: Bench;
  readonly #shared: TokenStore;
  readonly #links: FlakyStore[] = [];

  private constructor(bench: Bench, shared: TokenStore) {
    this.bench = bench;
    this.#shared = shared;
  }

  static async open(
    shared: TokenStore = memoryStore(),
    grants: 'newest' | 'many' = 'newest',
  ): Promise<Crossing> {
    const registrations = [{ tokenExpirationMs: 30 * MINUTE }];
    return new Crossing(await Bench.open({ registrations, grants }), shared);
  }

  start(options: ManagerOptions = {}): Process {
    const link = new FlakyStore(this.#shared);
    this.#links.push(link);
    const manager = this.bench.manager({ store: link, ...options });
    return { link, manager, ann: manager.connection('ann') };
  }

  async code(): Promise<string> {
    return (await this.bench.emulator.authorize()).code;
  }

  count(kind: 'presented' | 'issued', tokenType: 'code' | 'refresh'): number {
    return this.bench.emulator.ledger.count({ kind, tokenType });
  }

  /** A sign-in whose answer is on the way for so long. The provider has made it when this resolves. */
  async signingIn(
    { ann }: Pick<Process, 'ann'>,
    delayMs: number,
  ): Promise<{ readonly ended: Promise<unknown> }> {
    const { bench } = this;
    const before = this.count('presented', 'code');
    const code = await this.code();
    bench.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs, times: 1 });
    const ended = ann.exchangeCode(code).catch((error: unknown) => error);
    await vi.waitFor(() => expect(this.count('presented', 'code')).toBe(before + 1));
    return { ended };
  }

  async pass(ms: number): Promise<void> {
    await this.bench.clock.advance(ms);
    await this.bench.clock.settle(50);
  }

  /** What is in hand then is rescued; the store is there again. */
  async stop({ link, manager }: Process): Promise<void> {
    const { clock } = this.bench;
    const closed = manager.close({ timeoutMs: 1_000 });
    await clock.advance(1_000);
    await closed;
    await clock.advance(10_000);
    link.down = false;
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

  async close(): Promise<void> {
    for (const link of this.#links.splice(0)) link.down = false;
    await this.bench.close();
  }
}

/** A rescue folder for the processes that are started from now on. */
export async function rescueFolder(): Promise<string> {
  const dir = await mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'crossing-'));
  vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
  return dir;
}

export async function filesIn(dir: string): Promise<readonly string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.json'));
}
