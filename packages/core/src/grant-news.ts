import type { EventHub, HighQEvents } from './events.ts';
import { horizonDaysLeft, refreshHorizonAt } from './expiry.ts';
import type { FlightResult } from './flight.ts';
import { failureOf } from './flight-errors.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant } from './held-grant.ts';
import type { ResolvedOptions } from './options.ts';

interface Dependencies {
  readonly options: ResolvedOptions;
  readonly repository: GrantRepository;
  readonly hub: EventHub;
}

/** What listeners and the log are told about a connection, each thing once. */
export class GrantNews {
  readonly #d: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
  }

  persistFailed(grant: HeldGrant, attempts: number): void {
    this.#emit(grant, 'persistFailed', { attempts });
    this.#d.options.logger.error('hq-oauth: a new token pair is in memory only, the store does not take it', {
      connectionId: grant.id,
      attempts,
    });
  }

  failed(grant: HeldGrant, result: Exclude<FlightResult, { kind: 'settled' }>, retryAfterMs: number): void {
    const { reason, retryable } = failureOf(result);
    if (result.kind === 'uncertain') this.#emit(grant, 'uncertain', { reason });
    this.#emit(grant, 'refreshFailed', { reason, retryable });
    this.#d.options.logger.warn('hq-oauth: a refresh failed', {
      connectionId: grant.id,
      reason,
      retryAfterMs,
    });
  }

  settled(grant: HeldGrant, refreshed: boolean): void {
    const record = grant.snapshot?.record;
    if (!record) return;
    if (refreshed) {
      this.#emit(grant, 'refreshed', record.userEmail === null ? {} : { userEmail: record.userEmail });
      this.horizon(grant);
    }
    const death = record.dead ? `${record.epoch}.${record.generation}` : null;
    if (record.dead && death !== grant.deathTold) {
      this.#emit(grant, 'reauthorizationRequired', { reason: record.dead.reason });
      this.#d.options.logger.warn('hq-oauth: a person must sign in again', {
        connectionId: grant.id,
        reason: record.dead.reason,
      });
    }
    grant.deathTold = death;
  }

  /** Warns of the end of the refresh token's year, at 90, 30, 7 and 1 days. */
  horizon(grant: HeldGrant): void {
    const record = grant.snapshot?.record;
    if (!record?.refresh || record.authorizedAt === null) return;
    const expiresAt = refreshHorizonAt(record.refresh, record.authorizedAt, this.#d.options.refreshYear);
    const daysLeft = horizonDaysLeft(expiresAt, this.#d.repository.time().store);
    if (daysLeft !== null && daysLeft !== grant.horizonTold)
      this.#emit(grant, 'horizon', { daysLeft, expiresAt });
    grant.horizonTold = daysLeft;
  }

  anomaly(grant: HeldGrant, anomaly: string, detail: string): void {
    this.#emit(grant, 'anomaly', { anomaly, detail });
    this.#d.options.logger.warn(`hq-oauth: ${anomaly}`, { connectionId: grant.id, detail });
  }

  disconnected(grant: HeldGrant): void {
    this.#emit(grant, 'disconnected', {});
  }

  #emit<E extends keyof HighQEvents>(
    grant: HeldGrant,
    event: E,
    more: Omit<HighQEvents[E], 'connectionId' | 'at' | 'generation'>,
  ): void {
    const base = {
      connectionId: grant.id,
      at: this.#d.repository.time().store,
      generation: grant.snapshot?.record.generation ?? 0,
    };
    this.#d.hub.emit(event, { ...base, ...more } as HighQEvents[E], () => {
      this.#d.options.logger.error(`hq-oauth: a listener for "${event}" failed`, { connectionId: grant.id });
    });
  }
}
