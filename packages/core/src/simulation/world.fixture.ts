import type { TokenManager } from '../contracts.ts';
import { isHighQError } from '../errors.ts';
import type { HighQEvents } from '../events.ts';
import { resolveOptions } from '../options.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { assembleManager } from '../token-manager.ts';
import { simEndpoint } from './endpoint.fixture.ts';
import type { Fault, Point } from './faults.fixture.ts';
import { type Shelf, simJournal } from './journal.fixture.ts';
import { Oracle } from './oracle.fixture.ts';
import { chance, Faults, type Plan, type Selection } from './plan.fixture.ts';
import { Provider } from './provider.fixture.ts';
import { VirtualQueue } from './queue.fixture.ts';
import { SimProcess, type Surroundings } from './sim-process.fixture.ts';
import { SimStore, StoreView } from './store.fixture.ts';

const EVENTS = [
  'refreshed',
  'refreshFailed',
  'uncertain',
  'reauthorizationRequired',
  'persistFailed',
  'anomaly',
  'disconnected',
] as const satisfies readonly (keyof HighQEvents)[];

export type Answer =
  | { readonly kind: 'token'; readonly token: string }
  | {
      readonly kind: 'error';
      readonly code: string;
      readonly reason: string | null;
      readonly retryAfterMs: number;
    };

/** A part that does not keep its promise, to see that the oracle notices. */
export type Sabotage =
  | 'store writes blindly'
  | 'lease is not checked'
  | 'journal keeps nothing'
  | 'rescue keeps nothing';

interface Place {
  process: SimProcess;
  manager: TokenManager;
  /** It was told to end, and takes no more calls. */
  leaving: boolean;
}

/** Several real token managers, and everything around them, on one virtual clock. */
export class World implements Surroundings {
  readonly plan: Plan;
  readonly queue = new VirtualQueue();
  readonly faults: Faults;
  readonly provider: Provider;
  readonly store: SimStore;
  readonly oracle: Oracle;
  readonly places: Place[] = [];
  readonly shelves: Shelf[] = [];
  readonly #rescued: Shelf[] = [];
  /** Without faults from here on: started processes stay up. */
  healed = false;
  calls = 0;
  readonly #sabotage: Sabotage | null;

