import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Context, Hono } from 'hono';
import { type ClockSource, createClock, type EmulatorClock } from './clock.ts';
import { Registrations, Users } from './directory.ts';
import { type EmulatorEvent, EventFeed } from './events.ts';
import type { Env } from './exchange.ts';
import { type Fault, Faults } from './faults.ts';
import { Ledger, type LedgerEntry } from './ledger.ts';
import { type AuthorizeInput, authorize, type RevokeInput, revoke } from './operations.ts';
import { errorPage } from './pages.ts';
import { isObject, RefusedError, refuseUnknownMembers } from './refusal.ts';
import { RequestLog } from './request-log.ts';
import { pageResponse } from './respond.ts';
import { apiRoutes } from './routes/api.ts';
import { authorizeRoutes } from './routes/authorize.ts';
import { controlRoutes } from './routes/control.ts';
import { tokenRoutes } from './routes/token.ts';
import { uiRoutes } from './routes/ui.ts';
import {
  DEFAULT_ISHEETS,
  DEFAULT_ORGANISATIONS,
  DEFAULT_REGISTRATION,
  DEFAULT_SITES,
  DEFAULT_USERS,
  type Registration,
  type Seed,
  type User,
} from './seed.ts';
import type { EmulatorData } from './state.ts';
import { describeState, type EmulatorState } from './state-report.ts';
import { DEFAULT_SWITCHES, mergeSwitches, SWITCH_NAMES, type Switches } from './switches.ts';
import { Tokens } from './tokens.ts';
import { createServer, serveInProcess } from './transport.ts';
import type { World } from './world.ts';

export interface EmulatorOptions extends Partial<Switches> {
  /** @default 0, any free port */
  port?: number;
  /** Address to listen on. @default '127.0.0.1' */
  host?: string;
  /** Path and name of the instance. @default 'acme' */
  instance?: string;
  /** @default 'virtual' */
  clock?: 'virtual' | 'real' | ClockSource;
  seed?: Seed;
  /** In place of the seed's. Members that are left out are those of the default registration, generated where needed. */
  registrations?: readonly Partial<Registration>[];
  users?: readonly (Partial<User> & { email: string })[];
  /** Put before every token and code, of [A-Za-z0-9_-], so that a scan can find leaked ones. @default '' */
  tokenMarker?: string;
}

export interface EmulatorEnv {
  HIGHQ_INSTANCE_URL: string;
  HIGHQ_CLIENT_ID: string;
  HIGHQ_CLIENT_SECRET: string;
  HIGHQ_ALLOW_LOOPBACK: '1';
  HIGHQ_TEST_CLOCK: string;
}

