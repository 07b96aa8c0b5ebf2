import {
  CELLS,
  type Cell,
  extentOf,
  type Fault,
  type FaultKind,
  kindsAt,
  type Point,
} from './faults.fixture.ts';
import type { Switches } from './provider.fixture.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

export interface Config extends Switches {
  readonly processes: number;
  readonly connections: number;
  readonly journal: 'none' | 'private' | 'shared';
  readonly background: 'detached' | 'await';
  /** Two sign-ins meet; or an account waits to be confirmed, beside what else goes on. */
  readonly people: 'one at a time' | 'crossing' | 'confirming';
  /** Processes end in order, too, and start again: with a place of their own for what the store does not take, or without. */
  readonly shutdowns: 'none' | 'rescue' | 'no place';
  /** A machine sleeps, or its wall clock is set: both at once leave no clock to go by. */
  readonly clocks: 'suspend' | 'jump';
  /** Chance of a fault at a rare wait; a tenth of it at the frequent ones. */
  readonly density: number;
  readonly durationMs: number;
  /** A store that cannot be reached says so at once, or only when a driver's patience ends. */
  readonly lostAfterMs: number;
}

export interface UserEvent {
  readonly at: number;
  readonly kind:
    | 'sign-in'
    | 'propose'
    | 'confirm'
    | 'reject'
    | 'call'
    | 'force'
    | 'disconnect'
    | 'revoke'
    | 'close'
    | 'outage'
    | 'fall-back';
  readonly process: number;
  readonly id: string;
  /** How far a store falls back. */
  readonly ms?: number;
}

/** A fault at the first waits of a kind. */
export interface Opening extends Fault {
  readonly point: Point;
}

export interface Plan {
  readonly seed: number;
  readonly config: Config;
  readonly events: readonly UserEvent[];
  /** The cell that this seed is there to hit. */
  readonly target: Cell | null;
  readonly opening: readonly Opening[];
}

/** What of a plan is left: which of its events, and exactly these faults. Everything when `null`. */
export interface Selection {
  readonly events: ReadonlySet<number>;
  readonly faults: ReadonlyMap<string, Fault>;
}

/** Uniform in [0, 1), from a seed and a name: independent of everything else that happens. */
export function chance(seed: number, name: string): number {
  let hash = (seed ^ 0x811c9dc5) >>> 0;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39) >>> 0;
  return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
}

const FREQUENT: ReadonlySet<Point> = new Set<Point>(['read', 'timer', 'gate.read']);

/** Some waits are reached only after something else has happened. */
const WAYS: Partial<
  Record<
    Point,
    {
      config?: Partial<Config>;
      opening?: readonly Opening[];
      revoke?: boolean;
      leave?: boolean;
      quiet?: boolean;
    }
  >
> = {
  'read.settle': { opening: [{ point: 'send', kind: 'lost-after', ms: 5 }] },
  'cas.announce': { opening: [{ point: 'send', kind: 'lost-before', ms: 5 }] },
  'cas.probe': { opening: [{ point: 'send', kind: '502-before', ms: 5 }] },
  'read.recheck': { config: { refusal: 'recognized' }, revoke: true },
  'cas.death': { config: { refusal: 'recognized' }, revoke: true },
  'read.persist': { opening: [{ point: 'cas.pair', kind: 'lost-before', ms: 5 }] },
  'cas.quarantine': { opening: [{ point: 'send', kind: 'wrapped', ms: 5 }] },
  'cas.repair': { opening: [{ point: 'gate.cas', kind: 'fall-back', ms: 10 * MINUTE }] },
  'cas.restore': {
    config: { journal: 'shared' },
    opening: [{ point: 'cas.pair', kind: 'crash-before', ms: 10_000 }],
  },
  'cas.sibling': {
    config: {
      replaced: 'fork',
      graceMs: 2 * HOUR,
      accessLifeMs: 30 * MINUTE,
      journal: 'none',
      processes: 3,
      connections: 1,
      density: 0.02,
      people: 'one at a time',
      shutdowns: 'none',
    },
    opening: [
      { point: 'send', kind: 'stop', ms: 9 * MINUTE },
      { point: 'send', kind: 'doubled', ms: 5 },
      { point: 'send', kind: 'stop', ms: 8 * MINUTE },
    ],
    quiet: true,
  },
  'cas.disconnect': { leave: true },
  'cas.clear': { opening: [{ point: 'send', kind: '429', ms: 5_000 }] },
  'journal.read': { config: { journal: 'shared' } },
  'journal.append': { config: { journal: 'private' } },
  'journal.forget': { config: { journal: 'shared' } },
};

