import { Ending, type Loss } from './ending.fixture.ts';
import type { Cell } from './faults.fixture.ts';
import type { Violation } from './oracle.fixture.ts';
import { confirm, disconnect, reject, signIn } from './people.fixture.ts';
import type { Plan, Selection, UserEvent } from './plan.fixture.ts';
import { type Sabotage, World } from './world.fixture.ts';

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
export async function simulate(
  plan: Plan,
  only: Selection | null = null,
  sabotage: Sabotage | null = null,
): Promise<Outcome> {
  const world = new World(plan, only, sabotage);
  const ending = new Ending(world);
  plan.events.forEach((event, index) => {
    if (!only || only.events.has(index)) world.queue.at(event.at, () => carryOut(world, event));
  });
  await world.queue.run(plan.config.durationMs);
  world.heal();
  for (let n = 0; n < plan.config.connections; n += 1) await ending.check(`c${n}`);
  await ending.checkRepairs();
  return outcomeOf(world, ending);
}

function carryOut(world: World, { kind, process, id, at, ms = 0 }: UserEvent): void {
  const place = world.place(process);
  switch (kind) {
    case 'sign-in':
      signIn(world, process, id);
      return;
    case 'propose':
      signIn(world, process, id, { confirm: true });
      return;
    case 'confirm':
      confirm(world, process, id);
      return;
    case 'reject':
      reject(world, process, id);
      return;
    case 'call':
      if (place) world.call(place, id);
      return;
    case 'force':
      if (place) world.force(place, id);
      return;
    case 'disconnect':
      disconnect(world, process, id);
      return;
    case 'close':
      world.shutDown(process, at);
      return;
    case 'outage':
      world.outage(at);
      return;
    case 'fall-back':
      world.oracle.note(`the store falls back by ${ms}`);
      world.forget(() => world.store.fallBack(ms));
      return;
    case 'revoke': {
      const family = world.provider.familyOf(id);
      if (family) world.provider.end(family, 'admin');
      world.oracle.note(`an administrator revokes ${id}`);
      return;
    }
    default:
      kind satisfies never;
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
