import type { Scheduler } from 'fast-check';
import type { Clock } from './clock.ts';
import type { TokenManager } from './contracts.ts';
import { type HighQError, isHighQError } from './errors.ts';
import { LIFE_MS, Provider, placeOf, type Sender } from './manager-commands-provider.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { resolveOptions } from './options.ts';
import { type RowView, viewOf } from './simulation/row-view.fixture.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { seededRandom } from './testing/seeded-random.ts';
import { timings } from './timings.ts';
import { assembleManager } from './token-manager.ts';
import type { TokenOutcome } from './token-outcome.ts';
import type { StoreRow, TokenStore } from './token-store.ts';

const ID = 'ann';
/** A store that answers later than this counts as one that failed. */
const SLOWEST_ANSWER_MS = 5_000;
/** Long enough for everything else to overtake it. */
const HELD_ANSWER_MS = 2_500;
/** Probes are at most an hour and a tenth apart; then come a pause of the registration and two leases. */
const PATIENCE_MS = 90 * 60_000;
const MOST_TURNS = 20_000;
const { responseMs: RESPONSE_MS } = timings();

export interface Process extends Sender {
  alive: boolean;
  readonly manager: TokenManager;
  /** The highest generation handed out so far, per grant. */
  readonly handedOut: Map<number, number>;
}

export type Told<T> = { readonly value: T } | { readonly error: HighQError };

/** What surrounds a token manager, broken on purpose. */
export interface Breakage {
  readonly store?: (store: TokenStore) => TokenStore;
  readonly outcome?: (outcome: TokenOutcome) => TokenOutcome;
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

/** Some processes, one store and one token endpoint; every request and every answer waits for the scheduler. */
export class World {
  readonly clock = new ManualClock({ settleTurns: 1 });
  readonly processes: Process[] = [];
  readonly provider: Provider;
  storeDown = false;
  losesStoreAnswer = false;
  holdsStoreAnswer = false;
  #row: RowView | null = null;
  #violation: string | null = null;
  readonly #history: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #store: TokenStore;
  readonly #waitingSince = new Set<{ readonly at: number }>();
  readonly #calls = new Map<Promise<unknown>, { readonly by: Process; readonly what: string }>();
  #started = 0;
  /** Nothing fails from here on, whatever was under way. */
  #healed = false;

  constructor(scheduler: Scheduler, processes: number, { store, outcome }: Breakage = {}) {
    this.#scheduler = scheduler;
    const memory = memoryStore({ clock: this.clock });
    this.#store = store?.(memory) ?? memory;
    this.provider = new Provider({
      clock: this.clock,
      turn: (label) => this.#turn(label),
      note: (line) => this.#note(line),
      violated: (rule, text) => this.#violated(rule, text),
      storeFails: () => {
        this.storeDown = !this.#healed;
      },
      told: outcome ?? ((told) => told),
    });
    for (let n = 0; n < processes; n += 1) this.processes.push(this.#start());
  }

  get row(): RowView | null {
    return this.#row;
  }

  // Time and order

  async #turn(label: string): Promise<void> {
    const since = { at: this.clock.monotonic() };
    this.#waitingSince.add(since);
    await this.#scheduler.schedule(Promise.resolve(), label);
    this.#waitingSince.delete(since);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.clock.setTimer(resolve, ms));
  }

  /** Lets up to `turns` of what is under way happen, in the scheduler's order. */
  async deliver(turns: number = MOST_TURNS): Promise<void> {
    await this.clock.settle();
    for (let turn = 0; this.#scheduler.count() > 0 && turn < turns; turn += 1) {
      if (turn === MOST_TURNS - 1) throw new Error('the processes never come to rest');
      await this.#scheduler.waitNext(1);
      await this.clock.settle();
    }
  }

  /** Time passes, from timer to timer. A moment may pass while requests are under way; more may not. */
  async pass(ms: number): Promise<void> {
    await this.clock.settle();
    const until = this.clock.monotonic() + ms;
    const oldest = Math.min(...[...this.#waitingSince].map(({ at }) => at));
    const atRest = until - oldest > SLOWEST_ANSWER_MS - HELD_ANSWER_MS || ms > SLOWEST_ANSWER_MS;
    if (atRest) await this.deliver();
    while (this.clock.monotonic() < until) {
      const timerMs = (this.clock.nextTimerAt ?? Number.POSITIVE_INFINITY) - this.clock.now();
      await this.clock.advance(Math.min(until - this.clock.monotonic(), Math.max(timerMs, 0)));
      if (atRest) await this.deliver();
    }
  }

  #note(line: string): void {
    this.#history.push(`${((this.clock.monotonic() - 1000) / 1000).toFixed(3)} s  ${line}`);
  }

  #violated(rule: string, text: string): void {
    this.#note(`VIOLATION of ${rule}: ${text}`);
    this.#violation ??= `${rule}: ${text}`;
  }

