import { Background } from './background.ts';
import type { Clock } from './clock.ts';
import { thresholds } from './expiry.ts';
import type { FlightResult, Snapshot } from './flight.ts';
import { inProgress, notConnected, pauseAfter, reauthorizationRequired } from './flight-errors.ts';
import { isMereLook, takeIn, wasGivenUp } from './flight-landing.ts';
import { observerOf } from './flight-observer.ts';
import type { GrantNews } from './grant-news.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant, OngoingFlight } from './held-grant.ts';
import { HeldGrants } from './held-grants.ts';
import type { Journals } from './journals.ts';
import type { LastRescue } from './last-rescue.ts';
import { deathOf } from './machine-parts.ts';
import type { ResolvedOptions } from './options.ts';
import { inTime, type Patience, waitForFlight } from './patience.ts';
import { compareGrants, type GrantRecord } from './record.ts';
import type { RegistrationGate } from './registration-gate.ts';
import { runFlight } from './run-flight.ts';
import type { DeathReason } from './status.ts';
import type { TokenEndpoint } from './token-outcome.ts';
import type { HandedToken, TokenRequestOptions } from './token-request.ts';

/** With nothing usable in memory, the store is asked again no more often than this. */
const REREAD_MS = 1_000;
/** With a valid token in memory, a store that does not answer is waited for no longer than this; without one, at least. */
const STATIC_MS = 2_000;

interface Dependencies {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly repository: GrantRepository;
  readonly endpoint: TokenEndpoint;
  readonly news: GrantNews;
  readonly journals: Journals;
  readonly gate: RegistrationGate;
  readonly last: LastRescue;
}

