import { createTokenManager, memoryStore, type TokenManager, type TokenManagerOptions } from '@hq-oauth/core';
import { type FollowedClock, followClock } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';
import { freePort } from '../servers/free-port.ts';
import type { AdapterHost, HostMount, HostRoute, HostSetup, RunningHost, Visitor } from './host.ts';
import { HttpBrowser } from './http-browser.ts';
import { openUpstream, type Upstream, type UpstreamHandler } from './upstream.ts';

/** One thing that every adapter must show. */
export interface Behaviour {
  readonly title: string;
  run(bench: Bench): Promise<void>;
}

export const HOUR_MS = 3_600_000;
export const MIB = 1024 * 1024;
export const USER = 'user@clientname.com';
export const LIMITED = 'limited@clientname.com';

/** Whoever the cookie `user` names is signed in: a stand-in for the application's own session. */
export function userOf(visitor: Visitor): string | undefined {
  return /(?:^|; )user=([^;]+)/.exec(visitor.header('cookie') ?? '')?.[1];
}

export const DEFAULT_ROUTES: readonly HostRoute[] = [
  { path: '/', guarded: false, answer: (connection) => ({ highq: connection?.id ?? null }) },
  { path: '/sites', guarded: true, answer: (connection) => connection?.client('6/sites').json() },
];

/** What is there before the application is. */
export interface World {
  /** Where it will be: an origin. */
  readonly url: string;
  /** Signs people in at the emulator, and comes back to `/highq/callback`. */
  readonly manager: TokenManager;
  /** Another one, on the same emulator unless the options say otherwise. */
  managerFor(callback: string, options?: Partial<TokenManagerOptions>): TokenManager;
}

export interface OpenOptions {
  /** Beside `manager` and `connectionId`, for the only mount. */
  readonly mount?: Partial<HostMount> | ((world: World) => Partial<HostMount>);
  readonly setup?: (world: World) => Partial<HostSetup>;
  readonly manager?: Partial<TokenManagerOptions>;
}

export interface App extends World {
  readonly emulator: Emulator;
  browser(user?: string | null): HttpBrowser;
  /** What a program gets, as opposed to a browser that navigates. No redirect is followed. */
  ask(path: string, user?: string | null, init?: RequestInit & { duplex?: 'half' }): Promise<Response>;
  /** Gives a visitor a grant without a browser. */
  connect(user?: string, account?: string): Promise<void>;
}

/** What the behaviours of one host share: an emulator, its clock, and applications that end after each behaviour. */
export class Bench {
  readonly #host: AdapterHost;
  readonly #ends: (() => Promise<unknown> | unknown)[] = [];
  #emulator: Emulator | null = null;
  #other: Emulator | null = null;
  #clock: FollowedClock | null = null;

  constructor(host: AdapterHost) {
    this.#host = host;
  }

  async begin(): Promise<void> {
    this.#emulator = await createEmulator(emulatorOptions());
    this.#clock = followClock(this.#emulator.env.HIGHQ_TEST_CLOCK);
  }

  get emulator(): Emulator {
    if (this.#emulator === null) throw new Error('the suite has not begun');
    return this.#emulator;
  }

  /** Another instance. It shows the time of the first. */
  async other(): Promise<Emulator> {
    const { clock } = this.emulator;
    const source = { now: () => clock.now() };
    this.#other ??= await createEmulator({ ...emulatorOptions(), instance: 'beta', clock: source });
    return this.#other;
  }

  async advance(ms: number): Promise<void> {
    this.emulator.clock.advance(ms);
    await this.#clock?.sync();
  }

  /** Lets time stand still until the behaviour ends, for those that look at an edge of it. */
  async freeze(): Promise<void> {
    this.emulator.clock.setRate(0);
    await this.#clock?.sync();
  }

  /** A server of an API that the behaviour writes itself. */
  async upstream(handler: UpstreamHandler): Promise<Upstream> {
    const upstream = await openUpstream(handler);
    this.#ends.push(() => upstream.close());
    return upstream;
  }

  async open({ mount = {}, setup, manager: options = {} }: OpenOptions = {}): Promise<App> {
    await this.#clock?.sync();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const managerFor: World['managerFor'] = (callback, more = {}) => this.#manager(url + callback, more);
    const world: World = { url, managerFor, manager: managerFor('/highq/callback', options) };
    const own = typeof mount === 'function' ? mount(world) : mount;
    const full: HostSetup = {
      port,
      mounts: [{ manager: world.manager, connectionId: userOf, ...own }],
      routes: DEFAULT_ROUTES,
      health: world.manager,
      prefix: '',
      bodies: 'untouched',
      onError: () => undefined,
      cookie: null,
      ...setup?.(world),
    };
    const running: RunningHost = await this.#host.start(full);
    this.#ends.push(() => running.stop());
    return {
      ...world,
      url: running.url,
      emulator: this.emulator,
      ...clientsOf(running.url, world, this.emulator),
    };
  }

  #manager(redirectUri: string, options: Partial<TokenManagerOptions>): TokenManager {
    const { env } = this.emulator;
    const manager = createTokenManager({
      instanceUrl: env.HIGHQ_INSTANCE_URL,
      clientId: env.HIGHQ_CLIENT_ID,
      clientSecret: env.HIGHQ_CLIENT_SECRET,
      redirectUri,
      store: memoryStore(),
      encryption: false,
      ...(this.#clock && { clock: this.#clock }),
      provider: { allowLoopback: true },
      ...options,
    });
    this.#ends.unshift(() => manager.close({ timeoutMs: 1000 }));
    return manager;
  }

  /** After each behaviour. */
  async clean(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    this.#emulator?.clock.setRate(1);
    this.#emulator?.reset();
    this.#other?.reset();
  }

  async end(): Promise<void> {
    this.#clock?.close();
    await this.#emulator?.close();
    await this.#other?.close();
  }
}

function emulatorOptions() {
  // Where a run looks for leaked tokens, it names the mark that they carry.
  return { clock: 'virtual', tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' } as const;
}

function clientsOf(
  url: string,
  { manager }: World,
  emulator: Emulator,
): Pick<App, 'browser' | 'ask' | 'connect'> {
  return {
    browser(user = 'ann') {
      const cookies = new Map(user === null ? [] : [['user', user]]);
      return new HttpBrowser(new Map([[new URL(url).host, cookies]]));
    },
    ask(path, user = 'ann', { headers, ...init } = {}) {
      const all = new Headers(headers);
      if (user !== null) all.set('cookie', `user=${user}`);
      return fetch(url + path, { redirect: 'manual', ...init, headers: all });
    },
    async connect(user = 'ann', account = USER) {
      const { code } = await emulator.authorize({ user: account });
      await manager.connection(user).exchangeCode(code);
    },
  };
}
