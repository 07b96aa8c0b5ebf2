import { createEmulator, type Emulator, type EmulatorOptions } from '@hq-oauth/emulator';
import { expect, onTestFinished, vi } from 'vitest';
import type { Connection, TokenManager } from './contracts.ts';
import type { HighQEvents } from './events.ts';
import { memoryStore } from './memory-store.ts';
import { someKey } from './options.fixture.ts';
import type { TokenManagerOptions } from './options.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { createTestManager } from './testing/test-manager.ts';
import type { TokenStore } from './token-store.ts';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
export const USER = 'user@clientname.com';

export const EVENTS = [
  'refreshed',
  'refreshFailed',
  'uncertain',
  'reauthorizationRequired',
  'horizon',
  'persistFailed',
  'anomaly',
  'disconnected',
] as const;

export type ManagerOptions = Partial<TokenManagerOptions>;

/** What the token endpoint has done already, and whose answer is on its way. */
export interface UnderWay<T = unknown> {
  /** When the answer comes, by the monotonic clock. */
  readonly dueAt: number;
  readonly ended: Promise<T>;
}

/** An emulator, a manager and one clock for both, which stands still until it is moved. */
export class Bench {
  readonly clock: ManualClock;
  readonly emulator: Emulator;
  readonly events: { readonly name: keyof HighQEvents; readonly event: HighQEvents[keyof HighQEvents] }[] =
    [];
  readonly managers: TokenManager[] = [];
  readonly store = memoryStore();
  readonly encryption = { keys: [{ id: 'k1', key: someKey }] };

  private constructor(clock: ManualClock, emulator: Emulator) {
    this.clock = clock;
    this.emulator = emulator;
  }

  static async open(options: EmulatorOptions = {}): Promise<Bench> {
    const clock = new ManualClock();
    const marker = process.env.HQ_EMULATOR_TOKEN_MARKER;
    const emulator = await createEmulator({ clock, ...(marker ? { tokenMarker: marker } : {}), ...options });
    return new Bench(clock, emulator);
  }

  /** For the test that runs: one connection that is signed in, on this store; `start` opens further managers like its first. */
  static async connected<S extends TokenStore>(
    store: S,
    { lifeMs = 30 * MINUTE, ...options }: ManagerOptions & { readonly lifeMs?: number } = {},
  ) {
    const bench = await Bench.open({ registrations: [{ tokenExpirationMs: lifeMs }] });
    onTestFinished(() => bench.close());
    const start = (more: ManagerOptions = {}): TokenManager => bench.manager({ store, ...options, ...more });
    const manager = start();
    const connection = manager.connection('ann');
    await bench.signIn(connection);
    return { bench, store, manager, connection, start };
  }

  manager(options: ManagerOptions = {}): TokenManager {
    const manager = createTestManager(this.emulator.env, {
      store: this.store,
      clock: this.clock,
      encryption: this.encryption,
      ...options,
    });
    for (const name of EVENTS) manager.on(name, (event) => this.events.push({ name, event }));
    this.managers.push(manager);
    return manager;
  }

  async signIn(connection: Connection, user = USER): Promise<void> {
    const { code } = await this.emulator.authorize({ user });
    await connection.exchangeCode(code);
  }

  /** How many codes were presented so far. */
  get codes(): number {
    return this.emulator.ledger.count({ kind: 'presented', tokenType: 'code' });
  }

  /** How many refresh tokens were presented so far. */
  get refreshes(): number {
    return this.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
  }

  /** Resolves when `count` refresh tokens were presented; real I/O takes no time on the clock. */
  async presented(count: number): Promise<void> {
    await vi.waitFor(() => expect(this.refreshes).toBe(count), {
      timeout: 20_000,
      interval: 5,
    });
  }

  /** A sign-in whose answer comes so much later. An error is what it ended with. */
  async signingIn(
    connection: Connection,
    delayMs: number,
    { user = USER, ...options }: { readonly user?: string; readonly confirm?: boolean } = {},
  ): Promise<UnderWay> {
    const { codes } = this;
    const { code } = await this.emulator.authorize({ user });
    const match = { endpoint: 'token', grantType: 'authorization_code' } as const;
    this.emulator.faults.add({ match, kind: 'delay', delayMs, times: 1 });
    const ended = connection.exchangeCode(code, options).catch((error: unknown) => error);
    await vi.waitFor(() => expect(this.codes).toBe(codes + 1));
    return { dueAt: this.clock.monotonic() + delayMs, ended };
  }

  /** What `ask` makes the process send: so many refreshes, whose answers come so much later. */
  async refreshing<T>(delayMs: number, ask: () => Promise<T>, count = 1): Promise<UnderWay<T>> {
    const { refreshes } = this;
    const match = { endpoint: 'token', grantType: 'refresh_token' } as const;
    this.emulator.faults.add({ match, kind: 'delay', delayMs, times: count });
    const ended = ask();
    ended.catch(() => undefined);
    await this.presented(refreshes + count);
    return { dueAt: this.clock.monotonic() + delayMs, ended };
  }

  /** Tokens that have ended are renewed, and the answers come when the store has gone: the pairs are in the memory of their process. */
  async pairInHand<T>(store: { down: boolean }, ask: () => Promise<T>, count = 1): Promise<T> {
    await this.clock.advance(30 * MINUTE);
    const { ended } = await this.refreshing(1_000, ask, count);
    store.down = true;
    await this.clock.advance(1_000);
    return ended;
  }

  /** A shutdown that waits for so long. */
  async stop(manager: TokenManager, timeoutMs = 1_000): Promise<void> {
    const closed = manager.close({ timeoutMs });
    await this.clock.advance(timeoutMs);
    await closed;
  }

  named<E extends keyof HighQEvents>(name: E): HighQEvents[E][] {
    return this.events.filter((told) => told.name === name).map(({ event }) => event as HighQEvents[E]);
  }

  /** API calls that were answered 403 or 401 for their token. */
  get refusedCalls(): number {
    return this.emulator.ledger
      .filter({ kind: 'presented', tokenType: 'access' })
      .filter(({ verdict }) => verdict !== 'ok').length;
  }

  async close(): Promise<void> {
    let open = true;
    const closed = Promise.all(this.managers.map((manager) => manager.close({ timeoutMs: 1_000 }))).finally(
      () => {
        open = false;
      },
    );
    // What waits for a store that never comes back ends with its time-out, on the clock.
    while (open) await this.clock.advance(100);
    await closed;
    await this.emulator.close();
  }
}
