import { type ApiAccess, apiFetch } from './api-client.ts';
import type { ApiTransport } from './api-transport.ts';
import { connectionClient, type HighQClient } from './connection-client.ts';
import type { Connection } from './contracts.ts';
import { ConfigurationError } from './errors.ts';
import { explain } from './explain.ts';
import type { ForbiddenInquiry } from './forbidden-inquiry.ts';
import type { GrantAdmin } from './grant-admin.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant } from './held-grant.ts';
import type { ResolvedOptions } from './options.ts';
import type { Refresher } from './refresher.ts';
import { statusOf } from './state.ts';
import type { ConnectionStatus } from './status.ts';
import { checked } from './token-request.ts';

/** How long an API call may take, milliseconds. */
const CALL_MS = 10_000;

/** What a caller waits for on top of its own patience, where a process is frozen when its callers have their answers (F112). */
function awaitedMs({ background, timings }: ResolvedOptions): number {
  const { settleMs, connectMs, responseMs, persistBudgetMs } = timings;
  return background === 'await' ? settleMs + connectMs + responseMs + persistBudgetMs : 0;
}

export interface ConnectionDependencies {
  readonly options: ResolvedOptions;
  readonly refresher: Refresher;
  readonly repository: GrantRepository;
  readonly admin: GrantAdmin;
  readonly transport: ApiTransport;
  readonly inquiry: ForbiddenInquiry;
}

/** A handle on one user's grant. It holds nothing: what is in memory belongs to the manager. */
export function createConnection(id: string, d: ConnectionDependencies): Connection {
  const { options, refresher, repository, admin, transport, inquiry } = d;
  const grant = (): HeldGrant => refresher.grant(id);
  let client: HighQClient | undefined;

  const status = async (): Promise<ConnectionStatus> => {
    const held = grant();
    try {
      await refresher.read(held);
    } catch (error) {
      if (!held.loaded || held.snapshot === null || held.replaced) throw error;
    }
    return statusOf(held.snapshot?.record ?? null, repository.time().store, {
      connectionId: id,
      instanceUrl: options.instanceUrl,
      refreshYear: options.refreshYear,
      jitter: held.jitter,
    });
  };

  const getAccessToken: Connection['getAccessToken'] = async (request = {}) =>
    (await refresher.access(grant(), checked(request))).token;
  const access: ApiAccess = {
    base: transport.base,
    connectionId: id,
    grant,
    token: (request) => refresher.access(grant(), request),
    inquiry,
    awaits: options.background === 'await',
    fetch: transport.fetch,
  };

  return {
    id,
    get client() {
      // ky counts the wait for a refresh as part of the call: its own ten seconds come on top of that.
      client ??= connectionClient({
        prefix: `${options.instanceUrl}/api/`,
        timeoutMs: options.waitMs + CALL_MS + awaitedMs(options),
        connectionId: id,
        fetch: (input, init, resendable) => apiFetch(access, input, init, resendable),
      });
      return client;
    },
    authorizationUrl({ redirectUri = options.redirectUri, state, codeChallenge } = {}) {
      if (!redirectUri) {
        const problem = 'is needed to sign people in: the address of your callback, as registered';
        throw new ConfigurationError([{ option: 'redirectUri', env: 'HIGHQ_REDIRECT_URI', problem }]);
      }
      const url = new URL(`${options.instanceUrl}/authorize.action`);
      url.searchParams.set('response_type', 'code');
      url.searchParams.set('client_id', options.clientId);
      url.searchParams.set('redirect_uri', redirectUri);
      if (state !== undefined) url.searchParams.set('state', state);
      if (codeChallenge !== undefined) {
        url.searchParams.set('code_challenge', codeChallenge);
        url.searchParams.set('code_challenge_method', 'S256');
      }
      return url.href;
    },
    async exchangeCode(code, { confirm = false, codeVerifier } = {}) {
      await admin.exchangeCode(grant(), code, {
        confirm,
        ...(codeVerifier === undefined ? {} : { codeVerifier }),
      });
      return status();
    },
    async confirm({ pendingId } = {}) {
      await admin.confirm(grant(), pendingId);
      return status();
    },
    async reject({ pendingId } = {}) {
      await admin.reject(grant(), pendingId);
      return status();
    },
    async importTokens(tokens, { receivedAt } = {}) {
      await admin.importTokens(grant(), tokens, receivedAt);
      return status();
    },
    getAccessToken,
    fetch: (input, init) => apiFetch(access, input, init),
    async refresh({ force = false } = {}) {
      await refresher.refresh(grant(), force);
      return status();
    },
    status,
    async history({ limit = 20 } = {}) {
      const held = grant();
      await refresher.read(held);
      return [...(held.snapshot?.record.history ?? [])].reverse().slice(0, limit);
    },
    async explain() {
      const is = await status();
      const { pause, pauseLeftMs } = grant();
      const rest = pause && pauseLeftMs > 0 ? { ms: pauseLeftMs, message: pause.error(0).message } : null;
      return explain(is, repository.time().store, rest);
    },
    disconnect: () => admin.disconnect(grant()),
  };
}
