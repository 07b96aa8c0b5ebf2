import { apiTransport } from './api-transport.ts';
import { canarySender } from './canary-sender.ts';
import type { Clock } from './clock.ts';
import { sleep, systemClock } from './clock.ts';
import { createConnection } from './connection.ts';
import { type Connection, internals, type TokenManager } from './contracts.ts';
import { RecordUnreadableError } from './errors.ts';
import { EventHub } from './events.ts';
import { rescueFolder } from './file-journal.ts';
import { ForbiddenInquiry } from './forbidden-inquiry.ts';
import { GrantAdmin } from './grant-admin.ts';
import { GrantNews } from './grant-news.ts';
import { GrantRepository } from './grant-repository.ts';
import { jitterOf } from './jitter.ts';
import type { Journal } from './journal.ts';
import { Journals } from './journals.ts';
import { LastRescue } from './last-rescue.ts';
import { type ResolvedOptions, resolveOptions, type TokenManagerOptions } from './options.ts';
import { Refresher } from './refresher.ts';
import { RegistrationGate } from './registration-gate.ts';
import { reseal } from './resealing.ts';
import { createSealer } from './sealer.ts';
import { statusOf } from './state.ts';
import type { ConnectionStatus } from './status.ts';
import { StoreTime } from './store-time.ts';
import { followClock } from './testing/follow-clock.ts';
import { createTokenEndpoint } from './token-endpoint.ts';
import type { TokenEndpoint } from './token-outcome.ts';
import type { ListedRow, StoredState } from './token-store.ts';

const DEFAULT_CONNECTION = 'default';
const PAGE = 100;

/**
 * Makes a token manager for one API application registration of one instance. Make one and share it.
 * @throws ConfigurationError with every problem of the options in one message
 */
export function createTokenManager(given: TokenManagerOptions): TokenManager {
  return assembleManager(resolveOptions(given));
}

/** What a simulation puts in the place of the network, and of the disk. */
export interface Seams {
  readonly endpoint?: TokenEndpoint;
  /** In the place of the rescue folder. */
  readonly rescue?: Journal;
}