export interface Emulator {
  /** Origin, without a slash at the end. */
  readonly url: string;
  readonly instanceUrl: string;
  /** For a program that is to use this emulator: the first registration. */
  readonly env: EmulatorEnv;
  readonly clock: EmulatorClock;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly requests: RequestLog;
  readonly registrations: Registrations;
  readonly users: Users;
  readonly switches: {
    get(): Readonly<Switches>;
    /** Throws {@link RefusedError} for an unknown name or position. */
    set(patch: Partial<Switches>): Readonly<Switches>;
  };
  /** Serves a request without a socket. A path is taken from the emulator's root. */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** A code as if the user had signed in and allowed it. */
  authorize(input?: AuthorizeInput): Promise<{ code: string }>;
  /** Ends grants (or only access tokens) before their time, and returns how many. */
  revoke(input?: RevokeInput): number;
  /** What `GET /_emulator/state` tells: everything but tokens. */
  state(): EmulatorState;
  /** Calls `listener` for every ledger entry, request and move of the clock. Returns a function that ends it. */
  listen(listener: (event: EmulatorEvent) => void): () => void;
  /** Keeps data, switches, faults and ledger under a name; the clock is left out. @default 'default' */
  snapshot(name?: string): void;
  /** Throws {@link RefusedError} when there is no snapshot of this name. */
  restore(name?: string): void;
  /** Back to the seed, with an empty ledger and request log and no faults; the clock stays where it is. */
  reset(): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const OPTION_NAMES = [
  'port',
  'host',
  'instance',
  'clock',
  'seed',
  'registrations',
  'users',
  'tokenMarker',
  ...SWITCH_NAMES,
];
const SEED_NAMES = ['registrations', 'users', 'sites', 'organisations', 'isheets'];
const KEEP_ALIVE_MS = 120_000;
const LOOPBACK_NAMES = ['127.0.0.1', 'localhost', '[::1]'];

interface Snapshot {
  data: EmulatorData;
  switches: Switches;
  faults: Fault[];
  ledger: LedgerEntry[];
}

function seededData(options: EmulatorOptions): EmulatorData {
  const seed: Seed = options.seed ?? {};
  const data: EmulatorData = {
    registrations: new Map(),
    users: new Map(),
    sites: structuredClone([...(seed.sites ?? DEFAULT_SITES)]),
    organisations: structuredClone([...(seed.organisations ?? DEFAULT_ORGANISATIONS)]),
    isheets: structuredClone([...(seed.isheets ?? DEFAULT_ISHEETS)]),
    documents: new Map(),
    codes: new Map(),
    grants: new Map(),
    access: new Map(),
    refresh: new Map(),
    sessions: new Map(),
    nextId: 1,
  };
  const registrations = new Registrations(() => data);
  for (const given of options.registrations ?? seed.registrations ?? [DEFAULT_REGISTRATION]) {
    const isDefault = given.clientId === undefined || given.clientId === DEFAULT_REGISTRATION.clientId;
    const fits = isDefault && data.registrations.size === 0;
    registrations.add(fits ? { ...DEFAULT_REGISTRATION, ...given } : given);
  }
  const users = new Users(() => data);
  for (const user of options.users ?? seed.users ?? DEFAULT_USERS) users.put(user);
  return data;
}

function hostCheck(host: string): (header: string) => boolean {
  const names = [...LOOPBACK_NAMES, host];
  if (host === '0.0.0.0' || host === '::') return () => true;
  return (header) => names.includes(header.replace(/:\d+$/, '').toLowerCase());
}

function checkOptions(options: EmulatorOptions): void {
  refuseUnknownMembers({ ...options }, OPTION_NAMES, 'createEmulator');
  const seed: unknown = options.seed ?? {};
  if (!isObject(seed)) throw new RefusedError('seed: an object is expected');
  refuseUnknownMembers(seed, SEED_NAMES, 'seed');
  const { instance = 'acme', tokenMarker = '', clock = 'virtual' } = options;
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/.test(instance)) {
    throw new RefusedError('instance takes letters, digits and hyphens');
  }
  if (!/^[A-Za-z0-9_-]{0,64}$/.test(tokenMarker))
    throw new RefusedError('tokenMarker takes up to 64 of A-Z a-z 0-9 _ -');
  if (clock !== 'virtual' && clock !== 'real' && typeof clock?.now !== 'function') {
    throw new RefusedError('clock takes virtual, real, or an object with now()');
  }
}

class EmulatorWorld implements World {
  readonly instance: string;
  readonly base: string;
  readonly tokenMarker: string;
  readonly clock: EmulatorClock;
  readonly events = new EventFeed();
  readonly faults = new Faults();
  readonly ledger: Ledger;
  readonly requests: RequestLog;
  readonly registrations: Registrations;
  readonly users: Users;
  readonly tokens: Tokens;
  url = '';
  cookieName = 'hq_emulator';
  data: EmulatorData;
  switches: Switches;
  readonly #fresh: { data: EmulatorData; switches: Switches };
  readonly #snapshots = new Map<string, Snapshot>();

  constructor(options: EmulatorOptions) {
    this.instance = options.instance ?? 'acme';
    this.base = `/${this.instance}`;
    this.tokenMarker = options.tokenMarker ?? '';
    this.clock = createClock(options.clock ?? 'virtual', (reading) =>
      this.events.emit({ type: 'clock', reading }),
    );
    const chosen = Object.entries(options).filter(([name]) => SWITCH_NAMES.includes(name));
    this.switches = mergeSwitches(DEFAULT_SWITCHES, Object.fromEntries(chosen));
    this.data = seededData(options);
    this.#fresh = { data: structuredClone(this.data), switches: this.switches };
    this.ledger = new Ledger(({ token: _, ...entry }) => this.events.emit({ type: 'ledger', entry }));
    this.requests = new RequestLog((entry) => this.events.emit({ type: 'request', entry }));
    this.registrations = new Registrations(() => this.data);
    this.users = new Users(() => this.data);
    this.tokens = new Tokens(this);
  }

