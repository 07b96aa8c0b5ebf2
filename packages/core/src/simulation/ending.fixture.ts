import type { Family } from './provider.fixture.ts';
import { viewOf } from './row-view.fixture.ts';
import type { Answer, World } from './world.fixture.ts';

const LEASE_MS = 180_000;
/** An uncertain connection is probed at least this often; three refusals that nobody recognizes take an hour more. */
const PATIENCE_MS = 2 * 3_600_000 * 1.1 + 2 * LEASE_MS;

export interface Loss {
  readonly reason: string;
  readonly windows: readonly string[];
}

type Failed = Exclude<Answer, { kind: 'token' }>;

/** What must be true once nothing goes wrong any more. */
export class Ending {
  readonly losses: Loss[] = [];
  unlabelled = 0;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** A grant that is not lost yields a token in time, and goes on doing so; one that is lost is labelled. */
  async check(id: string): Promise<void> {
    const { queue, plan, oracle } = this.#world;
    // What a process knows and the store forgot is written again when that process is next asked.
    for (let index = 0; index < this.#world.places.length; index += 1) await this.#ask(id, index);
    // A write that still hangs in a driver has its time, and the next try.
    await queue.run(queue.now + 13_000 + plan.config.lostAfterMs);
    const first = await this.settled(id);
    oracle.checkSignIns(id);
    if (first.kind === 'token') {
      const token = this.#world.provider.accessTokens.get(first.token);
      await queue.run(Math.max(queue.now, token?.expiresAt ?? 0) + plan.config.accessLifeMs);
      const second = await this.settled(id, 1);
      if (second.kind === 'token') await this.#everywhere(id, second.token);
      else this.#ended(id, await this.#anybody(id, second));
      return;
    }
    this.#ended(id, await this.#anybody(id, first));
  }

  /** One process may have in a journal of its own what the others have lost. */
  async #anybody(id: string, answer: Failed): Promise<Answer> {
    if (answer.code !== 'reauthorization_required') return answer;
    for (let index = 0; index < this.#world.places.length; index += 1) {
      let again = await this.#ask(id, index);
      for (
        let tries = 0;
        tries < 3 && again.kind === 'error' && again.code === 'refresh_in_progress';
        tries += 1
      ) {
        await this.#world.queue.run(this.#world.queue.now + again.retryAfterMs + LEASE_MS);
        again = await this.#ask(id, index);
      }
      if (again.kind === 'token') return again;
    }
    return answer;
  }

