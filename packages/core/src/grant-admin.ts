import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import { isHighQError, SignInError, StoreUnavailableError, TokenEndpointError } from './errors.ts';
import type { GrantNews } from './grant-news.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant } from './held-grant.ts';
import { pairOf } from './new-pair.ts';
import type { ResolvedOptions } from './options.ts';
import { EMPTY_RECORD, type GrantRecord } from './record.ts';
import type { Refresher } from './refresher.ts';
import type { TokenEndpoint, TokenOutcome, TokenResponse } from './token-outcome.ts';
import { parseTokenObject, parseTokenResponse } from './token-response.ts';
import {
  authorized,
  type NewPair,
  nextEpoch,
  tombstone,
  withoutPending,
  withPending,
} from './transitions.ts';

/** How long an account waits to be confirmed. */
const PENDING_MS = 30 * 60_000;

interface Dependencies {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly repository: GrantRepository;
  readonly endpoint: TokenEndpoint;
  readonly refresher: Refresher;
  readonly news: GrantNews;
}

/** What a person does to a connection: sign in, confirm, import, disconnect. Each ends in one compare-and-set. */
export class GrantAdmin {
  readonly #d: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
  }

  async exchangeCode(
    grant: HeldGrant,
    code: string,
    options: { confirm: boolean; codeVerifier?: string },
  ): Promise<void> {
    if (typeof code !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(code)) {
      throw new SignInError(
        'The authorization code is empty or holds characters that no code has. Start the sign-in again.',
        {
          reason: 'code_malformed',
          connectionId: grant.id,
        },
      );
    }
    const before = await this.#d.repository.read(grant.slot);
    const epochBefore = before.snapshot?.record.epoch ?? 0;
    // Before the request: the life of a token is never counted from too late an instant.
    const issuedAt = before.time.store;
    const response = await this.#exchange(grant, code, options.codeVerifier);
    const { next, anomalies } = pairOf(response, issuedAt, this.#d.options.accessTokenLifetimeMs, {
      pair: null,
      refresh: null,
    });
    const build = options.confirm
      ? this.#pendingBuilder(next)
      : this.#authorizedBuilder(grant, next, 'authorized');
    await this.#stand(grant, epochBefore, build);
    for (const anomaly of anomalies) this.#d.news.anomaly(grant, anomaly, 'in the token response');
  }

  async #exchange(grant: HeldGrant, code: string, codeVerifier: string | undefined): Promise<TokenResponse> {
    const connectionId = grant.id;
    let outcome: TokenOutcome;
    try {
      const connection = await this.#d.endpoint.connect();
      outcome = await connection.send({
        grantType: 'authorization_code',
        code,
        ...(codeVerifier === undefined ? {} : { codeVerifier }),
      });
    } catch (error) {
      if (isHighQError(error)) throw error;
      const detail = error instanceof Error ? error.message : 'no connection';
      outcome = { kind: 'not_sent', reason: 'connect_failed', retryAfterMs: null, detail };
    }
    switch (outcome.kind) {
      case 'ok':
        return outcome.response;
      case 'not_sent':
        throw new TokenEndpointError(
          `The token endpoint did not take the sign-in (${outcome.detail}). The code was not used; try again.`,
          { connectionId, reason: outcome.reason, retryAfterMs: outcome.retryAfterMs ?? 1_000 },
        );
      case 'rejected':
        if (outcome.error === 'invalid_grant') {
          throw new SignInError(
            'The provider refused the authorization code: it is older than 30 minutes, was used before, or belongs to another registration. Start the sign-in again.',
            { connectionId, reason: 'code_refused' },
          );
        }
        throw new TokenEndpointError(
          `The token endpoint refused this registration (${outcome.error}): check HIGHQ_CLIENT_ID, HIGHQ_CLIENT_SECRET and that the registration is active.`,
          { connectionId, reason: outcome.error },
        );
      case 'unrecognized':
        throw new SignInError(
          `The provider refused the authorization code with status ${outcome.status}. Start the sign-in again.`,
          { connectionId, reason: 'code_refused' },
        );
      case 'unusable':
        throw new TokenEndpointError(
          `The token endpoint's answer could not be used (${outcome.problem}). Start the sign-in again; if it goes on, see the list of problems in the documentation.`,
          { connectionId, reason: outcome.problem },
        );
      case 'unknown':
        throw new TokenEndpointError(
          `The token endpoint's answer to the sign-in was lost (${outcome.reason}). The code may be used up: start the sign-in again.`,
          { connectionId, reason: outcome.reason },
        );
      default:
        return outcome satisfies never;
    }
  }

  async importTokens(
    grant: HeldGrant,
    tokens: string | Record<string, unknown>,
    receivedAt: number | undefined,
  ): Promise<void> {
    const parsed = typeof tokens === 'string' ? parseTokenResponse(tokens) : parseTokenObject(tokens);
    if (parsed.kind === 'refused') {
      throw new SignInError(
        `These tokens cannot be imported (${parsed.problem}). Give a whole token response, as XML or JSON text or as an object with its member names.`,
        { connectionId: grant.id, reason: parsed.problem },
      );
    }
    const before = await this.#d.repository.read(grant.slot);
    const issuedAt = Math.floor(Math.min(receivedAt ?? before.time.store, before.time.store));
    const { next } = pairOf(parsed.response, issuedAt, this.#d.options.accessTokenLifetimeMs, {
      pair: null,
      refresh: null,
    });
    await this.#stand(
      grant,
      before.snapshot?.record.epoch ?? 0,
      this.#authorizedBuilder(grant, next, 'imported'),
    );
  }

  async confirm(grant: HeldGrant): Promise<void> {
    const before = await this.#d.repository.read(grant.slot);
    const record = before.snapshot?.record;
    const pair = record && (await this.#d.repository.openPending(grant.slot, record));
    if (!record?.pending || !pair || record.pending.until <= before.time.store) {
      throw new SignInError(
        'There is no account to confirm, or it waited too long. Start the sign-in again.',
        {
          connectionId: grant.id,
          reason: 'nothing_pending',
        },
      );
    }
    const { access, refresh, userEmail } = record.pending;
    const next: NewPair = { pair, access, refresh, userEmail };
    await this.#stand(grant, record.epoch, this.#authorizedBuilder(grant, next, 'confirmed'));
  }

  async reject(grant: HeldGrant): Promise<void> {
    await this.#write(grant, (record, at) => (record?.pending ? withoutPending(record, at) : null));
  }

  /** Leaves a tombstone also where there was nothing: a sign-in that is under way must find it (T8). */
  async disconnect(grant: HeldGrant): Promise<void> {
    await this.#write(grant, (record, at) => tombstone(record ?? EMPTY_RECORD, at));
    this.#d.news.disconnected(grant);
  }

  /** Seals what was sealed with an older key with the first one. `false`: it was, or there is nothing. */
  async reseal(grant: HeldGrant): Promise<boolean> {
    for (;;) {
      const found = await this.#d.repository.read(grant.slot);
      const { snapshot } = found;
      if (!snapshot || this.#d.repository.sealedAnew(snapshot.record)) return false;
      const record = await this.#d.repository.opened(grant.slot, snapshot);
      const written = await this.#d.repository.write(grant.slot, snapshot.rev, record);
      if (!written.ok) continue;
      grant.take(written);
      return true;
    }
  }

  #pendingBuilder(next: NewPair) {
    return (record: GrantRecord, at: number): GrantRecord =>
      withPending(record, next, nextEpoch(record, at), at + PENDING_MS);
  }

  #authorizedBuilder(grant: HeldGrant, next: NewPair, event: 'authorized' | 'imported' | 'confirmed') {
    const attemptId = this.#d.options.random.id();
    return (record: GrantRecord, at: number): GrantRecord =>
      record.lastAttemptId === attemptId
        ? record
        : authorized(record, next, { event, attemptId, at, jitter: grant.jitter });
  }

  /**
   * Writes a grant that was received, for as long as it takes (I5). A tombstone that came meanwhile wins; of two
   * authorizations the last write wins.
   */
  async #stand(
    grant: HeldGrant,
    epochBefore: number,
    build: (record: GrantRecord, at: number) => GrantRecord,
  ): Promise<void> {
    const { timings } = this.#d.options;
    const guarded = (record: GrantRecord | null, at: number): GrantRecord => {
      if (record && record.disconnectedAt !== null && record.epoch > epochBefore) {
        throw new SignInError(
          'This connection was disconnected while the sign-in was under way. Start it again.',
          {
            connectionId: grant.id,
            reason: 'disconnected_meanwhile',
          },
        );
      }
      return build(record ?? EMPTY_RECORD, at);
    };
    const standing = this.#persist(grant, guarded);
    this.#d.refresher.track(standing);
    const late = Symbol('late');
    const budget = new AbortController();
    const timer = sleep(this.#d.clock, timings.persistBudgetMs, { signal: budget.signal }).then(
      () => late,
      () => late,
    );
    const first = await Promise.race([standing, timer]).finally(() => budget.abort());
    if (first === late) {
      throw new StoreUnavailableError(
        'The sign-in succeeded and the store does not take it. It is kept in memory and written as soon as the store answers.',
        { connectionId: grant.id, retryAfterMs: timings.persistBudgetMs },
      );
    }
  }

  async #persist(
    grant: HeldGrant,
    build: (record: GrantRecord | null, at: number) => GrantRecord,
  ): Promise<void> {
    const { timings } = this.#d.options;
    for (let tries = 0; ; tries += 1) {
      try {
        await this.#write(grant, build);
        grant.unpersisted = false;
        return;
      } catch (error) {
        if (!isHighQError(error) || error.code !== 'store_unavailable') {
          grant.unpersisted = false;
          throw error;
        }
        grant.unpersisted = true;
        const ms = Math.min(timings.persistRetryMs, (timings.persistRetryMs / 40) * 2 ** tries);
        await sleep(this.#d.clock, ms, { keepAlive: true });
      }
    }
  }

  /** Read, change, compare-and-set, until it stands. `null` from `change`: nothing to do. */
  async #write(
    grant: HeldGrant,
    change: (record: GrantRecord | null, at: number) => GrantRecord | null,
  ): Promise<void> {
    let found = await this.#d.repository.read(grant.slot);
    for (;;) {
      const current = found.snapshot?.record ?? null;
      const next = change(current, found.time.store);
      if (next === null || next === current) {
        grant.take(found);
        return;
      }
      const written = await this.#d.repository.write(grant.slot, found.snapshot?.rev ?? null, next);
      if (written.ok) {
        grant.take(written);
        return;
      }
      found = written;
    }
  }
}