  snapshot(name: string): void {
    this.#snapshots.set(name, {
      data: structuredClone(this.data),
      switches: this.switches,
      faults: this.faults.list(),
      ledger: this.ledger.copy(),
    });
  }

  restore(name: string): void {
    const kept = this.#snapshots.get(name);
    if (!kept) throw new RefusedError(`there is no snapshot ${name}`, 404);
    this.data = structuredClone(kept.data);
    this.switches = kept.switches;
    this.faults.replace(kept.faults);
    this.ledger.replace(kept.ledger);
  }

  reset(): void {
    this.data = structuredClone(this.#fresh.data);
    this.switches = this.#fresh.switches;
    this.faults.clear();
    this.ledger.replace([]);
    this.requests.clear();
  }
}

function createApp(world: World): Hono<Env> {
  const app = new Hono<Env>();
  controlRoutes(app, world);
  uiRoutes(app, world);
  authorizeRoutes(app, world);
  tokenRoutes(app, world);
  apiRoutes(app, world);
  const failure = async (
    c: Context<Env>,
    status: 400 | 404 | 409 | 500,
    message: string,
  ): Promise<Response> =>
    c.req.path.startsWith('/_emulator/ui')
      ? pageResponse(status, await errorPage(message))
      : c.json({ error: message }, status);
  app.notFound((c) => failure(c, 404, `nothing is served at ${c.req.path}`));
  app.onError((error, c) => {
    if (error instanceof RefusedError) return failure(c, error.status, error.message);
    return failure(c, 500, `the emulator failed: ${error.message}`);
  });
  return app;
}

/**
 * Starts an emulator of one instance. Resolves once it listens. Throws {@link RefusedError} for options that it does
 * not know, and rejects with the system's error when it cannot listen.
 */
export async function createEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  checkOptions(options);
  const { port = 0, host = '127.0.0.1' } = options;
  const world = new EmulatorWorld(options);
  const app = createApp(world);
  const server = createServer(world, app, hostCheck(host));
  // Longer than any pause of a test: a socket that dies while a program is about to use it again is not our subject.
  if ('keepAliveTimeout' in server) server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  const shown =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  world.url = `http://${shown}:${address.port}`;
  world.cookieName = `hq_emulator_${address.port}`;
  const instanceUrl = world.url + world.base;

  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
    await closed;
  };

  return {
    url: world.url,
    instanceUrl,
    get env(): EmulatorEnv {
      const registration = world.registrations.list()[0] ?? DEFAULT_REGISTRATION;
      return {
        HIGHQ_INSTANCE_URL: instanceUrl,
        HIGHQ_CLIENT_ID: registration.clientId,
        HIGHQ_CLIENT_SECRET: registration.clientSecret,
        HIGHQ_ALLOW_LOOPBACK: '1',
        HIGHQ_TEST_CLOCK: `${world.url}/_emulator/clock`,
      };
    },
    clock: world.clock,
    faults: world.faults,
    ledger: world.ledger,
    requests: world.requests,
    registrations: world.registrations,
    users: world.users,
    switches: {
      get: () => world.switches,
      set: (patch) => {
        world.switches = mergeSwitches(world.switches, patch);
        return world.switches;
      },
    },
    fetch: (input, init) => {
      const target = typeof input === 'string' ? new URL(input, world.url) : input;
      return serveInProcess(world, app, new Request(target, init));
    },
    authorize: async (input = {}) => ({ code: authorize(world, input) }),
    revoke: (input = {}) => revoke(world, input),
    state: () => describeState(world),
    listen: (listener) => world.events.listen(listener),
    snapshot: (name = 'default') => world.snapshot(name),
    restore: (name = 'default') => world.restore(name),
    reset: () => world.reset(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