  /** @throws the first violation so far, with what came before it */
  check(): void {
    if (this.#violation !== null)
      throw new Error(`${this.#violation}\n${this.#history.slice(-80).join('\n')}`);
  }

  // Processes

  #start(): Process {
    const number = this.#started;
    this.#started += 1;
    const { clock } = this;
    // No machine's wall clock agrees with another's, or with the store's.
    const aheadMs = [0, -90_000, 40_000][number % 3] ?? 0;
    const own: Clock = {
      now: () => clock.now() + aheadMs,
      monotonic: () => clock.monotonic(),
      setTimer: (fn, delayMs) => clock.setTimer(() => process.alive && fn(), delayMs),
      afterIo: (fn) => clock.afterIo(fn),
    };
    const sender = { name: `P${number + 1}`, alive: true };
    const options = resolveOptions(
      {
        instanceUrl: 'https://acme.highq.test/acme',
        clientId: '1012',
        clientSecret: 'unused',
        store: this.#view(sender),
        encryption: false,
        clock: own,
        random: seededRandom(number + 1),
      },
      {},
    );
    const manager = assembleManager(options, { endpoint: this.provider.endpoint(sender, own) });
    const process: Process = Object.assign(sender, { manager, handedOut: new Map<number, number>() });
    this.#note(`${process.name} starts`);
    return process;
  }

  process(index: number): Process {
    const process = this.processes[index % this.processes.length];
    if (!process) throw new Error('there is no process');
    return process;
  }

  /** Nothing reaches the process any more; what it has sent goes on. A new one takes its place. */
  crash(index: number): void {
    const gone = this.process(index);
    this.#note(`${gone.name} crashes`);
    gone.alive = false;
    this.processes[index % this.processes.length] = this.#start();
  }

  /** Never settles when the process dies first. */
  #call<T>(by: Process, what: string, promise: Promise<T>): Promise<Told<T>> {
    this.#note(`${by.name} ${what}`);
    const told = promise.then(
      (value): Told<T> | Promise<never> => (by.alive ? { value } : never()),
      (error: unknown): Told<T> | Promise<never> => {
        if (!by.alive) return never();
        if (!isHighQError(error)) {
          this.#violated('no defects', `${what}: ${error instanceof Error ? error.stack : String(error)}`);
          return never();
        }
        this.#note(`${by.name} ${what} fails: ${error.code}`);
        return { error };
      },
    );
    this.#calls.set(told, { by, what });
    void told.then(() => this.#calls.delete(told));
    return told;
  }

  async ask(index: number): Promise<Told<string>> {
    const process = this.process(index);
    const told = await this.#call(process, 'asks', process.manager.connection(ID).getAccessToken());
    if ('value' in told) this.#handedOut(process, told.value);
    return told;
  }

  renew(index: number): void {
    const process = this.process(index);
    void this.#call(process, 'renews', process.manager.connection(ID).refresh({ force: true }));
  }

  signIn(index: number): { readonly grant: number; readonly told: Promise<Told<unknown>> } {
    const process = this.process(index);
    const grant = this.provider.authorize();
    const exchange = process.manager.connection(ID).exchangeCode(`code${grant}`);
    return { grant, told: this.#call(process, `signs in to f${grant}`, exchange) };
  }

  disconnect(index: number): Promise<Told<unknown>> {
    const process = this.process(index);
    return this.#call(process, 'disconnects', process.manager.connection(ID).disconnect());
  }

  #handedOut(process: Process, token: string): void {
    const { grant, generation } = placeOf(token);
    const before = process.handedOut.get(grant) ?? 0;
    const leftMs = this.provider.leftMs(token);
    this.#note(`${process.name} hands out ${token}`);
    if (leftMs <= 0) this.#violated('I9', `${process.name} hands out ${token}, expired ${-leftMs} ms ago`);
    if (generation < before)
      this.#violated('I9', `${process.name} hands out ${token} after generation ${before}`);
    process.handedOut.set(grant, Math.max(generation, before));
  }

  // The store

