import { askCanary, type CanaryOption, canaryPath, strikeOff } from './canary.ts';
import type { Clock } from './clock.ts';
import { isHighQError } from './errors.ts';
import { leftMs } from './expiry.ts';
import { type CanaryAnswer, type Evidence, guessOf, type Refusal, verdictOn } from './forbidden.ts';
import type { GrantNews } from './grant-news.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant } from './held-grant.ts';
import { compareGrants, type GrantRecord } from './record.ts';
import { safeError } from './redact.ts';
import type { Refresher } from './refresher.ts';
import type { HandedToken } from './token-request.ts';

/** The store's word on a newer grant counts for this long, milliseconds. */
const FRESH_READ_MS = 1_000;
const WRITES_AT_MOST = 8;

interface Dependencies {
  readonly clock: Clock;
  readonly repository: GrantRepository;
  readonly refresher: Refresher;
  readonly news: GrantNews;
  readonly canary: CanaryOption | undefined;
  /** Makes an API call with a token, without rules of any kind. */
  readonly send: (
    path: string,
    token: string,
  ) => Promise<{ readonly status: number; readonly contentType: string | null } | null>;
}

export interface RefusedCall {
  readonly refusal: Refusal;
  /** Method and address, query included: by the query HighQ names what a call is about. */
  readonly name: string;
  readonly version: string;
  readonly used: HandedToken;
  /** A call that may not be made again has no use for a newer token: it is told that its own was dead only if that is known. */
  readonly mayRepeat: boolean;
}

/**
 * - `replay`: the token that was used is dead, or a newer one is there for a call that may be repeated. - `denied`: the API
 * denies the call. - `pass`: neither is known; the answer goes to the caller.
 */
export type Finding = 'replay' | 'denied' | 'pass';

