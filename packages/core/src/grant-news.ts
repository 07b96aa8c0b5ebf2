import type { EventHub, HighQEvents } from './events.ts';
import { clampMinValidity, horizonDaysLeft, refreshHorizonAt } from './expiry.ts';
import type { FlightResult } from './flight.ts';
import { failureOf } from './flight-errors.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant } from './held-grant.ts';
import { deathOf } from './machine-parts.ts';
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
    const reason = deathOf(record, this.#d.options.refreshYear, this.#d.repository.time().store);
    const death = reason ? `${record.epoch}.${record.generation}` : null;
    if (reason && death !== grant.deathTold) {
      this.#emit(grant, 'reauthorizationRequired', { reason });
      this.#d.options.logger.warn('hq-oauth: a person must sign in again', {
        connectionId: grant.id,
        reason,
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

  /** How much validity a caller gets that asks for `minValidityMs`; told once where it is less. */
  wantedMs(grant: HeldGrant, minValidityMs: number, lifeMs: number): number {
    const wanted = clampMinValidity(minValidityMs, lifeMs);
    if (wanted < minValidityMs && lifeMs > 0 && !grant.minValidityTold) {
      grant.minValidityTold = true;
      this.anomaly(
        grant,
        'min_validity_clamped',
        `asked for ${minValidityMs} ms, half of the life is ${wanted} ms`,
      );
    }
    return wanted;
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
