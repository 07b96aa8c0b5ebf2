import { EMPTY_RECORD } from '../record.ts';
import { fingerprint } from '../redact.ts';
import { authorized } from '../transitions.ts';
import { checkReceived, isSettled } from './invariants.fixture.ts';
import { movesOf } from './moves.fixture.ts';
import { forgetParts, idOf, normal } from './parts.fixture.ts';
import { type Config, type Process, Violation, type World } from './world.fixture.ts';

export interface Counterexample {
  readonly invariant: string;
  readonly message: string;
  /** What happened, in order. Faults begin with `!`. */
  readonly trace: readonly string[];
}

export interface Exploration {
  readonly states: number;
  readonly moves: number;
  readonly counterexample: Counterexample | null;
}

const IDLE: Process = {
  owner: 'owner',
  up: true,
  paused: false,
  cut: false,
  excused: false,
  loaded: false,
  known: null,
  unpersisted: false,
  lag: 0,
  jump: null,
  sight: null,
  running: null,
  journal: [],
};

/** A connection just authorized, in the store. Every process is new, or has it in memory already. */
export function beginning(config: Config): World {
  const token = '1.1';
  const next = {
    pair: { access: `access ${token}`, refresh: token },
    access: { issuedAt: 0, lifeMs: 1_000, fingerprint: fingerprint(`access ${token}`) },
    refresh: { issuedAt: 0, lifeMs: 365 * 86_400_000, fingerprint: fingerprint(token) },
    userEmail: null,
  };
  const by = { event: 'authorized', authorizationId: 'first', at: 1, jitter: 0 } as const;
  const record = normal(authorized(EMPTY_RECORD, next, by));
  return {
    store: { row: { rev: 1, record }, family: '1', past: [], journal: [], down: null },
    truth: {
      tokens: [{ name: token, state: 'live', successor: null }],
      requests: [],
      presented: [],
      received: [token],
      announced: null,
      fell: false,
      forgotIntent: false,
      revoked: false,
      endedByReuse: null,
      acts: 0,
      faults: 0,
    },
    processes: Array.from({ length: config.processes }, (_, index) =>
      config.owners ? { ...IDLE, owner: `owner ${index}` } : IDLE,
    ),
  };
}

/** Processes are alike: a state and the one with two of them exchanged are one. */
function keyOf({ store, truth, processes }: World): string {
  const ids = processes.map(idOf).sort((a, b) => a - b);
  return `${idOf(store)},${idOf(truth)},${ids.join()}`;
}

function normalWorld({ store, truth, processes }: World): World {
  return {
    store: normal(store),
    truth: normal(truth),
    processes: processes.map((process) => normal(process)),
  };
}

/**
 * Walks through every state that can be reached, nearest first, so that the first counterexample is a shortest one.
 * At the end: from every state some path without a further fault must lead to rest (T10).
 */
export function explore(config: Config, maxStates = Number.POSITIVE_INFINITY): Exploration {
  // A stop leaves a process with an old idea of the store's time, for which old leases may still last.
  const { settle, lease } = config.ticks;
  forgetParts(Math.max(2, settle, config.kinds.includes('pause') ? lease + 2 : 0));
  const seen = new Map<string, number>();
  const parents: number[] = [];
  const labels: string[] = [];
  const resting: boolean[] = [];
  /** Moves without a fault, as pairs of from and to. */
  const lucky: number[] = [];
  let moves = 0;
  const traceTo = (state: number): string[] => {
    const trace: string[] = [];
    for (let at = state; at > 0; at = parents[at] ?? 0) trace.push(labels[at] ?? '');
    return trace.reverse();
  };
  const failed = (state: number, last: string | null, { invariant, message }: Violation): Exploration => {
    const trace = traceTo(state);
    if (last) trace.push(last);
    return { states: seen.size, moves, counterexample: { invariant, message, trace } };
  };
  const start = normalWorld(beginning(config));
  seen.set(keyOf(start), 0);
  parents.push(0);
  labels.push('');
  resting.push(isSettled(start));
  let frontier: (readonly [number, World])[] = [[0, start]];
  while (frontier.length > 0) {
    const next: (readonly [number, World])[] = [];
    for (const [from, world] of frontier) {
      for (const move of movesOf(config, world)) {
        moves += 1;
        let to: World;
        try {
          to = normalWorld(move.to());
          checkReceived(to);
        } catch (error) {
          if (error instanceof Violation) return failed(from, move.label, error);
          throw new Error(`The model failed after:\n${[...traceTo(from), move.label].join('\n')}`, {
            cause: error,
          });
        }
        const key = keyOf(to);
        let id = seen.get(key);
        if (id === undefined) {
          id = seen.size;
          if (id >= maxStates) throw new Error(`There are more than ${maxStates} states.`);
          seen.set(key, id);
          parents.push(from);
          labels.push(move.label);
          resting.push(isSettled(to));
          next.push([id, to]);
        }
        if (!move.fault) lucky.push(from, id);
      }
    }
    frontier = next;
  }
  const stuck = firstStuck(resting, lucky);
  if (stuck !== null) {
    return failed(stuck, null, new Violation('stuck', 'no path of good luck leads to rest'));
  }
  return { states: seen.size, moves, counterexample: null };
}

/** The first state from which no path of good luck leads to rest. `lucky`: pairs of from and to. */
function firstStuck(resting: readonly boolean[], lucky: readonly number[]): number | null {
  // Chains of edges by their end, in two arrays: a list per state would not fit into memory.
  const newest = new Int32Array(resting.length).fill(-1);
  const older = new Int32Array(lucky.length / 2);
  for (let edge = 0; edge < older.length; edge += 1) {
    const to = lucky[2 * edge + 1] ?? 0;
    older[edge] = newest[to] ?? -1;
    newest[to] = edge;
  }
  const reaches = Uint8Array.from(resting, Number);
  const queue = [...reaches.keys()].filter((state) => reaches[state]);
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    for (let edge = newest[state] ?? -1; edge !== -1; edge = older[edge] ?? -1) {
      const from = lucky[2 * edge] ?? 0;
      if (reaches[from]) continue;
      reaches[from] = 1;
      queue.push(from);
    }
  }
  const stuck = reaches.indexOf(0);
  return stuck === -1 ? null : stuck;
}