/** Gathers the evidence that `verdictOn` asks for, and carries out what it finds. */
export class ForbiddenInquiry {
  readonly #d: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
  }

  /** @throws what a refresh throws, when the token is dead and no new one can be had */
  async inquire(grant: HeldGrant, call: RefusedCall): Promise<Finding> {
    const { refresher } = this.#d;
    const memory = grant.calls;
    const received = memory.next();
    const { record: used } = call.used;
    const { name, mayRepeat } = call;
    await this.#lookAtStore(grant);
    let canary: Evidence['canary'] = 'unasked';
    let guess: Evidence['guess'] = 'unasked';
    for (;;) {
      const newer = this.#newer(grant, used);
      const verdict = verdictOn({
        refusal: call.refusal,
        newer: newer && mayRepeat,
        expired: newer ? this.#leftMs(used) <= 0 : grant.remaining() <= 0,
        tokenAgeMs: this.#ageMs(used),
        remembered: memory.isDenied(name, placeOf(used), this.#d.clock.monotonic()),
        canary,
        guess,
      });
      switch (verdict.kind) {
        case 'replay':
          return 'replay';
        case 'ask_canary':
          canary = await this.#canary(grant, call, received);
          break;
        case 'take_guess':
          // The hour's one guess would be spent on nothing.
          if (grant.pauseLeftMs > 0 && grant.flight === null) return 'pass';
          guess = await this.#takeGuess(grant, used);
          break;
        case 'pass':
          // Beside a newer token there was no guess to make, and nothing is known.
          if (newer && (verdict.because === 'guess_spent' || verdict.because === 'young_token'))
            return 'pass';
          // Of an older token there is nothing to remember: it is not used again.
          if (!newer && (verdict.because === 'denied' || verdict.because === 'guess_spent')) {
            memory.deny(name, placeOf(used), this.#d.clock.monotonic());
          }
          return findingOn(call.refusal);
        case 'renew':
          if (verdict.because === 'canary' && !newer) grant.foundDead(used.access?.fingerprint ?? null);
          try {
            await refresher.renew(grant, used);
          } catch (error) {
            // A guess that cannot be carried out is no reason to withhold the API's own answer; one that is under way is.
            const goesOn = isHighQError(error) && error.code === 'refresh_in_progress';
            if (verdict.because === 'guess' && !goesOn && grant.snapshot?.record.dead === null) return 'pass';
            throw error;
          }
          // A guess is no knowledge, and without a second try it does not become one. Nor is the word of a canary that a
          // new token does not please either.
          if (
            verdict.because === 'guess' ||
            (verdict.because === 'canary' && !(await this.#bornOut(grant, call)))
          )
            return mayRepeat ? 'replay' : 'pass';
          return 'replay';
        default:
          return verdict satisfies never;
      }
    }
  }

  /** The same call was refused again, with a token that has just been made: it is not for its token. */
  again(grant: HeldGrant, { refusal, name, used }: RefusedCall): Finding {
    if (refusal !== 'page') grant.calls.deny(name, placeOf(used.record), this.#d.clock.monotonic());
    return findingOn(refusal);
  }

  async #lookAtStore(grant: HeldGrant): Promise<void> {
    if (grant.readAgeMs < FRESH_READ_MS) return;
    // Without the store, what is in memory has to do.
    await this.#d.refresher.read(grant).catch(() => undefined);
  }

  #newer(grant: HeldGrant, used: GrantRecord): boolean {
    return grant.snapshot !== null && compareGrants(grant.snapshot.record, used) > 0;
  }

  #ageMs(used: GrantRecord): number {
    return used.access ? this.#d.repository.time().store - used.access.issuedAt : 0;
  }

  #leftMs(used: GrantRecord): number {
    return used.access ? leftMs(used.access, this.#d.repository.time().store) : 0;
  }

  #canary(grant: HeldGrant, call: RefusedCall, received: number): Promise<CanaryAnswer> | CanaryAnswer {
    const { news, canary: option, send } = this.#d;
    const { record, token } = call.used;
    const context = { connectionId: grant.id, userEmail: record.userEmail, version: call.version };
    let path: string | null;
    try {
      path = canaryPath(option, context);
    } catch (error) {
      if (!grant.calls.canaryFailureTold) news.anomaly(grant, 'canary_failed', safeError(error).message);
      grant.calls.canaryFailureTold = true;
      return 'inconclusive';
    }
    if (path === null) return 'inconclusive';
    return askCanary(
      grant.calls,
      received,
      { epoch: record.epoch, generation: record.generation, ageMs: this.#ageMs(record) },
      {
        send: () => send(path, token),
        struckOff: () => this.#tellStruckOff(grant),
      },
    );
  }

  /**
   * Whether the canary is answered on the token that was made because of it. One that this user may not call any more would
   * cost a token for each call that is denied: it is struck off.
   */
  async #bornOut(grant: HeldGrant, call: RefusedCall): Promise<boolean> {
    const fresh = await this.#d.refresher.access(grant).catch(() => null);
    // Then there is nothing to make a call with, which its caller is about to hear.
    if (fresh === null) return true;
    const answer = await this.#canary(grant, { ...call, used: fresh }, 0);
    if (answer === 'refused') strikeOff(grant.calls, fresh.record, () => this.#tellStruckOff(grant));
    return grant.calls.struckOffOn !== placeOf(fresh.record);
  }

  #tellStruckOff(grant: HeldGrant): void {
    this.#d.news.anomaly(
      grant,
      'canary_struck_off',
      'the API refuses it on a fresh token: it proves nothing for this user',
    );
  }

  /** Counted in the record before the refresh, so that all processes share the hour's one guess. */
  async #takeGuess(grant: HeldGrant, used: GrantRecord): Promise<'free' | 'ours' | 'spent'> {
    const { repository } = this.#d;
    try {
      let found = await repository.read(grant.slot);
      for (let writes = 0; writes < WRITES_AT_MOST; writes += 1) {
        grant.take(found);
        const { snapshot, time } = found;
        if (!snapshot || compareGrants(snapshot.record, used) !== 0) return 'spent';
        const state = guessOf(snapshot.record, time.store);
        if (state !== 'free') return state;
        const record = {
          ...snapshot.record,
          guessAt: time.store,
          guessedGeneration: snapshot.record.generation,
        };
        const written = await repository.write(grant.slot, snapshot.rev, record);
        if (written.ok) {
          grant.take(written);
          return 'free';
        }
        found = written;
      }
    } catch {
      // Without the store nobody can count, and nothing would be sent either.
    }
    return 'spent';
  }
}

/** What a gateway says, or a 401, is not the API's word on this user's rights. */
function findingOn(refusal: Refusal): 'denied' | 'pass' {
  return refusal === 'forbidden' ? 'denied' : 'pass';
}

function placeOf({ epoch, generation }: GrantRecord): string {
  return `${epoch}.${generation}`;
}