  #view(process: Sender): TokenStore {
    const ask = async <T>(what: string, operation: () => Promise<T>): Promise<T> => {
      const name = process.name;
      await this.#turn(`${name} ${what}`);
      const refused = this.storeDown;
      // What a process has sent before it died is carried out all the same.
      const result = refused ? null : await operation();
      const lost = !refused && this.losesStoreAnswer;
      if (lost) this.losesStoreAnswer = false;
      const held = this.holdsStoreAnswer;
      this.holdsStoreAnswer = false;
      if (held) await this.#wait(HELD_ANSWER_MS);
      await this.#turn(`${name} ${what}, answer`);
      if (!process.alive) return never();
      if (result === null || lost) throw new Error('connection lost');
      return result;
    };
    const store = this.#store;
    return {
      name: 'scheduled',
      read: (key) => ask(`reads ${key.kind}`, () => store.read(key)),
      cas: (key, expectedRev, next) =>
        ask(`writes ${key.kind}`, async () => {
          const result = await store.cas(key, expectedRev, next);
          if (result.ok && key.kind === 'grant') this.#written(process.name, (await store.read(key)).row);
          return result;
        }),
      now: () => ask('asks the time', () => store.now()),
      list: (query) => ask('lists', () => store.list(query)),
      close: async () => undefined,
    };
  }

  #written(name: string, row: StoreRow | null): void {
    const before = this.#row;
    if (!row) {
      this.#violated('I2', `${name} wrote a row and it is not there`);
      return;
    }
    const next = viewOf(row.body);
    this.#row = next;
    const place = `${next.epoch}.${next.generation}`;
    const intent = next.intent ? `, intent: ${next.intent.kind}` : '';
    this.#note(`${name} wrote ${place}, ${next.refresh ?? 'no tokens'}${intent}`);
    if (before) {
      const step = next.epoch - before.epoch || next.generation - before.generation;
      if (step < 0)
        this.#violated('I2', `the record went back from ${before.epoch}.${before.generation} to ${place}`);
      const other = next.refresh !== before.refresh;
      if (step === 0 && other) this.#violated('I2', `${place} took another pair`);
      if (next.epoch === before.epoch && next.refresh && before.refresh) {
        if (placeOf(next.refresh).grant !== placeOf(before.refresh).grant)
          this.#violated('I2', `epoch ${next.epoch} took a pair of another grant`);
      }
    }
    this.provider.written(name, before, next);
  }

  // The end

  /** Everything works, and time passes until what was begun has ended. */
  async heal(): Promise<void> {
    this.#healed = true;
    this.storeDown = false;
    this.losesStoreAnswer = false;
    this.holdsStoreAnswer = false;
    this.provider.fate = null;
    this.#note('all is healed');
    // Longer than any answer is waited for.
    await this.pass(2 * RESPONSE_MS);
    for (const { by, what } of this.#calls.values()) {
      if (by.alive) this.#violated('I9', `${by.name} ${what} and is not answered`);
    }
  }

  /** Every process has a token that is valid, or the record says why not: today, and when that token has expired. */
  async ending(): Promise<void> {
    for (let round = 0; round < 2; round += 1) {
      for (let index = 0; index < this.processes.length; index += 1) await this.#definite(index);
      await this.pass(LIFE_MS + 60_000);
    }
    for (let index = 0; index < this.processes.length; index += 1) await this.#definite(index);
  }

  async #definite(index: number): Promise<void> {
    const until = this.clock.monotonic() + PATIENCE_MS;
    for (;;) {
      let told: Told<string> | null = null as Told<string> | null;
      void this.ask(index).then((answer) => {
        told = answer;
      });
      await this.pass(30_000);
      const { name } = this.process(index);
      if (told === null) {
        this.#violated('I9', `${name} does not answer`);
        return;
      }
      if ('value' in told) {
        const { grant } = placeOf(told.value);
        if (this.#row?.refresh && placeOf(this.#row.refresh).grant === grant) return;
        this.#violated('I2', `${told.value} is handed out, and the record is not of its grant`);
        return;
      }
      const { code, retryAfterMs = 0 } = told.error;
      if (code === 'not_connected' && !this.#row?.connected) return;
      if (code === 'reauthorization_required' && this.#row?.dead) return;
      if (this.clock.monotonic() > until) {
        this.#violated('I9', `${name} gets no token in time: ${code}`);
        return;
      }
      await this.pass(Math.max(1, Math.min(retryAfterMs, 30 * 60_000)));
    }
  }
}
