import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import { exchange } from './code-exchange.ts';
import { isHighQError, SignInError, StoreUnavailableError } from './errors.ts';
import { refreshEndsAt } from './expiry.ts';
import type { GrantNews } from './grant-news.ts';
import type { Found, GrantRepository } from './grant-repository.ts';
import { type HeldGrant, pinned } from './held-grant.ts';
import { hasBeen, hasLeftMeanwhile, newestBefore } from './journal-standing.ts';
import type { Journals } from './journals.ts';
import type { LastRescue } from './last-rescue.ts';
import { asOf, pairOf } from './new-pair.ts';
import type { ResolvedOptions } from './options.ts';
import { inTime, type Patience } from './patience.ts';
import { EMPTY_RECORD, type GrantRecord, type TokenPair } from './record.ts';
import type { Refresher } from './refresher.ts';
import { doubtful, handedOver, SignInRescue } from './sign-in-rescue.ts';
import type { TokenEndpoint } from './token-outcome.ts';
import { parseTokenObject, parseTokenResponse } from './token-response.ts';
import {
  authorized,
  beside,
  type NewPair,
  nextEpoch,
  tombstone,
  withoutPending,
  withPending,
} from './transitions.ts';

type Build = (record: GrantRecord, at: number, pair: TokenPair | null) => GrantRecord;
type Change<Found, Next> = (record: Found, at: number, pair: TokenPair | null) => Next;

/** What a store rejects with. */
const STORE_CODES: ReadonlySet<string> = new Set(['store_unavailable', 'configuration']);
/** How long an account waits to be confirmed. */
const PENDING_MS = 30 * 60_000;

interface Dependencies {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly repository: GrantRepository;
  readonly endpoint: TokenEndpoint;
  readonly refresher: Refresher;
  readonly news: GrantNews;
  readonly journals: Journals;
  readonly last: LastRescue;
}

