import type { Connection } from '../contracts.ts';
import { isHighQError, StoreUnavailableError } from '../errors.ts';
import { DAY_MS, HORIZON_DAYS, horizonDaysLeft, type RefreshYear, refreshHorizonAt } from '../expiry.ts';
import { explain } from '../explain.ts';
import { safeError } from '../redact.ts';
import type { ConnectionStatus, HistoryEntry } from '../status.ts';
import type { Notice } from './status-notice.ts';
import type { Visit } from './visit.ts';

/** What a visitor of the status page sees: one connection, the list of all, or both. */
export interface StatusSight {
  readonly view: StatusView | null;
  readonly list: ConnectionPage | null;
  /** The connection is the visitor's own: only then there is something to press. */
  readonly own: boolean;
  /** What this visitor may do with it. */
  readonly may: Readonly<Record<'connect' | 'renew' | 'disconnect', boolean>>;
  readonly notice: Notice | null;
  /** Store's clock, epoch ms. */
  readonly now: number;
}

/** What the page about one connection shows, as one look at the store found it. */
export interface StatusView {
  readonly status: ConnectionStatus;
  /** Store's clock, epoch ms. */
  readonly now: number;
  readonly explain: readonly string[];
  /** Newest first. `null`: the store did not answer, and `status` is what this process knew before. */
  readonly history: readonly HistoryEntry[] | null;
  readonly horizon: Horizon | null;
}

/** The end of the refresh token, as far as it can be known. Instants are epoch ms. */
export interface Horizon {
  /** From here the token's life is counted: the earlier of its issue and the sign-in, unless the year starts anew. */
  readonly startsAt: number;
  /** When it may end: warnings count from here. */
  readonly endsAt: number;
  /** When it has certainly ended. Later than `endsAt` while nobody knows whether a renewal starts the year anew. */
  readonly latestAt: number;
  readonly warnings: readonly { readonly days: number; readonly at: number }[];
  /** The warning that is due, in days; `null`: none. */
  readonly due: number | null;
}

/** One page of all connections of a registration. */
export interface ConnectionPage {
  readonly connections: readonly ConnectionStatus[];
  /** What `?after=` is for the next page; `null`: this is the last one. */
  readonly next: string | null;
}

/**
 * What the status page is for a program: a connection's status with all that the page shows. `connections` and `next` are
 * there for those who may see all connections; who has none of their own gets these and `now` only.
 */
export interface StatusDocument
  extends ConnectionStatus,
    Omit<StatusView, 'status'>,
    Partial<ConnectionPage> {}

export const CONNECTIONS_ON_A_PAGE = 25;
const RETRY_MS = 5_000;

export async function readStatus(visit: Visit, connectionId: string): Promise<StatusView> {
  const { manager, inside } = visit;
  const connection = manager.connection(connectionId);
  // A clock that follows another one shows what that one shows now; where it cannot be asked, what it showed last.
  await inside.clock.sync?.().catch(() => undefined);
  const status = await statusOf(connection, inside.instanceUrl, () => inside.storeNow());
  const history = await historyOf(connection, status);
  const now = inside.storeNow();
  return { status, now, explain: explain(status, now), history, horizon: horizonOf(status, inside) };
}

/** A record that cannot be opened is something to show, not a reason to show nothing. */
async function statusOf(
  connection: Connection,
  instanceUrl: string,
  now: () => number,
): Promise<ConnectionStatus> {
  try {
    return await connection.status();
  } catch (error) {
    if (!isHighQError(error) || error.code !== 'record_unreadable') throw error;
    return {
      connectionId: connection.id,
      instanceUrl,
      state: 'uncertain',
      reason: 'record_unreadable',
      authorizedAt: null,
      generation: 0,
      access: null,
      refresh: null,
      nextRefreshAt: null,
      lastRefresh: null,
      lastError: { at: now(), code: error.code, message: error.message },
    };
  }
}

async function historyOf(
  connection: Connection,
  { reason }: ConnectionStatus,
): Promise<readonly HistoryEntry[] | null> {
  if (reason === 'record_unreadable') return [];
  try {
    return await connection.history();
  } catch (error) {
    if (isHighQError(error) && error.code === 'store_unavailable') return null;
    throw error;
  }
}

/** `null` where there is no refresh token that counts any more. */
export function horizonOf(
  { state, reason, refresh, authorizedAt }: ConnectionStatus,
  { refreshYear, storeNow }: { readonly refreshYear: RefreshYear; storeNow(): number },
): Horizon | null {
  if (!refresh || (state === 'reauth_required' && reason !== 'refresh_token_expired')) return null;
  const facts = { issuedAt: refresh.issuedAt, lifeMs: refresh.expiresAt - refresh.issuedAt };
  const endsAt = refreshHorizonAt(facts, authorizedAt ?? refresh.issuedAt, refreshYear);
  return {
    startsAt: endsAt - facts.lifeMs,
    endsAt,
    latestAt: refreshYear === 'absolute' ? endsAt : refresh.expiresAt,
    warnings: HORIZON_DAYS.map((days) => ({ days, at: endsAt - days * DAY_MS })),
    due: horizonDaysLeft(endsAt, storeNow()),
  };
}

/** @throws StoreUnavailableError */
export async function readConnections({ manager, url }: Visit): Promise<ConnectionPage> {
  const after = url.searchParams.get('after');
  const found: ConnectionStatus[] = [];
  const query = { limit: CONNECTIONS_ON_A_PAGE + 1, ...(after ? { after } : {}) };
  try {
    for await (const status of manager.connections(query)) found.push(status);
  } catch (error) {
    if (isHighQError(error)) throw error;
    // What a list fails with comes from the store as it is.
    throw new StoreUnavailableError('The store does not answer, so the connections cannot be listed.', {
      cause: safeError(error),
      retryAfterMs: RETRY_MS,
    });
  }
  const connections = found.slice(0, CONNECTIONS_ON_A_PAGE);
  const next = found.length > connections.length ? (connections.at(-1)?.connectionId ?? null) : null;
  return { connections, next };
}

/** Which grant, and which pair of it. */
export function seenAs({ authorizedAt, generation }: ConnectionStatus): string {
  return `${authorizedAt ?? 0}.${generation}`;
}