export function planOf(seed: number, switches: Partial<Config> = {}): Plan {
  const pick = <T>(name: string, values: readonly [T, ...T[]]): T =>
    values[Math.floor(chance(seed, name) * values.length)] ?? values[0];
  const target = chance(seed, 'target') < 0.8 ? (CELLS[seed % CELLS.length] ?? null) : null;
  const way = target ? WAYS[target.point] : undefined;
  const shortYear = chance(seed, 'year') < 0.06;
  const expiresIn = pick('expires', ['number', 'number', 'number', 'missing'] as const);
  const people =
    switches.people ??
    pick('people', ['one at a time', 'one at a time', 'one at a time', 'crossing', 'confirming'] as const);
  const config: Config = {
    processes: pick('processes', [2, 2, 3, 4, 5]),
    connections: pick('connections', [1, 1, 2]),
    journal: pick('journal', ['none', 'none', 'private', 'shared']),
    background: pick('background', ['detached', 'detached', 'await']),
    people,
    shutdowns: pick('shutdowns', ['none', 'none', 'rescue', 'rescue', 'no place']),
    clocks: pick('clocks', ['suspend', 'jump']),
    density: pick('density', [0.02, 0.06, 0.15]),
    durationMs: 75 * MINUTE,
    lostAfterMs: pick('lost', [0, 0, 5_000, 10_000]),
    previousAccess: pick('previous', ['stays', 'ends']),
    replaced: pick('replaced', ['refused', 'revoked', 'same', 'fork', 'replace']),
    graceMs: pick('grace', [30_000, 5 * MINUTE, 2 * HOUR]),
    year: pick('sliding', ['sliding', 'absolute']),
    refreshLifeMs: shortYear ? 55 * MINUTE : 365 * 24 * HOUR,
    told: shortYear || chance(seed, 'told') < 0.5,
    grants: pick('grants', ['many', 'many', 'newest']),
    refusal: pick('refusal', ['recognized', 'recognized', 'recognized', 'unnamed', 'named']),
    expiresIn,
    accessLifeMs: expiresIn === 'missing' ? 30 * MINUTE : pick('life', [30 * MINUTE, 30 * MINUTE, 5 * HOUR]),
    ...way?.config,
    // With the newest grant only, an account that is never confirmed has ended the one that stands.
    ...(people === 'confirming' ? { grants: 'many' } : {}),
    ...(target?.kind === 'suspend' ? { clocks: 'suspend' } : {}),
    ...(target?.kind.startsWith('jump') ? { clocks: 'jump' } : {}),
    ...switches,
  };
  return {
    seed,
    config,
    events: eventsOf(seed, config, way ?? {}),
    target,
    opening: way?.opening ?? [],
  };
}

function eventsOf(
  seed: number,
  config: Config,
  sure: { revoke?: boolean; leave?: boolean; quiet?: boolean },
): UserEvent[] {
  const events: UserEvent[] = [];
  for (let connection = 0; connection < config.connections; connection += 1) {
    const id = `c${connection}`;
    const add = (kind: UserEvent['kind'], name: string, from: number, to: number): number => {
      const u = chance(seed, `${id}${kind}${name}at`);
      // Whoever is told to end is the one that was told to refresh.
      const by = kind === 'close' ? 'force' : kind;
      const process = Math.floor(chance(seed, `${id}${by}${name}p`) * config.processes);
      const at = Math.floor(from + u * (to - from));
      events.push({ at, kind, process, id });
      return at;
    };
    add('sign-in', 'first', 0, 2_000);
    for (let n = 0; n < 22; n += 1) add('call', `${n}`, 3_000, config.durationMs);
    const forced = sure.quiet ? 0 : 2 + Math.floor(chance(seed, `${id}forced`) * 4);
    if (sure.quiet) for (let n = 22; n < 60; n += 1) add('call', `${n}`, 20 * MINUTE, 45 * MINUTE);
    for (let n = 0; n < forced; n += 1) {
      const at = add('force', `${n}`, 5_000, config.durationMs);
      if (config.shutdowns !== 'none' && chance(seed, `${id}close${n}`) < 0.5) {
        // Many land while the answer is on its way, some with a store that does not take it any more.
        if (chance(seed, `${id}outage${n}`) < 0.5) add('outage', `${n}`, at, at + 200);
        add('close', `${n}`, at, at + 300);
      }
      if (chance(seed, `${id}herd${n}`) < 0.5)
        for (let h = 0; h < 3; h += 1) add('call', `h${n}.${h}`, at, at + 500);
    }
    if (config.people !== 'one at a time') meetings(seed, id, config, add);
    if (sure.leave || chance(seed, `${id}leave`) < 0.2) {
      const at = add('disconnect', '', 10 * MINUTE, config.durationMs);
      add('sign-in', 'again', at, at + 10 * MINUTE);
    } else if (chance(seed, `${id}again`) < 0.1) {
      add('sign-in', 'again', 5 * MINUTE, config.durationMs);
    }
    if (sure.revoke || chance(seed, `${id}revoke`) < 0.05) {
      const at = add('revoke', '', 5 * MINUTE, 15 * MINUTE);
      add('force', 'after', at + 1_000, at + 3 * MINUTE);
    }
  }
  return events;
}

