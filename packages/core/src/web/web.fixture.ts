import { createHash } from 'node:crypto';
import ky from 'ky';
import { systemRandom } from '../clock.ts';
import { type Connection, internals, type ManagerInternals, type TokenManager } from '../contracts.ts';
import { memoryStore } from '../memory-store.ts';
import type { ConnectionStatus } from '../status.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { WebHandlers } from './handlers.ts';

export interface Exchange {
  readonly connectionId: string;
  readonly code: string;
  readonly confirm: boolean;
  readonly codeVerifier: string | undefined;
}

/** A manager without a provider: each code is an account, `code-for-ann@firm.example`. Its store is a real one. */
export interface PaperManager extends TokenManager {
  readonly exchanges: Exchange[];
  readonly clock: ManualClock;
  readonly accounts: Map<
    string,
    { active?: string; pending?: { id: string; userEmail: string | null; until: number } }
  >;
  /** Runs inside the next exchange, before it answers. */
  duringExchange: (() => Promise<void>) | null;
}

export const PENDING_MS = 30 * 60_000;

export function paperManager(inside: Partial<ManagerInternals> = {}): PaperManager {
  const clock = new ManualClock();
  const store = memoryStore();
  store.bindClock?.(clock);
  const exchanges: Exchange[] = [];
  const accounts: PaperManager['accounts'] = new Map();
  const internal: ManagerInternals = {
    store,
    registration: createHash('sha256')
      .update(inside.instanceUrl ?? '')
      .digest('hex'),
    instanceUrl: 'https://acme.highq.com/acme',
    redirectUri: 'https://app.example/highq/callback',
    allowLoopback: false,
    clock,
    random: systemRandom,
    refreshYear: 'unknown',
    storeNow: () => clock.now(),
    ...inside,
  };
  const statusOf = (id: string): ConnectionStatus => {
    const { active, pending } = accounts.get(id) ?? {};
    return {
      connectionId: id,
      instanceUrl: internal.instanceUrl,
      state: active ? 'active' : pending ? 'pending' : 'disconnected',
      ...(active ? { userEmail: active } : {}),
      ...(pending ? { pending } : {}),
      authorizedAt: null,
      generation: 1,
      access: null,
      refresh: null,
      nextRefreshAt: null,
      lastRefresh: null,
      lastError: null,
    };
  };
  const connection = (id = 'default'): Connection => ({
    id,
    client: ky,
    authorizationUrl: ({ codeChallenge } = {}) =>
      `${internal.instanceUrl}/authorize.action?response_type=code${codeChallenge ? `&code_challenge=${codeChallenge}` : ''}`,
    async exchangeCode(code, { confirm = false, codeVerifier } = {}) {
      exchanges.push({ connectionId: id, code, confirm, codeVerifier });
      const account = accounts.get(id) ?? {};
      const email = code.replace(/^code-for-/, '');
      accounts.set(id, {
        ...account,
        pending: {
          id: String(exchanges.length),
          userEmail: email === 'nobody' ? null : email,
          until: clock.now() + PENDING_MS,
        },
      });
      await manager.duringExchange?.();
      return statusOf(id);
    },
    async confirm() {
      const email = accounts.get(id)?.pending?.userEmail;
      accounts.set(id, { active: email ?? 'unnamed' });
      return statusOf(id);
    },
    async reject() {
      const { active } = accounts.get(id) ?? {};
      accounts.set(id, active ? { active } : {});
      return statusOf(id);
    },
    importTokens: async () => statusOf(id),
    getAccessToken: async () => 'none',
    fetch: async () => new Response(null, { status: 501 }),
    refresh: async () => statusOf(id),
    status: async () => statusOf(id),
    history: async () => [],
    explain: async () => [],
    async disconnect() {
      accounts.delete(id);
    },
  });
  const manager: PaperManager = {
    exchanges,
    clock,
    accounts,
    duringExchange: null,
    connection: (...[id]) => connection(id),
    async *connections() {},
    on: () => () => {},
    reseal: async () => ({ resealed: 0, left: [] }),
    health: async () => ({ status: 'up', store: 'up', unpersisted: 0 }),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
    [internals]: internal,
  };
  return manager;
}

/** What the application knows of its visitor, in place of a framework's request. */
export interface Visitor {
  user?: string | null;
}

/** A browser on one origin: keeps cookies, sends what browsers send, follows nothing. */
export class PaperBrowser {
  readonly cookies = new Map<string, string>();
  readonly visitor: Visitor;
  readonly #handlers: WebHandlers<Visitor>;
  readonly #origin: string;

  constructor(
    handlers: WebHandlers<Visitor>,
    user: string | null = 'ann',
    origin: string = 'https://app.example',
  ) {
    this.#handlers = handlers;
    this.visitor = { user };
    this.#origin = origin;
  }

  /** Another browser with this one's cookies, as they are now. */
  copy(): PaperBrowser {
    const twin = new PaperBrowser(this.#handlers, this.visitor.user ?? null, this.#origin);
    for (const [name, value] of this.cookies) twin.cookies.set(name, value);
    return twin;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.#send(path, { headers: { 'sec-fetch-site': 'cross-site', ...headers } });
  }

  post(
    path: string,
    form: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return this.#send(path, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: { 'sec-fetch-site': 'same-origin', ...headers },
    });
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const request = this.request(path, init);
    const response = await this.#handlers.handle(request, this.visitor);
    if (!response) throw new Error(`${path} is not a route`);
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  request(path: string, init: RequestInit = {}): Request {
    const headers = new Headers({ accept: 'text/html', 'sec-fetch-mode': 'navigate' });
    if (this.cookies.size > 0) {
      headers.set('cookie', [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    }
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
    return new Request(this.#origin + path, { ...init, headers });
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split('; ');
    const cut = pair.indexOf('=');
    const name = pair.slice(0, cut);
    if (attributes.includes('Max-Age=0')) this.cookies.delete(name);
    else this.cookies.set(name, pair.slice(cut + 1));
  }
}
