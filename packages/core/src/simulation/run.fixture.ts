import type { Cell } from './faults.fixture.ts';
import type { Violation } from './oracle.fixture.ts';
import type { Plan, Selection, UserEvent } from './plan.fixture.ts';
import type { Family } from './provider.fixture.ts';
import { viewOf } from './row-view.fixture.ts';
import { type Answer, World } from './world.fixture.ts';

const LEASE_MS = 180_000;
/** An uncertain connection is probed at least this often; then come two leases. */
const PATIENCE_MS = 3_600_000 * 1.1 + 2 * LEASE_MS;

export interface Loss {
  readonly reason: string;
  readonly windows: readonly string[];
}

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly history: readonly string[];
  readonly hash: string;
  /** Rotations by the provider, and calls for a token. */
  readonly cycles: number;
  readonly calls: number;
  readonly faults: readonly (Cell & { readonly operation: string; readonly ms: number })[];
  readonly losses: readonly Loss[];
  readonly unlabelled: number;
  readonly handled: number;
}

/** Runs a plan, heals everything, waits until all is quiet, and checks what is left. */
export async function simulate(plan: Plan, only: Selection | null = null): Promise<Outcome> {
  const world = new World(plan, only);
  const ending = new Ending(world);
  plan.events.forEach((event, index) => {
    if (!only || only.events.has(index)) world.queue.at(event.at, () => carryOut(world, event));
  });
  await world.queue.run(plan.config.durationMs);
  world.heal();
  for (let n = 0; n < plan.config.connections; n += 1) await ending.check(`c${n}`);
  ending.checkRepairs();
  return outcomeOf(world, ending);
}

function carryOut(world: World, { kind, process, id }: UserEvent): void {
  const place = world.place(process);
  switch (kind) {
    case 'sign-in':
      return world.signIn(process, id);
    case 'call':
      return place ? world.call(place, id) : undefined;
    case 'force':
      return place ? world.force(place, id) : undefined;
    case 'disconnect':
      return world.disconnect(process, id);
    case 'revoke': {
      const family = world.provider.familyOf(id);
      if (family) world.provider.end(family, 'admin');
      world.oracle.note(`an administrator revokes ${id}`);
      return;
    }
    default:
      return kind satisfies never;
  }
}

export function outcomeOf(world: World, ending: Ending): Outcome {
  const { oracle, plan, faults } = world;
  return {
    seed: plan.seed,
    violations: oracle.violations,
    history: oracle.history,
    hash: hashOf(oracle.history),
    cycles: world.provider.rotations,
    calls: world.calls,
    faults: faults.applied.map(({ operation, point, fault }) => ({ operation, point, ...fault })),
    losses: ending.losses,
    unlabelled: ending.unlabelled,
    handled: world.queue.handled,
  };
}

function hashOf(lines: readonly string[]): string {
  let hash = 0x811c9dc5;
  for (const line of lines) {
    for (let at = 0; at < line.length; at += 1)
      hash = Math.imul(hash ^ line.charCodeAt(at), 0x01000193) >>> 0;
  }
  return hash.toString(16).padStart(8, '0');
}

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
    const { oracle, queue, plan } = this.#world;
    const first = await this.settled(id);
    if (first.kind === 'token') {
      const token = this.#world.provider.accessTokens.get(first.token);
      await queue.run(Math.max(queue.now, token?.expiresAt ?? 0) + plan.config.accessLifeMs);
      const second = await this.settled(id, 1);
      if (second.kind === 'token') await this.#everywhere(id, second.token);
      else this.#ended(id, second);
      return;
    }
    this.#ended(id, first);
    if (
      first.code === 'token_endpoint' ||
      first.code === 'rotation_uncertain' ||
      first.code === 'refresh_in_progress'
    ) {
      oracle.violated('T10', `${id} is stuck: ${first.code} ${first.reason ?? ''}`);
    }
  }

  async #everywhere(id: string, token: string): Promise<void> {
    const { provider, oracle, places } = this.#world;
    const family = provider.accessTokens.get(token)?.family;
    for (let index = 0; index < places.length; index += 1) {
      const answer = await this.#ask(id, index);
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
      told ??= queue.now + answer.retryAfterMs;
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

  #ended(id: string, answer: Exclude<Answer, { kind: 'token' }>): void {
    const { oracle, store } = this.#world;
    const row = store.rows.get(`grant:${id}`);
    const view = row ? viewOf(row.body) : null;
    if (answer.code === 'not_connected') {
      if (view?.connected) oracle.violated('I9', `${id} has a grant and is told that it has none`);
      return;
    }
    if (answer.code !== 'reauthorization_required') {
      oracle.violated('two leases', `${id} yields no token: ${answer.code} ${answer.reason ?? ''}`);
      return;
    }
    const text = view?.refresh;
    const token = text ? this.#world.provider.refreshTokens.get(text) : undefined;
    if (!token || !answer.reason) {
      oracle.violated('I10', `${id} is lost without a label`);
      this.unlabelled += 1;
      return;
    }
    this.#lost(id, token.family, answer.reason);
  }

  #lost(id: string, family: Family, reason: string): void {
    const { oracle, store, provider, shelves, plan } = this.#world;
    const { live, found } = oracle.remains(family.id, store.rows, shelves);
    if (found.length > 0) {
      oracle.violated('I5', `${id} is lost (${reason}) although a live refresh token is written down`);
      return;
    }
    if (family.ended === 'admin' || family.ended === 'newest') return;
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
    if (!named && !windows.has('forgotten by the store')) {
      this.unlabelled += 1;
      oracle.violated('I10', `${id} is lost by ${[...windows].join(', ')} and labelled ${reason}`);
    }
    this.losses.push({ reason, windows: [...windows].sort() });
  }

  /** What a living process knows, the store knows in the end (I3). */
  checkRepairs(): void {
    const { oracle, store, plan } = this.#world;
    for (let n = 0; n < plan.config.connections; n += 1) {
      const row = store.rows.get(`grant:c${n}`);
      oracle.checkKnown(`c${n}`, row ?? null);
    }
  }
}