  async #everywhere(id: string, token: string): Promise<void> {
    const { provider, oracle, places } = this.#world;
    const family = provider.accessTokens.get(token)?.family;
    for (let index = 0; index < places.length; index += 1) {
      let answer = await this.#ask(id, index);
      // It still takes somebody else's lease for live, and looks again within a second.
      if (answer.kind === 'error' && answer.code === 'refresh_in_progress') {
        await this.#world.queue.run(this.#world.queue.now + answer.retryAfterMs);
        answer = await this.#ask(id, index);
      }
      const served = answer.kind === 'token' ? provider.accessTokens.get(answer.token)?.family : null;
      if (served !== family) oracle.violated('F108', `processes do not agree on ${id}`);
    }
  }

  /** Asks until there is a definite answer. */
  async settled(id: string, from = 0): Promise<Answer> {
    const { queue, oracle, places } = this.#world;
    const until = queue.now + PATIENCE_MS;
    let told: number | null = null;
    for (let index = from; ; index += 1) {
      const answer = await this.#ask(id, index % places.length);
      const late = told !== null && queue.now > told + 2 * LEASE_MS;
      if (answer.kind === 'token') {
        if (late)
          oracle.violated('two leases', `${id} took ${(queue.now - (told ?? 0)) / 1_000} s longer than told`);
        return answer;
      }
      if (answer.retryAfterMs <= 0 || queue.now > until) return answer;
      const next = queue.now + answer.retryAfterMs;
      // A later probe, and a pause of the registration, are told; an intent of somebody else explains one lease.
      if (told === null || answer.code !== 'refresh_in_progress') told = Math.max(told ?? 0, next);
      await queue.run(queue.now + Math.min(answer.retryAfterMs, 3_600_000 * 1.1) + 10);
    }
  }

  async #ask(id: string, index: number): Promise<Answer> {
    const { queue } = this.#world;
    const place = this.#world.place(index);
    if (!place) throw new Error('no process is alive after the run');
    let answer: Answer | null = null as Answer | null;
    this.#world.call(place, id, (given) => {
      answer = given;
    });
    await queue.run(queue.now + 10 * LEASE_MS, () => answer !== null);
    return answer ?? { kind: 'error', code: 'no_answer', reason: null, retryAfterMs: 0 };
  }

  #ended(id: string, answer: Answer): void {
    if (answer.kind === 'token') return;
    const { oracle, store } = this.#world;
    const row = store.rows.get(`grant:${id}`);
    const view = row ? viewOf(row.body) : null;
    if (answer.code === 'not_connected') {
      if (view?.connected) oracle.violated('I9', `${id} has a grant and is told that it has none`);
      // Nobody has left: the row went, and the grant with it.
      const family = oracle.standing(id);
      if (family) this.#lost(id, family, 'not_connected');
      return;
    }
    const { refusal } = this.#world.plan.config;
    // A refusal that nobody can name ends a grant only where the registration is seen to work otherwise.
    const refused = refusal !== 'recognized' && view?.refused === true;
    const unnamed = refused || (refusal === 'unnamed' && view?.unknown === true);
    if (answer.code !== 'reauthorization_required' && !unnamed) {
      oracle.violated('two leases', `${id} yields no token: ${answer.code} ${answer.reason ?? ''}`);
      return;
    }
    const text = view?.refresh;
    const token = text ? this.#world.provider.refreshTokens.get(text) : undefined;
    const given = answer.code === 'reauthorization_required' ? answer.reason : null;
    const reason = given ?? (unnamed ? 'refused_unrecognized' : null);
    if (!token || !reason) {
      oracle.violated('I10', `${id} is lost without a label`);
      this.unlabelled += 1;
      return;
    }
    this.#lost(id, token.family, reason);
  }

  #lost(id: string, family: Family, reason: string): void {
    const { oracle, store, provider, allShelves, plan } = this.#world;
    const { live, found } = oracle.remains(family.id, store.rows, allShelves);
    // Counted from the first intent of the pair's generation, and so perhaps a little early.
    if (reason === 'refresh_token_expired') return;
    if (found.length > 0) {
      oracle.violated('I5', `${id} is lost (${reason}) although a live refresh token is written down`);
      return;
    }
    if (family.ended === 'admin') return;
    if (family.ended === 'newest') {
      const other = oracle.letGo(id);
      if (other)
        oracle.violated('I5', `${id}: ${other} lives, was stored, and another grant was written over it`);
      return;
    }
    const newest = family.refreshTokens.at(-1);
    if (live.length === 0 && newest && provider.tooOld(newest)) return;
    const windows = new Set<string>(oracle.windows.get(family.id));
    for (const token of live) {
      const window = oracle.whereabouts(token);
      if (window) windows.add(window);
    }
    if (windows.size === 0) {
      this.unlabelled += 1;
      oracle.violated('I10', `${id} is lost (${reason}) in none of the three windows`);
      return;
    }
    const named = reason === 'rotation_outcome_lost' || plan.config.refusal !== 'recognized';
    // What was written nowhere in time may still have come back, and been refused in its turn.
    const unseen = [...windows].every((window) => window === 'never arrived' || window === 'died with it');
    const cameLate = newest !== undefined && oracle.wasStored(newest);
    // Nor can a reason be known that the store has forgotten together with the request's intent.
    const forgot = oracle.forgotAt.get(id) ?? Number.NEGATIVE_INFINITY;
    const unknown = newest !== undefined && forgot >= newest.issuedAt - LEASE_MS;
    if (!named && unseen && !cameLate && !unknown) {
      this.unlabelled += 1;
      oracle.violated('I10', `${id} is lost by ${[...windows].join(', ')} and labelled ${reason}`);
    }
    this.losses.push({ reason, windows: [...windows].sort() });
  }

  /** What a living process knows, the store knows in the end (I3). */
  async checkRepairs(): Promise<void> {
    const { oracle, store, plan, queue, places } = this.#world;
    // One that slept until now tries again every other second; one that waits for a pause reads when it is asked again.
    await queue.run(queue.now + 10_000);
    for (let n = 0; n < plan.config.connections; n += 1)
      for (let index = 0; index < places.length; index += 1) await this.#ask(`c${n}`, index);
    await queue.run(queue.now + 10_000);
    for (let n = 0; n < plan.config.connections; n += 1) {
      const row = store.rows.get(`grant:c${n}`);
      oracle.checkKnown(`c${n}`, row ?? null);
    }
  }
}