/** Joins the parts. */
export function assembleManager(options: ResolvedOptions, seams: Seams = {}): TokenManager {
  const followed =
    options.clock === undefined && options.testClockUrl ? followClock(options.testClockUrl) : null;
  const clock: Clock = options.clock ?? followed ?? systemClock;
  const { store, registration, timings, instanceUrl } = options;
  store.bindClock?.(clock);

  const storeTime = new StoreTime(clock);
  const sealer = createSealer(options.encryption);
  const repository = new GrantRepository({ store, sealer, registration, clock, storeTime, timings });
  const endpoint =
    seams.endpoint ??
    createTokenEndpoint({
      instanceUrl,
      clientId: options.clientId,
      clientSecret: options.clientSecret,
      timings,
      clock,
      accept: options.tokenFormat === 'any' ? null : options.tokenFormat,
      http: options.http,
      refusals: options.refusals,
    });
  const transport = apiTransport(instanceUrl, options.http);
  const hub = new EventHub();
  const news = new GrantNews({ options, repository, hub });
  const rescue =
    seams.rescue ?? (options.rescueDir ? rescueFolder(options.rescueDir, options.journals) : null);
  const journals = new Journals(options.journals, rescue, repository, registration);
  const gate = new RegistrationGate(store, registration, timings);
  const last = new LastRescue({ clock, journals, options });
  const refresher = new Refresher({ options, clock, repository, endpoint, news, journals, gate, last });
  const admin = new GrantAdmin({ options, clock, repository, endpoint, refresher, news, journals, last });
  const inquiry = new ForbiddenInquiry({
    clock,
    repository,
    refresher,
    news,
    canary: options.canary,
    send: canarySender({ base: transport.base, fetch: transport.fetch, clock }),
  });
  let closed: Promise<void> | null = null;

  /** A row that cannot be read is told apart and does not hide the others. */
  const statusIn = (row: ListedRow): ConnectionStatus => {
    const now = repository.time().store;
    const about = {
      connectionId: row.id,
      instanceUrl,
      refreshYear: options.refreshYear,
      jitter: jitterOf(registration, row.id),
    };
    try {
      return statusOf(repository.parse(row.id, row), now, about);
    } catch (error) {
      if (!(error instanceof RecordUnreadableError)) throw error;
      const { code, message } = error;
      const unreadable = {
        state: 'uncertain',
        reason: 'record_unreadable',
        lastError: { at: now, code, message },
      } as const;
      return { ...statusOf(null, now, about), ...unreadable };
    }
  };

  /** All grants of this registration, in the order of their ids. */
  async function* rows(query: { state?: StoredState; after?: string } = {}): AsyncGenerator<ListedRow> {
    let after = query.after;
    for (;;) {
      const from = after === undefined ? {} : { after };
      const page = await repository.page({ limit: PAGE, ...query, ...from });
      yield* page;
      after = page.at(-1)?.id;
      if (page.length < PAGE) return;
    }
  }

  const close = async (timeoutMs: number): Promise<void> => {
    const given = new AbortController();
    const landed = refresher.close();
    const late = sleep(clock, timeoutMs, { signal: given.signal }).catch(() => undefined);
    await Promise.race([landed, late]).finally(() => given.abort());
    await last.save(refresher.inHand);
    refresher.end();
    // What came in meanwhile.
    await last.save(refresher.inHand);
    // A pair that comes after the time-out still goes to its rescue folder.
    void landed.then(() => journals.close());
    await endpoint.close();
    await transport.close();
    followed?.close();
  };

  const manager: TokenManager = {
    connection(...ids): Connection {
      if (ids.length > 0 && (typeof ids[0] !== 'string' || ids[0] === '')) {
        throw new TypeError(
          'connection(id) needs a non-empty text: an anonymous visitor is nobody. For one shared connection call connection() without an argument.',
        );
      }
      return createConnection(ids[0] ?? DEFAULT_CONNECTION, {
        options,
        refresher,
        repository,
        admin,
        transport,
        inquiry,
      });
    },
    async *connections({ state, after, limit = Number.POSITIVE_INFINITY } = {}) {
      let left = limit;
      const stored = storedFilter(state);
      if (left <= 0) return;
      for await (const row of rows({
        ...(stored ? { state: stored } : {}),
        ...(after === undefined ? {} : { after }),
      })) {
        const status = statusIn(row);
        if (state !== undefined && status.state !== state) continue;
        yield status;
        left -= 1;
        if (left <= 0) return;
      }
    },
    on: (event, listener) => hub.on(event, listener),
    async reseal() {
      const parts = { repository, refresher, journals, clock, timings };
      const left: string[] = [];
      let resealed = 0;
      const one = async (id: string): Promise<void> => {
        try {
          if (await reseal(refresher.grant(id), parts)) resealed += 1;
        } catch (error) {
          if (!(error instanceof RecordUnreadableError)) throw error;
          left.push(id);
        }
      };
      // Asked first: a sign-in that no store took, say, has no row.
      const journalled = new Set(await journals.connections());
      for await (const { id } of rows()) {
        journalled.delete(id);
        await one(id);
      }
      for (const id of journalled) await one(id);
      return { resealed, left };
    },
    async health() {
      const unpersisted = refresher.unpersisted.length;
      try {
        await repository.askRow();
        return { status: unpersisted > 0 ? 'degraded' : 'up', store: 'up', unpersisted };
      } catch {
        return { status: 'down', store: 'down', unpersisted };
      }
    },
    close({ timeoutMs } = {}) {
      // What is no number must not end the wait for a pair that is on its way.
      const isGiven = typeof timeoutMs === 'number' && !Number.isNaN(timeoutMs);
      closed ??= close(isGiven ? timeoutMs : timings.responseMs + timings.persistBudgetMs);
      return closed;
    },
    [Symbol.asyncDispose]() {
      return manager.close();
    },
    [internals]: {
      store,
      registration,
      instanceUrl,
      redirectUri: options.redirectUri,
      allowLoopback: options.allowLoopback,
      clock,
      random: options.random,
      refreshYear: options.refreshYear,
      storeNow: () => repository.time().store,
    },
  };
  return manager;
}

/** Which stored state a derived one can be found under. */
function storedFilter(state: ConnectionStatus['state'] | undefined): StoredState | null {
  switch (state) {
    case undefined:
    case 'reauth_required':
    case 'disconnected':
      // Time alone makes a connection dead (its year is over) or lets a pending account lapse.
      return null;
    case 'pending':
      return 'pending';
    case 'active':
    case 'expiring':
    case 'expired':
    case 'uncertain':
      return 'connected';
    default:
      return state satisfies never;
  }
}