type Add = (kind: UserEvent['kind'], name: string, from: number, to: number) => number;

/** Sign-ins, confirmations and refreshes that come at about the same time, by one process or by several. */
function meetings(seed: number, id: string, config: Config, add: Add): void {
  const some = (name: string): number => chance(seed, `${id}meet${name}`);
  const at = add(
    config.people === 'crossing' ? 'sign-in' : 'propose',
    'm0',
    4_000,
    config.durationMs - 30 * MINUTE,
  );
  if (config.people === 'crossing') {
    add('sign-in', 'm1', at, at + 300);
    if (some('third') < 0.3) add('sign-in', 'm2', at, at + 2_000);
    if (some('force') < 0.6) add('force', 'm', at, at + 600);
    return;
  }
  const ends = some('ends');
  const decided = ends < 0.2 ? at + 300 : at + Math.floor(some('when') * 20 * MINUTE);
  if (ends < 0.9) add(some('which') < 0.75 ? 'confirm' : 'reject', 'm', decided, decided + 200);
  if (some('twice') < 0.2) add('confirm', 'm2', decided, decided + 2_000);
  if (some('force') < 0.6) add('force', 'm', decided, decided + 300);
  if (some('cross') < 0.3) add('sign-in', 'm1', decided, decided + 300);
}

/** Decides, wait by wait, what goes wrong in a run. */
export class Faults {
  readonly applied: { readonly operation: string; readonly point: Point; readonly fault: Fault }[] = [];
  off = false;
  readonly #plan: Plan;
  readonly #only: Selection | null;
  readonly #opening: Opening[];
  #hits = 0;

  constructor(plan: Plan, only: Selection | null) {
    this.#plan = plan;
    this.#only = only;
    this.#opening = [...plan.opening];
  }

  at(operation: string, point: Point, allowed: boolean): Fault | null {
    if (this.off || !allowed) return null;
    const fault = this.#only ? (this.#only.faults.get(operation) ?? null) : this.#drawn(operation, point);
    if (!fault || !kindsAt(point).includes(fault.kind)) return null;
    this.applied.push({ operation, point, fault });
    return fault;
  }

  #drawn(operation: string, point: Point): Fault | null {
    const { seed, config, target } = this.#plan;
    const first = this.#opening.findIndex((opening) => opening.point === point);
    if (first >= 0) {
      const [opening] = this.#opening.splice(first, 1);
      if (opening) return { kind: opening.kind, ms: opening.ms };
    }
    const u = chance(seed, operation);
    if (target?.point === point && this.#hits < 3 && u < (FREQUENT.has(point) ? 0.1 : 0.9)) {
      this.#hits += 1;
      return this.#made(operation, target.kind);
    }
    const frequent = FREQUENT.has(point);
    if (chance(seed, `${operation}?`) >= (frequent ? config.density / 10 : config.density)) return null;
    const kinds = kindsAt(point);
    const kind = kinds[Math.floor(chance(seed, `${operation}k`) * kinds.length)];
    return kind ? this.#made(operation, kind) : null;
  }

  #made(operation: string, wanted: FaultKind): Fault {
    const { seed, config } = this.#plan;
    const jumps = wanted.startsWith('jump');
    const kind =
      wanted === 'suspend' && config.clocks === 'jump'
        ? 'jump-back'
        : jumps && config.clocks === 'suspend'
          ? 'suspend'
          : wanted;
    return { kind, ms: extentOf(kind, chance(seed, `${operation}u`), chance(seed, `${operation}v`)) };
  }
}
