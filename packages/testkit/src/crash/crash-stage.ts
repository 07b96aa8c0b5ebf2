import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTokenManager, internals, type StoreKey, systemClock } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { digestOf } from '../digest.ts';
import { onVirtualTime } from '../herd/virtual-time.ts';
import { CrashProcess } from './crash-process.ts';
import type { CrashEmulator, CrashPlace, CrashSuiteOptions, CrashSwitches } from './options.ts';
import { factsOf, type RowFacts } from './trapped.ts';
import type { CallResult, CrashSetup } from './worker.ts';

/** What rows are sealed with. */
export const KEY = '0304'.repeat(16);
const HOUR_MS = 3_600_000;
/** Long enough for a refresh on a loaded machine at five times its speed. */
const WAIT_MS = 20_000;
/** A pause of this length is one for a lease: nothing is under way meanwhile, and the clock may leap over it. */
const LEASE_LIKE_MS = 20_000;
/** Real milliseconds between two rounds of calls while something is under way. */
const AGAIN_MS = 100;
/**
 * A leap in the middle of a store's answer looks like a store whose clock jumped, by which a process then counts
 * leases anew. It takes 5 s for a jump.
 */
const STEP_MS = 2_000;
const MAX_TURNS = 2_000;

let compiled: string | null = null;

/** What the next processes made of a connection. `virtualMs`: how long it took by the emulator's clock. */
export type Outcome =
  | { readonly kind: 'token'; readonly calls: number; readonly virtualMs: number; readonly digest: string }
  | { readonly kind: 'refused'; readonly virtualMs: number; readonly code: string; readonly reason: string }
  /** The process that was asked has ended. */
  | { readonly kind: 'gone' };

/** An emulator, a place for rows, and processes between them. */
export class CrashStage {
  readonly emulator: CrashEmulator;
  readonly place: CrashPlace;
  /** Of the run, where there is one, so that the scan for secrets reads what is left in it. */
  readonly folder: string;
  readonly #worker: URL;
  readonly #processes: CrashProcess[] = [];
  #registration = '';

