import { NOW, TICK } from './world.fixture.ts';

const INSTANTS = new Set([
  'leaseUntil',
  'lastAt',
  'notBefore',
  'sinceMono',
  'monoEndsAt',
  'writtenAt',
  'now',
  'jumpedAt',
]);
/** Dates that decide nothing within the span of the model. */
const DATES = new Set(['firstAt', 'issuedAt', 'since', 'authorizedAt', 'at', 'disconnectedAt']);
/** So many that the distance between two tries is at its longest. */
const TRIES = 6;
const NOTHING: readonly never[] = [];

interface Known {
  readonly id: number;
  /** Which names of attempts occur inside, one bit each. */
  readonly names: number;
  later: object | null;
}

/**
 * Equal parts of states are one object, so that a part is compared by its reference and moved through time once.
 * Emptied between explorations.
 */
/** How far back an instant is told apart from an older one, in ticks. */
let memory = 9;
let parts = new Map<string, object>();
let known = new WeakMap<object, Known>();

export function forgetParts(memoryTicks: number): void {
  memory = memoryTicks;
  parts = new Map();
  known = new WeakMap();
}

/**
 * A part of a state as it is kept: what decides nothing is taken out. With `later`, one tick has passed: every instant
 * in it lies so much further back.
 */
export function normal<T>(value: T, later = false): T {
  return walk('', value, later) as T;
}

export function idOf(part: object): number {
  return factsOf(part).id;
}

export function namesIn(part: object): number {
  return factsOf(part).names;
}

function factsOf(part: object): Known {
  const facts = known.get(part);
  if (!facts) throw new Error('This part of a state was not made normal.');
  return facts;
}

export const ATTEMPTS = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9', 'a10', 'a11', 'a12'];

function numberIn(name: string, value: number, later: boolean): number {
  if (INSTANTS.has(name)) return Math.max(later ? value - TICK : value, NOW - memory * TICK);
  if (name === 'lasts') return later ? Math.max(0, value - 1) : value;
  if (DATES.has(name) || name === 'polls') return 0;
  if (name === 'count') return Math.min(value, 2);
  if (name === 'age') return later ? value + 1 : value;
  if (name === 'ticks') return later ? Math.max(0, value - 1) : value;
  return value;
}

function walk(name: string, value: unknown, later: boolean): unknown {
  if (typeof value === 'number') return numberIn(name, value, later);
  if (typeof value !== 'object' || value === null) return value;
  const facts = known.get(value);
  if (facts && !later) return value;
  if (facts?.later) return facts.later;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [] : {};
  let text = Array.isArray(value) ? '[' : '{';
  let names = 0;
  for (const [member, inside] of Object.entries(value)) {
    const next = member === 'history' ? NOTHING : reduced(member, inside, value, later);
    (copy as Record<string, unknown>)[member] = next;
    text += member;
    if (typeof next === 'object' && next !== null && next !== NOTHING) {
      const { id, names: within } = factsOf(next);
      names |= within;
      text += `#${id}`;
    } else {
      // Two functions in one place do the same: what they enclose is the same, but for dates.
      text += typeof next === 'function' ? ' function' : ` ${String(next)},`;
      if (typeof next === 'string' && ATTEMPTS.includes(next)) names |= 1 << ATTEMPTS.indexOf(next);
    }
  }
  let part = parts.get(text);
  if (!part) {
    part = copy;
    known.set(part, { id: parts.size, names, later: null });
    parts.set(text, part);
  }
  if (facts && later) facts.later = part;
  return part;
}

function reduced(member: string, inside: unknown, around: object, later: boolean): unknown {
  if (member === 'lastError' || member === 'nextDueAt') return null;
  // All that matters of the tries of a pair in hand is that there was one: the distances are at
  // their longest then.
  if (member === 'tries' && 'keep' in around) return Math.min(TRIES, Number(inside) * TRIES);
  return walk(member, inside, later);
}