/** What a person does to a connection: sign in, confirm, import, disconnect. Each ends in one compare-and-set. */
export class GrantAdmin {
  readonly #d: Dependencies;
  readonly #rescue: SignInRescue;
  readonly #patience: Patience;

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
    this.#rescue = new SignInRescue(dependencies);
    const waitMs = dependencies.options.timings.persistBudgetMs;
    this.#patience = { waitMs, deadline: 0, signal: undefined };
  }

  /** The code is spent once it is sent: `close()` waits for what comes of it. */
  exchangeCode(
    grant: HeldGrant,
    code: string,
    options: { confirm: boolean; codeVerifier?: string },
  ): Promise<void> {
    const exchange = pinned(grant, () => this.#exchangeCode(grant, code, options));
    this.#d.refresher.track(exchange);
    return exchange;
  }

  async #exchangeCode(
    grant: HeldGrant,
    code: string,
    options: { confirm: boolean; codeVerifier?: string },
  ): Promise<void> {
    if (typeof code !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(code)) {
      throw new SignInError(
        'The authorization code is empty or holds characters that no code has. Start the sign-in again.',
        { reason: 'code_malformed', connectionId: grant.id },
      );
    }
    const before = await this.#before(grant);
    const epochBefore = newestBefore(before);
    // Before the request: the life of a token is never counted from too late an instant.
    const issuedAt = before.time.store;
    const request = {
      code,
      ...(options.codeVerifier === undefined ? {} : { codeVerifier: options.codeVerifier }),
    };
    const lifeMs = this.#d.options.accessTokenLifetimeMs;
    const { next, anomalies } = await exchange(this.#d.endpoint, grant.id, request, { issuedAt, lifeMs });
    const build = options.confirm
      ? this.#pendingBuilder(next, issuedAt)
      : this.#authorizedBuilder(grant, next, { event: 'authorized', begunAt: issuedAt, epochBefore });
    await this.#stand(grant, before, epochBefore, build);
    for (const anomaly of anomalies) this.#d.news.anomaly(grant, anomaly, 'in the token response');
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
    if (receivedAt !== undefined && !(Number.isFinite(receivedAt) && receivedAt >= 0)) {
      throw new SignInError(
        `receivedAt is ${receivedAt}: give the instant at which the tokens were received, in epoch milliseconds, or leave it out. Nothing was imported.`,
        { connectionId: grant.id, reason: 'received_at_unusable' },
      );
    }
    const before = await this.#before(grant);
    const issuedAt = Math.floor(Math.min(receivedAt ?? before.time.store, before.time.store));
    const { next } = pairOf(
      parsed.response,
      { accessFrom: issuedAt, refreshFrom: issuedAt },
      this.#d.options.accessTokenLifetimeMs,
      { pair: null, refresh: null },
    );
    const { refresh } = next;
    if (refresh && refreshEndsAt(refresh, issuedAt, this.#d.options.refreshYear) <= before.time.store) {
      throw new SignInError(
        `With receivedAt ${receivedAt} the refresh token has ended already: give epoch milliseconds, not seconds. Nothing was imported.`,
        { connectionId: grant.id, reason: 'received_at_unusable' },
      );
    }
    const epochBefore = newestBefore(before);
    const about = { event: 'imported', begunAt: before.time.store, epochBefore } as const;
    const build = this.#authorizedBuilder(grant, next, about);
    await pinned(grant, () => this.#stand(grant, before, epochBefore, build));
  }

  /** `pendingId`: the account that the person was shown; another one in its place is not confirmed. */
  async confirm(grant: HeldGrant, pendingId?: string): Promise<void> {
    const nothing = (): SignInError =>
      new SignInError('There is no account to confirm, or it waited too long. Start the sign-in again.', {
        connectionId: grant.id,
        reason: 'nothing_pending',
      });
    const before = await this.#before(grant);
    const record = before.snapshot?.record;
    const pending = record?.pending;
    if (!pending || pending.until <= before.time.store) throw nothing();
    if (pendingId !== undefined && pending.id !== pendingId) throw nothing();
    const pair = await this.#d.repository.openPending(grant.slot, record);
    if (!pair) throw nothing();
    const { id, access, refresh, userEmail, begunAt = Number.POSITIVE_INFINITY } = pending;
    const next: NewPair = { pair, access, refresh, userEmail };
    const about = { event: 'confirmed', begunAt, epochBefore: record.epoch, authorizationId: id } as const;
    const confirmed = this.#authorizedBuilder(grant, next, about);
    await this.#stand(grant, before, record.epoch, (current, at, known) => {
      // Confirmed or rejected by another click meanwhile: the pair may have been rotated since.
      const stands = current.authorizationId === id || current.sibling?.authorizationId === id;
      if (!stands && current.pending?.id !== id) throw nothing();
      return confirmed(current, at, known);
    });
  }

  async reject(grant: HeldGrant, pendingId?: string): Promise<void> {
    await this.#write(grant, (record, at) => {
      const matches = pendingId === undefined || record?.pending?.id === pendingId;
      return record?.pending && matches ? withoutPending(record, at) : null;
    });
  }

  /** Leaves a tombstone also where there was nothing: a sign-in that is under way must find it (T8). */
  async disconnect(grant: HeldGrant): Promise<void> {
    await this.#write(grant, (record, at) => {
      const left = tombstone(record ?? EMPTY_RECORD, at);
      // Also above what a store has lost whose clock was set back.
      return { ...left, epoch: Math.max(left.epoch, (grant.snapshot?.record.epoch ?? 0) + 1) };
    });
    this.#d.news.disconnected(grant);
    await this.#journalTombstone(grant);
  }

  /** A store that comes back empty must not bring back, from a journal, a person who has left. */
  async #journalTombstone(grant: HeldGrant): Promise<void> {
    const record = grant.snapshot?.record;
    if (!record || record.disconnectedAt === null || !(await this.#rescue.journalRow(grant))) return;
    // Of the grant that was left nothing stays behind.
    const forgotten = this.#d.journals.forget(grant.slot, record);
    await inTime(this.#d.clock, forgotten, this.#patience).catch(() => undefined);
  }

  /** What was seen is known: where the store is away afterwards, what is in hand is made upon it, and above it. */
  async #before(grant: HeldGrant): Promise<Found> {
    const found = await this.#d.repository.read(grant.slot);
    grant.take(found);
    return found;
  }

  #pendingBuilder(next: NewPair, begunAt: number): Build {
    const id = this.#d.options.random.id();
    return (record, at) => {
      if (record.pending?.id === id || record.rejectedIds.includes(id) || hasBeen(record, id)) return record;
      return withPending(record, asOf(next, at), {
        id,
        // Above all that waited before, also when the clock was set back: what is not counts as over.
        epoch: Math.max(nextEpoch(record, at), record.pendingOver + 1, (record.pending?.epoch ?? 0) + 1),
        until: at + PENDING_MS,
        begunAt,
      });
    };
  }

  #authorizedBuilder(
    grant: HeldGrant,
    next: NewPair,
    about: {
      readonly event: 'authorized' | 'imported' | 'confirmed';
      /** The store's time before anything was sent. */
      readonly begunAt: number;
      /** The row's epoch then: whatever the clock shows now, nothing up to it is a later sign-in. */
      readonly epochBefore: number;
      readonly authorizationId?: string;
    },
  ): Build {
    const { event, begunAt, epochBefore, authorizationId = this.#d.options.random.id() } = about;
    let newestEpoch = 0;
    return (record, at, pair) => {
      // Ours stands already, though its answer was lost: what was made of it since must not be undone.
      if (hasBeen(record, authorizationId)) return record;
      const dated = event === 'authorized' ? asOf(next, at) : next;
      const written = authorized(record, dated, { event, authorizationId, at, jitter: grant.jitter });
      // A later sign-in than the one that was tried: the last one wins.
      if (newestEpoch > 0 && record.epoch > newestEpoch) return beside(record, written, next.pair);
      newestEpoch = Math.max(written.epoch, epochBefore);
      return (record.authorizedAt ?? 0) > begunAt ? beside(written, record, pair) : written;
    };
  }

  /**
   * Writes a grant that was received, for as long as it takes (I5). A tombstone that came meanwhile wins, also where its person
   * has come back since; of two authorizations the last write wins.
   */
  async #stand(grant: HeldGrant, before: Found, epochBefore: number, build: Build): Promise<void> {
    const { timings } = this.#d.options;
    const begun = { record: before.snapshot?.record ?? EMPTY_RECORD, at: before.time.store, epochBefore };
    const guarded: Change<GrantRecord | null, GrantRecord> = (record, at, pair) => {
      if (record && hasLeftMeanwhile(record, begun)) {
        throw new SignInError(
          'This connection was disconnected while the sign-in was under way. Start it again.',
          { connectionId: grant.id, reason: 'disconnected_meanwhile' },
        );
      }
      return build(record ?? EMPTY_RECORD, at, pair);
    };
    const standing = this.#persist(grant, guarded);
    this.#d.refresher.track(standing);
    const late = Symbol('late');
    // A process that is frozen with its pair in memory has lost it.
    if (this.#d.options.background === 'await') return standing;
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

  async #persist(grant: HeldGrant, build: Change<GrantRecord | null, GrantRecord>): Promise<void> {
    const { timings, background } = this.#d.options;
    const ended = this.#d.refresher.ended;
    // A shutdown that has gone through what was in hand comes by no second time.
    const cameLate = ended.aborted;
    const inHand = Symbol(grant.id);
    let rescued = null as Promise<void> | null;
    let isLate = false;
    let inDoubt = false;
    const known = () =>
      [
        grant.snapshot?.record ?? null,
        this.#d.repository.time().store,
        grant.snapshot?.pair ?? null,
      ] as const;
    const remembered: Change<GrantRecord | null, GrantRecord> = (record, at, pair) => {
      const built = build(record, at, pair);
      if (built === record) return built;
      const next = inDoubt ? doubtful(built, record, at) : built;
      const others = [...grant.signInsInHand].filter(([name]) => name !== inHand).map(([, other]) => other);
      grant.signInsInHand.set(inHand, handedOver(next, record && { record, pair }, others));
      if (isLate) keep();
      return next;
    };
    const remember = (): void => {
      try {
        remembered(...known());
      } catch {
        // What is in memory does not fit; the store's own record decides.
      }
    };
    const write = (): Promise<void> =>
      this.#write(grant, remembered, () => {
        inDoubt = true;
      });
    const keep = (): void => {
      isLate = true;
      const record = grant.signInsInHand.get(inHand);
      if (record) rescued ??= this.#rescue.keep(grant, record);
    };
    const over = new AbortController();
    // A platform that loses patience ends the process without any `close()`.
    if (background === 'await')
      sleep(this.#d.clock, timings.persistBudgetMs, over).then(keep, () => undefined);
    try {
      // In hand from now on: a shutdown that comes before the store has answered at all must find it.
      remember();
      for (let tries = 0; ; tries += 1) {
        try {
          // A store may also be away without a word.
          await (cameLate ? inTime(this.#d.clock, write(), this.#patience) : write());
          if (rescued) await this.#rescue.handOver(grant, rescued, grant.signInsInHand.get(inHand));
          return;
        } catch (error) {
          // Whatever the store says: what was bought is in hand.
          if (!isHighQError(error) || !STORE_CODES.has(error.code)) {
            // A row that this process cannot open stays as it is (I12): the pair goes to where one with the key finds it.
            if (isHighQError(error) && error.code === 'record_unreadable') {
              // Dated anew: later than the row that is in the way.
              remember();
              await this.#rescue.setAside(grant, grant.signInsInHand.get(inHand));
            } else if (rescued) await this.#takeBack(grant, rescued, grant.signInsInHand.get(inHand));
            throw error;
          }
          // Also when the store was away from the first read on.
          if (!grant.signInsInHand.has(inHand)) remembered(...known());
          if (isLate) keep();
          const ms = Math.min(timings.persistRetryMs, (timings.persistRetryMs / 40) * 2 ** tries);
          const isOver = await sleep(this.#d.clock, ms, { keepAlive: true, signal: ended }).then(
            () => false,
            () => true,
          );
          const record = grant.signInsInHand.get(inHand);
          if (isOver && record) await this.#d.last.saveLate(grant, record);
          if (isOver) throw error;
        }
      }
    } finally {
      over.abort();
      grant.signInsInHand.delete(inHand);
    }
  }

  /** Turned down by the store's own record: what was rescued meanwhile must not come back over that. */
  async #takeBack(grant: HeldGrant, rescued: Promise<void>, record: GrantRecord | undefined): Promise<void> {
    // A journal keeps its newest entry: where the store loses the row it must still know that its person has left.
    if (!this.#d.journals.canRescue && !(await this.#rescue.journalRow(grant))) return;
    await this.#rescue.forget(grant, rescued, record);
  }

  /** Read, change, compare-and-set, until it stands. `null` from `change`: nothing to do. */
  async #write(
    grant: HeldGrant,
    change: Change<GrantRecord | null, GrantRecord | null>,
    onDoubt: () => void = () => undefined,
  ): Promise<void> {
    let found = await this.#d.repository.read(grant.slot);
    for (;;) {
      // What was seen is known: to a refresh that is under way, and also where the store loses it (I3).
      grant.take(found);
      const current = found.snapshot?.record ?? null;
      const next = change(current, found.time.store, found.snapshot?.pair ?? null);
      if (next === null || next === current) {
        grant.take(found);
        return;
      }
      const writing = this.#d.repository.write(grant.slot, found.snapshot?.rev ?? null, next);
      writing.catch(onDoubt);
      const written = await writing;
      if (written.ok) {
        grant.take(written);
        return;
      }
      found = written;
    }
  }
}