  constructor(plan: Plan, only: Selection | null = null, sabotage: Sabotage | null = null) {
    this.plan = plan;
    this.#sabotage = sabotage;
    const { seed, config } = plan;
    this.faults = new Faults(plan, only);
    this.provider = new Provider(config, () => this.queue.now, seededRandom(seed));
    const aheadMs = Math.floor(chance(seed, 'store ahead') * 8_000) - 4_000;
    this.store = new SimStore(this.queue, aheadMs, config.lostAfterMs);
    this.oracle = new Oracle(this.provider, {
      now: () => this.queue.now,
      storeNow: () => this.store.now(),
    });
    const shelves = config.journal === 'none' ? 0 : config.journal === 'shared' ? 1 : config.processes;
    for (let n = 0; n < shelves; n += 1)
      this.shelves.push({ shared: config.journal === 'shared', entries: [] });
    if (config.shutdowns === 'rescue')
      for (let n = 0; n < config.processes; n += 1) this.#rescued.push({ shared: false, entries: [] });
    for (let index = 0; index < config.processes; index += 1) this.places.push(this.#start(index, 0));
  }

  /** Where anything may have been written down that is not in the store. */
  get allShelves(): readonly Shelf[] {
    return [...this.shelves, ...this.#rescued];
  }

  #start(index: number, incarnation: number): Place {
    const { seed, config } = this.plan;
    const wallAheadMs = Math.floor((chance(seed, `wall${index}`) - 0.5) * 120_000);
    const process = new SimProcess(index, incarnation, wallAheadMs, this, config.background === 'await');
    const shelf = this.shelves[config.journal === 'shared' ? 0 : index];
    const rescued = this.#rescued[index];
    process.hasPlace = Boolean(shelf ?? rescued);
    const kept = this.#sabotage === 'journal keeps nothing' ? { shared: true, entries: [] } : null;
    const { store, oracle } = this;
    const log = (message: string, fields?: Record<string, unknown>): void =>
      this.oracle.leak('the log', `${message} ${JSON.stringify(fields)}`);
    const options = resolveOptions(
      {
        instanceUrl: 'https://acme.highq.test/acme',
        clientId: '1012',
        clientSecret: 'SIMSECRET',
        store: new StoreView(
          process,
          this.store,
          this.oracle,
          this.queue,
          this.#sabotage === 'store writes blindly',
        ),
        encryption: false,
        clock: process.clock,
        random: seededRandom(seed * 64 + index * 8 + incarnation),
        refresh: { background: config.background },
        logger: { debug: log, info: log, warn: log, error: log },
        ...(shelf
          ? { journal: simJournal(process, kept ?? shelf, { store, oracle, keepsNewest: true }) }
          : {}),
      },
      {},
    );
    const manager = assembleManager(options, {
      endpoint: simEndpoint(process, {
        queue: this.queue,
        around: this,
        provider: this.provider,
        oracle: this.oracle,
        hasty: this.#sabotage === 'lease is not checked',
      }),
      ...(rescued && this.#sabotage !== 'rescue keeps nothing'
        ? { rescue: simJournal(process, rescued, { store, oracle, keepsNewest: false }) }
        : {}),
    });
    for (const name of EVENTS) {
      manager.on(name, (event) => {
        if (!process.alive) return;
        this.oracle.leak(`an event ${name}`, JSON.stringify(event));
        const dropped = !process.hasPlace || process.misplaced;
        if (dropped && 'anomaly' in event && event.anomaly === 'sign_in_not_written')
          this.oracle.unwritable.add(event.connectionId);
      });
    }
    return { process, manager, leaving: false };
  }

  // What processes meet

  chance(operation: string, name: string): number {
    return chance(this.plan.seed, operation + name);
  }

  faultAt(process: SimProcess, operation: string, point: Point): Fault | null {
    const fault = this.faults.at(operation, point, process.state === 'up');
    if (fault && point === 'journal.append') process.misplaced = true;
    if (fault) this.oracle.note(`${process.name} FAULT ${fault.kind} ${fault.ms} @ ${point} (${operation})`);
    return fault;
  }

  strike(process: SimProcess, { kind, ms }: Fault): void {
    const { now } = this.queue;
    switch (kind) {
      case 'crash-before':
      case 'crash-after':
      case 'torn':
        if (!process.alive) return;
        process.crash();
        this.queue.after(ms, () => this.#restart(process));
        return;
      case 'stop':
      case 'suspend':
        process.stop(kind, ms);
        process.steady = false;
        return;
      case 'jump-ahead':
        process.wallAheadMs += ms;
        process.steady = false;
        return;
      case 'jump-back':
        process.wallAheadMs -= ms;
        process.steady = false;
        return;
      case 'partition-store':
        process.storeCutUntil = Math.max(process.storeCutUntil, now + ms);
        process.hinder(ms);
        return;
      case 'partition-provider':
        process.providerCutUntil = Math.max(process.providerCutUntil, now + ms);
        return;
      case 'store-down':
        this.store.downUntil = Math.max(this.store.downUntil, now + ms);
        this.oracle.storeHinderedUntil = Math.max(this.oracle.storeHinderedUntil, now + ms);
        return;
      case 'fall-back':
        this.forget(() => this.store.fallBack(ms));
        return;
      case 'row-lost':
        this.forget(() => this.store.loseRow(`grant:c${ms % this.plan.config.connections}`));
        return;
      case 'key-missing':
        process.keylessAfter ??= this.store.seals;
        process.steady = false;
        process.hinder(ms);
        this.queue.after(ms, () => {
          process.keylessAfter = null;
        });
        return;
      case 'provider-down':
        this.provider.downUntil = Math.max(this.provider.downUntil, now + ms);
        return;
      case 'lost-before':
      case 'lost-after':
      case 'late':
      case 'doubled':
      case 'too-late':
      case 'reset':
      case '502-before':
      case '502-after':
      case 'html':
      case 'truncated':
      case '429':
      case 'unrecognized':
      case 'invalid-client':
      case 'wrapped':
      case 'wrapped-refresh':
        return;
      default:
        kind satisfies never;
    }
  }

  /** The store loses what it acknowledged. */
  forget(lose: () => void): void {
    const before = new Map(this.store.rows);
    lose();
    for (const [row, was] of before) {
      if (row.startsWith('grant:')) this.oracle.forgot(row.slice(6), was, this.store.rows.get(row) ?? null);
    }
    this.oracle.storeHinderedUntil = Math.max(this.oracle.storeHinderedUntil, this.queue.now);
  }

  #restart(gone: SimProcess): void {
    const place = this.places[gone.index];
    if (!place || place.process !== gone) return;
    const next = this.#start(gone.index, gone.incarnation + 1);
    place.process = next.process;
    place.manager = next.manager;
    place.leaving = false;
    this.oracle.note(`${next.process.name} starts`);
  }

  /** The first living process from `index` on. */
  place(index: number): Place | null {
    const { length } = this.places;
    for (let n = 0; n < length; n += 1) {
      const place = this.places[(index + n) % length];
      if (place?.process.alive && !place.leaving) return place;
    }
    return null;
  }

  /** Everything works again, and goes on working. */
  heal(): void {
    this.healed = true;
    this.faults.off = true;
    this.store.downUntil = 0;
    this.provider.downUntil = 0;
    this.oracle.storeHinderedUntil = Math.min(this.oracle.storeHinderedUntil, this.queue.now);
    for (const { process, leaving } of [...this.places]) {
      // Whoever runs it waits no longer for it to end.
      if (leaving) process.crash();
      process.storeCutUntil = 0;
      process.providerCutUntil = 0;
      process.keylessAfter = null;
      process.hinderedUntil = Math.min(process.hinderedUntil, this.queue.now);
      if (process.alive) process.resume();
      else this.#restart(process);
    }
    this.oracle.note('healed');
  }

  // What people and programs do

  /** A process is told to end, as by a signal: it takes no new calls, closes, ends, and starts again later. */
  shutDown(index: number, at: number): void {
    const place = this.places[index];
    if (!place?.process.alive || place.leaving) return;
    const { process, manager } = place;
    place.leaving = true;
    const { seed } = this.plan;
    const timeoutMs = [100, 1_000, 10_000, 30_000][Math.floor(chance(seed, `patience${at}`) * 4)] ?? 100;
    const backMs = Math.floor(chance(seed, `back${at}`) * 20_000);
    const idle = process.busy();
    process.deliver(() => {
      this.oracle.note(`${process.name} closes within ${timeoutMs}`);
      manager.close({ timeoutMs }).then(
        () => {
          if (!process.alive) return;
          this.oracle.note(`${process.name} has closed`);
          process.closed = true;
          process.crash();
          this.queue.after(backMs, () => this.#restart(process));
          idle();
        },
        (error: unknown) => this.failed(process, 'close', error),
      );
    });
  }

  outage(at: number): void {
    const ms = 1_000 + Math.floor(chance(this.plan.seed, `outage${at}`) * 60_000);
    this.oracle.note(`the store is down for ${ms}`);
    this.store.downUntil = Math.max(this.store.downUntil, this.queue.now + ms);
    this.oracle.storeHinderedUntil = Math.max(this.oracle.storeHinderedUntil, this.queue.now + ms);
  }

  /** A caller asks for a token; nothing comes back from a process that dies meanwhile. */
  call(place: Place, id: string, done: (answer: Answer) => void = () => undefined): void {
    const { process, manager } = place;
    const idle = process.busy();
    process.deliver(() => {
      const startedAt = this.queue.now;
      this.calls += 1;
      manager
        .connection(id)
        .getAccessToken()
        .then(
          (token) => {
            if (!process.alive) return;
            this.oracle.returned(process, id, token, startedAt);
            done({ kind: 'token', token });
          },
          (error: unknown) => {
            if (!process.alive) return;
            this.oracle.failed(process, id);
            done(this.failed(process, `call for ${id}`, error));
          },
        )
        .finally(idle);
    });
  }

  force(place: Place, id: string): void {
    const { process, manager } = place;
    const idle = process.busy();
    process.deliver(() => {
      manager
        .connection(id)
        .refresh({ force: true })
        .catch((error: unknown) => this.failed(process, `refresh of ${id}`, error))
        .finally(idle);
    });
  }

  failed(process: SimProcess, what: string, error: unknown): Answer {
    if (!isHighQError(error)) {
      this.oracle.violated('defect', `${what}: ${error instanceof Error ? error.stack : String(error)}`);
      return { kind: 'error', code: 'defect', reason: null, retryAfterMs: 0 };
    }
    const told = error.toJSON();
    this.oracle.leak('an error', `${error.stack} ${JSON.stringify(told)}`);
    this.oracle.note(`${process.name} ${what} fails: ${error.code} ${String(told.reason ?? '')}`);
    const reason = typeof told.reason === 'string' ? told.reason : null;
    return { kind: 'error', code: error.code, reason, retryAfterMs: error.retryAfterMs ?? 0 };
  }
}