/** What this process has in memory, and the refreshes that it has under way: one per connection (I1). */
export class Refresher {
  readonly #d: Dependencies;
  readonly #news: GrantNews;
  readonly #owner: string;
  readonly #grants: HeldGrants;
  readonly #background: Background;
  readonly #closing = new AbortController();
  readonly #ended = new AbortController();
  readonly #work = new Set<Promise<unknown>>();

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
    this.#news = dependencies.news;
    this.#owner = dependencies.options.random.id();
    this.#background = new Background(dependencies.options);
    this.#grants = new HeldGrants(dependencies.options.registration, dependencies.clock);
  }

  grant(id: string): HeldGrant {
    return this.#grants.get(id);
  }

  /** Connections with something that the store has not confirmed. */
  get inHand(): readonly HeldGrant[] {
    return this.#grants.all.filter(({ inHand, signInsInHand }) => inHand || signInsInHand.size > 0);
  }

  /** Connections whose new pair is in memory only. */
  get unpersisted(): readonly HeldGrant[] {
    return this.#grants.all.filter((grant) => grant.unpersisted);
  }

  /** Step 1 of the protocol: a token that is valid on both clocks, at once if there is one, and the record it is of. */
  async access(grant: HeldGrant, request: TokenRequestOptions = {}): Promise<HandedToken> {
    const { clock, options, repository, journals } = this.#d;
    request.signal?.throwIfAborted();
    if (clock.sync) await clock.sync();
    const patience = this.#patience(request);
    for (let round = 0; ; round += 1) {
      await this.#upToDate(grant, patience);
      const snapshot = grant.snapshot;
      if (!snapshot || snapshot.record.tokens === null)
        throw notConnected(grant.id, snapshot?.record ?? null);
      const lifeMs = snapshot.record.access?.lifeMs ?? 0;
      const { mustMs, shouldMs } = thresholds(lifeMs, grant.jitter);
      const wanted = this.#news.wantedMs(grant, request.minValidityMs ?? 0, lifeMs);
      const left = grant.remaining();
      const usable = grant.usable();
      const token = usable === null ? null : { token: usable, record: snapshot.record };
      if (token !== null && left > Math.max(mustMs, wanted) && !grant.suspect) {
        if (left > shouldMs || round > 0) return token;
        if (!this.#background.start(grant.flight ? null : () => this.#refreshQuietly(grant))) return token;
        await this.#waited(grant, patience);
        continue;
      }
      const ended = this.#givenUp(grant, snapshot);
      const mayLive =
        grant.flight !== null || grant.mayLive(options, repository.time().store, journals.present);
      if (ended && (round > 4 || !mayLive)) {
        if (token !== null) return token;
        throw ended;
      }
      if (round > 4) throw inProgress(grant.id, options.timings.pollMs);
      const answer = await this.#wait(this.fly(grant), patience);
      // Where journals cannot be looked into nobody knows whether it has ended.
      if (ended && answer !== null && answer !== 'held' && answer.kind === 'store_down') {
        if (token !== null) return token;
        throw grant.pause?.error(options.timings.backoffMs) ?? ended;
      }
      if (answer !== null && answer !== 'held' && answer.kind === 'settled' && !answer.refreshed) {
        const over = grant.snapshot?.record.dead === null && this.#deathOf(grant.snapshot.record);
        if (over && grant.usable() === null) throw reauthorizationRequired(grant.id, over);
      }
      if (answer === null) {
        const still = grant.usable();
        if (still !== null && grant.snapshot) return { token: still, record: grant.snapshot.record };
        throw this.#inProgress(grant);
      }
    }
  }

  /**
   * The access token of `used` is dead: resolves when a newer grant is in memory, whoever brought it. @throws as
   * `access`
   */
  async renew(
    grant: HeldGrant,
    used: { readonly epoch: number; readonly generation: number },
  ): Promise<void> {
    const patience = this.#patience({});
    for (let round = 0; round <= 4; round += 1) {
      const { snapshot } = grant;
      if (!snapshot || snapshot.record.tokens === null)
        throw notConnected(grant.id, snapshot?.record ?? null);
      if (compareGrants(snapshot.record, used) > 0) return;
      const ended = this.#givenUp(grant, snapshot);
      if (ended) throw ended;
      if ((await this.#wait(this.fly(grant), patience)) === null) break;
    }
    throw this.#inProgress(grant);
  }

  /** On a platform that freezes a process when its callers have their answers, nothing may be under way by then (F112). */
  get #awaits(): boolean {
    return this.#d.options.background === 'await';
  }

  #wait(flight: OngoingFlight, patience: Patience): Promise<FlightResult | 'held' | null> {
    return waitForFlight(this.#d.clock, flight, patience, this.#awaits);
  }

  #inProgress(grant: HeldGrant): Error {
    const { clock, options } = this.#d;
    const blocked = grant.flight?.blocked;
    const leftMs = blocked ? blocked.leaseLeftMs - (clock.monotonic() - blocked.atMono) : 0;
    return inProgress(grant.id, Math.max(leftMs, options.timings.pollMs));
  }

  /** Why no refresh can be tried now, if so. */
  #givenUp(grant: HeldGrant, { record, pair }: Snapshot): Error | null {
    const reason = this.#deathOf(record);
    // A year that is over is nothing that the record says: what is under way, or kept, may yet bring a pair.
    const open = record.intent !== null || record.quarantine !== null || record.sibling !== null;
    if (reason && (record.dead || !open)) return reauthorizationRequired(grant.id, reason);
    if (!pair?.refresh) return reauthorizationRequired(grant.id, 'refresh_token_expired');
    const { pause, pauseLeftMs } = grant;
    return pause && pauseLeftMs > 0 && !grant.flight ? pause.error(Math.ceil(pauseLeftMs)) : null;
  }

  #patience(request: TokenRequestOptions): Patience {
    const waitMs = request.waitMs ?? this.#d.options.waitMs;
    return { waitMs, deadline: this.#d.clock.monotonic() + waitMs, signal: request.signal };
  }

  /** Reads the record when there is none in memory, when it may be stale, or when the clocks have come apart. */
  async #upToDate(grant: HeldGrant, patience: Patience): Promise<void> {
    const { options, clock } = this.#d;
    const age = grant.readAgeMs;
    const usable = grant.usable() !== null && grant.snapshot?.record.tokens !== null;
    const mustRead =
      !grant.loaded ||
      grant.drifted ||
      // After that long a disconnect by another process must hold here, too (F108).
      age >= Math.min(options.revalidateMs, options.idleRereadMs) ||
      grant.snapshot === null ||
      grant.snapshot.record.tokens === null ||
      (!usable && (grant.snapshot.record.dead !== null || (grant.pause !== null && age >= REREAD_MS)));
    if (mustRead) {
      // `waitMs` is for refreshes: who does not wait for one still learns what the store has.
      const waitMs = grant.loaded && usable ? STATIC_MS : Math.max(STATIC_MS, patience.waitMs);
      try {
        await inTime(clock, this.read(grant), { ...patience, waitMs });
      } catch (error) {
        patience.signal?.throwIfAborted();
        // Static stability: what is valid in memory is served through any outage (I9), and not to another account (F108).
        if (!grant.loaded || grant.remaining() <= 0 || grant.replaced) throw error;
      } finally {
        if (this.#awaits) await grant.reading?.catch(() => undefined);
      }
    } else if (age >= options.revalidateMs / 2 && !grant.reading) {
      // In use: read before it must be, so that no call has to wait for it.
      const read = (): Promise<void> => this.read(grant).catch(() => undefined);
      if (this.#background.start(read)) await read().then(() => patience.signal?.throwIfAborted());
    }
  }

  /** One read at a time per connection. @throws StoreUnavailableError, RecordUnreadableError */
  read(grant: HeldGrant): Promise<void> {
    if (grant.reading) return grant.reading;
    const { clock, options } = this.#d;
    // One that never ends must not stand in the way of all that follow.
    const { persistBudgetMs } = options.timings;
    const reading = inTime(clock, this.#readNow(grant), {
      waitMs: persistBudgetMs,
      deadline: 0,
      signal: undefined,
    }).finally(() => {
      if (grant.reading === reading) grant.reading = null;
    });
    grant.reading = reading;
    return reading;
  }

  async #readNow(grant: HeldGrant): Promise<void> {
    const first = !grant.loaded;
    // Whatever else has loaded it: as long as no journal was looked into, this is the first time.
    const unlooked = !grant.looked;
    const found = await this.#d.repository.read(grant.slot);
    const intact = grant.take(found);
    if (first) this.#news.horizon(grant);
    if (this.#closing.signal.aborted) return;
    // The store has fallen back behind what this process knows: a flight writes it again (I3).
    if (!intact && !this.#awaits) this.fly(grant);
    else if (!intact && !grant.flight) await this.fly(grant, 'look').landed;
    // It may have come back empty, or with somebody who has left since.
    const looks = (unlooked || grant.snapshot === null) && this.#d.journals.present;
    if (!looks || !grant.mayReplay()) {
      grant.looked = true;
      return;
    }
    const answer = await this.fly(grant, 'look').told;
    if (answer === 'held' || answer.kind === 'settled') {
      grant.looked = true;
      return;
    }
    grant.mayTryAgain();
    if (grant.snapshot) return;
    throw pauseAfter(grant.id, answer, { timings: this.#d.options.timings, failures: 1 }).error(1_000);
  }

  /** Waits for the flight that was begun in the background, as long as the caller would for one that it needs. */
  async #waited(grant: HeldGrant, patience: Patience): Promise<void> {
    if (grant.flight) await this.#wait(grant.flight, patience).catch(() => patience.signal?.throwIfAborted());
  }

  async #refreshQuietly(grant: HeldGrant): Promise<void> {
    if (!grant.snapshot || this.#givenUp(grant, grant.snapshot) || this.#closing.signal.aborted) return;
    await this.fly(grant).told.catch(() => undefined);
  }

  /** Renews when it is due, or in any case with `force`. @throws what `access` throws */
  async refresh(grant: HeldGrant, force: boolean): Promise<void> {
    const { clock } = this.#d;
    if (clock.sync) await clock.sync();
    await this.read(grant);
    const { snapshot } = grant;
    if (!snapshot || snapshot.record.tokens === null) throw notConnected(grant.id, snapshot?.record ?? null);
    const { shouldMs } = thresholds(snapshot.record.access?.lifeMs ?? 0, grant.jitter);
    if (!force && grant.usable() !== null && grant.remaining() > shouldMs && !grant.suspect) return;
    const ended = this.#givenUp(grant, snapshot);
    if (ended) throw ended;
    const patience = this.#patience({});
    let flight = this.fly(grant);
    let answer = await this.#wait(flight, patience);
    // One that its last caller had given up as this one joined it has tried nothing, nor has a look that found nothing.
    const untried = (): boolean => wasGivenUp(answer, this.#closing.signal) || isMereLook(flight, answer);
    for (let round = 0; round < 4 && untried(); round += 1) {
      flight = this.fly(grant);
      answer = await this.#wait(flight, patience);
    }
    if (answer === null || wasGivenUp(answer, this.#closing.signal)) throw this.#inProgress(grant);
    if (answer !== 'held' && answer.kind !== 'settled' && grant.pause) {
      throw grant.pause.error(Math.max(1, Math.ceil(grant.pauseLeftMs)));
    }
    const reason = grant.snapshot && this.#deathOf(grant.snapshot.record);
    if (reason) throw reauthorizationRequired(grant.id, reason);
  }

  #deathOf(record: GrantRecord): DeathReason | null {
    return deathOf(record, this.#d.options.refreshYear, this.#d.repository.time().store);
  }

  /** Joins the connection's refresh, or begins one. It belongs to no caller: nobody's abort ends it. */
  fly(grant: HeldGrant, purpose: 'refresh' | 'look' = 'refresh'): OngoingFlight {
    if (grant.flight) return grant.flight;
    // A look renews nothing: who waits to be woken goes on waiting.
    if (purpose === 'refresh') grant.cancelWakeUp?.();
    const { options, clock, repository, endpoint, journals, gate } = this.#d;
    const told = Promise.withResolvers<FlightResult | 'held'>();
    told.promise.catch(() => undefined);
    // A platform that freezes after the response must find nothing under way, however small (F112).
    const aside: Promise<unknown>[] = [];
    const stopped = new AbortController();
    const flight: OngoingFlight = {
      told: told.promise,
      startedMono: clock.monotonic(),
      purpose,
      blocked: null,
      onBlocked: new Set(),
      landed: Promise.resolve(),
      waiters: 0,
      stop: () => stopped.abort(),
    };
    grant.flight = flight;
    const ended = runFlight({
      context: {
        attemptId: options.random.id(),
        owner: this.#owner,
        timings: options.timings,
        known: grant.snapshot,
        jitter: grant.jitter,
        configuredLifeMs: options.accessTokenLifetimeMs,
        refreshYear: options.refreshYear,
        journaled: journals.present,
        purpose,
        reparsed: grant.reparsed,
      },
      newest: () => grant.snapshot,
      deadToken: () => grant.calls.deadToken,
      slot: grant.slot,
      repository,
      endpoint,
      journals,
      gate,
      clock,
      closing: this.#closing.signal,
      left: stopped.signal,
      ended: this.#ended.signal,
      observer: observerOf(grant, flight, {
        ...this.#d,
        ended: this.#ended.signal,
        held: () => told.resolve('held'),
        rescue: (record) => journals.rescue(grant.slot, record),
        work: (work) => {
          aside.push(work.catch(() => undefined));
          this.track(work);
        },
      }),
    });
    const landed = ended.then(
      async (result) => {
        if (options.background !== 'detached') await Promise.all(aside);
        grant.flight = null;
        takeIn(grant, result, purpose, {
          ...this.#d,
          closing: this.#closing.signal,
          wake: () => void this.#refreshQuietly(grant),
        });
        told.resolve(result);
      },
      (error: unknown) => {
        grant.flight = null;
        told.reject(error);
        options.logger.error('hq-oauth: a refresh ended by a defect', { connectionId: grant.id });
      },
    );
    flight.landed = landed;
    this.track(landed);
    this.#background.hand(landed);
    return flight;
  }

  /** Work that `close()` waits for. */
  track(work: Promise<unknown>): void {
    const tracked = work.catch(() => undefined).finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Aborted when a shutdown's time is up: what the store has not taken by then has been rescued, or is lost. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  end(): void {
    this.#ended.abort();
  }

  /** Sends nothing new; resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const grant of this.#grants.all) grant.cancelWakeUp?.();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}