  private constructor(worker: URL, emulator: CrashEmulator, place: CrashPlace) {
    this.#worker = worker;
    this.emulator = emulator;
    this.place = place;
    this.folder = mkdtempSync(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'hq-crash-'));
  }

  /** Each of `connections` is signed in. */
  static async open<Place extends CrashPlace>(
    options: CrashSuiteOptions,
    connections: readonly string[],
    setting: { readonly switches?: CrashSwitches; readonly place: Place },
  ): Promise<CrashStage & { readonly place: Place }> {
    const users = connections.map((connection) => ({ email: userOf(connection) }));
    const emulator = await options.emulator({ ...setting.switches, users });
    const stage = new CrashStage(options.worker, emulator, setting.place);
    await stage.#signIn(connections);
    return stage as CrashStage & { readonly place: Place };
  }

  async start(setup: Partial<CrashSetup> = {}, quiet = false): Promise<CrashProcess> {
    const journalDir = join(this.folder, 'journal');
    const started = await CrashProcess.start(this.#worker, this.place.args, {
      setup: { traps: [], journals: [], journalDir, timeScale: 1, waitMs: WAIT_MS, ...setup },
      env: { ...this.emulator.env, HIGHQ_ENCRYPTION_KEYS: `k1:${KEY}`, NODE_COMPILE_CACHE: compileCache() },
      quiet,
    });
    this.#processes.push(started);
    return started;
  }

  /** All access tokens run out. */
  expire(): void {
    this.emulator.clock.advance(6 * HOUR_MS);
  }

  /**
   * Calls until there is a definite answer for each connection. While somebody's request may be under way, calls wait
   * for it; while all wait for leases, the clock leaps to the end of the first.
   */
  async drive(asked: readonly (readonly [CrashProcess, string])[]): Promise<Map<string, Outcome>> {
    const { clock } = this.emulator;
    const startedAt = clock.now();
    const outcomes = new Map<string, Outcome>();
    for (let turn = 1; outcomes.size < asked.length; turn += 1) {
      if (turn > MAX_TURNS) throw new Error('some connections never get a definite answer');
      const pauses: number[] = [];
      const pending = asked.filter(([, connection]) => !outcomes.has(connection));
      await Promise.all(
        pending.map(async ([asks, connection]) => {
          const result = await asks.call(connection);
          const virtualMs = clock.now() - startedAt;
          if (result?.kind === 'error' && result.retryable) pauses.push(result.retryAfterMs ?? 0);
          else outcomes.set(connection, outcomeOf(result, turn, virtualMs));
        }),
      );
      const shortest = Math.min(...pauses);
      if (pauses.length === 0) continue;
      if (shortest > LEASE_LIKE_MS) await this.pass(shortest, new Set(pending.map(([asks]) => asks)));
      else await realTime(AGAIN_MS);
    }
    return outcomes;
  }

  /** Moves the clock, and lets `processes` follow. */
  async pass(ms: number, processes: Iterable<CrashProcess>): Promise<void> {
    const followers = [...processes];
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.emulator.clock.advance(Math.min(left, STEP_MS));
      await Promise.all(followers.map((follower) => follower.ask({ kind: 'sync' })));
    }
  }

  /** From now on, one refresh of `connection` is held up before or after the provider processes it. */
  hold(connection: string, when: 'before' | 'after', delayMs: number): () => boolean {
    const match = { endpoint: 'token', grantType: 'refresh_token', connection: userOf(connection) } as const;
    const { id } = this.emulator.faults.add({ match, kind: 'delay', delayMs, when, times: 1 });
    const issued = this.#issued(connection);
    return () => {
      const struck = this.emulator.faults.list().find((fault) => fault.id === id)?.struck === 1;
      return struck && (when === 'before' || this.#issued(connection) > issued);
    };
  }

  /** Verdicts on the refresh tokens that were presented for `connection`, in order. */
  presented(connection: string): string[] {
    const user = userOf(connection);
    return this.emulator.ledger
      .filter({ kind: 'presented', tokenType: 'refresh', user })
      .map(({ verdict }) => verdict);
  }

  /** Was a pair issued for `connection` whose answer no client can have read? */
  rotatedUnread(connection: string): boolean {
    return this.emulator.ledger.unread().some(({ user }) => user === userOf(connection));
  }

  /** Was a refresh token issued for `connection` that nobody has presented since, beyond the first generation? */
  rotatedUnused(connection: string): boolean {
    const user = userOf(connection);
    const newest = this.emulator.ledger.filter({ kind: 'issued', tokenType: 'refresh', user }).at(-1);
    const used = this.emulator.ledger.filter({ kind: 'presented', tokenType: 'refresh', user });
    return (newest?.generation ?? 0) > 1 && !used.some(({ token }) => token === newest?.token);
  }

  /** What the provider's API answers to the token that a process was handed. */
  async statusOf(connection: string, digest: string): Promise<number> {
    const user = userOf(connection);
    const issued = this.emulator.ledger.filter({ kind: 'issued', tokenType: 'access', user });
    const token = issued.find((line) => digestOf(line.token) === digest)?.token ?? '';
    const { pathname } = new URL(this.emulator.env.HIGHQ_INSTANCE_URL);
    const headers = { authorization: `Bearer ${token}` };
    const response = await this.emulator.fetch(`${pathname}/api/6/sites`, { headers });
    await response.arrayBuffer();
    return response.status;
  }

  keyOf(connection: string): StoreKey {
    return { registration: this.#registration, kind: 'grant', id: connection };
  }

  async facts(connection: string): Promise<RowFacts | null> {
    const { row } = await this.place.store.read(this.keyOf(connection));
    return row && factsOf(row);
  }

  async close(): Promise<void> {
    for (const process of this.#processes) await process.kill();
    await this.emulator.close();
    await this.place.store.close().catch(() => {});
    await this.place.end?.();
    if (!process.env.HQ_RUN_DIR) rmSync(this.folder, { recursive: true, force: true });
  }

  #issued(connection: string): number {
    const user = userOf(connection);
    return this.emulator.ledger.filter({ kind: 'issued', tokenType: 'refresh', user }).length;
  }

  async #signIn(connections: readonly string[]): Promise<void> {
    const { env } = this.emulator;
    const clock = followClock(env.HIGHQ_TEST_CLOCK);
    const manager = createTokenManager({
      instanceUrl: env.HIGHQ_INSTANCE_URL,
      clientId: env.HIGHQ_CLIENT_ID,
      clientSecret: env.HIGHQ_CLIENT_SECRET,
      store: onVirtualTime(this.place.store),
      encryption: { keys: [{ id: 'k1', key: KEY }] },
      provider: { allowLoopback: true },
      clock,
    });
    await clock.sync();
    this.#registration = manager[internals].registration;
    for (const connection of connections) {
      const { code } = await this.emulator.authorize({ user: userOf(connection) });
      await manager.connection(connection).exchangeCode(code);
    }
    await manager.close();
    clock.close();
  }
}

/** What processes compile is kept for those after them: starting is most of their work. */
function compileCache(): string {
  compiled ??= mkdtempSync(join(tmpdir(), 'hq-crash-compiled-'));
  return compiled;
}

export function dropCompileCache(): void {
  if (compiled) rmSync(compiled, { recursive: true, force: true });
  compiled = null;
}

export function realTime(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.setTimer(resolve, ms, { keepAlive: true }));
}

export function userOf(connection: string): string {
  return `${connection}@clientname.com`;
}

function outcomeOf(result: CallResult | null, calls: number, virtualMs: number): Outcome {
  if (result === null) return { kind: 'gone' };
  if (result.kind === 'token') return { kind: 'token', calls, virtualMs, digest: result.digest };
  return { kind: 'refused', virtualMs, code: result.code, reason: result.reason ?? '' };
}
