import { expect, it } from 'vitest';
import { chance, type Opening, type Plan, planOf, type UserEvent } from './plan.fixture.ts';
import { simulate } from './run.fixture.ts';

/** `HQ_CROSSED_SEEDS=20000 HQ_CROSSED_FROM=1001` for a long run by hand. */
const SEEDS = Number(process.env.HQ_CROSSED_SEEDS ?? 200);
const FIRST = Number(process.env.HQ_CROSSED_FROM ?? 1);
const MINUTE = 60_000;

/** What may befall the first messages of a kind, how often, and for how long at most. */
const OPENINGS: readonly (Opening & { readonly often: number })[] = [
  { point: 'exchange', kind: 'late', ms: 80_000, often: 0.6 },
  { point: 'cas.sign-in', kind: 'lost-after', ms: 5, often: 0.3 },
  { point: 'cas.sign-in', kind: 'late', ms: 20_000, often: 0.3 },
  { point: 'cas.sign-in', kind: 'lost-before', ms: 5, often: 0.3 },
  { point: 'cas.sign-in', kind: 'store-down', ms: 60_000, often: 0.2 },
  { point: 'send', kind: 'late', ms: 85_000, often: 0.5 },
  { point: 'send', kind: 'unrecognized', ms: 0, often: 0.15 },
  { point: 'cas.pair', kind: 'lost-before', ms: 5, often: 0.2 },
  { point: 'cas.pair', kind: 'crash-before', ms: 60_000, often: 0.2 },
];

/** Several sign-ins of one person at about the same time, twice, with refreshes among them. */
function crossed(seed: number): Plan {
  const at = (name: string, from: number, to: number): number =>
    Math.floor(from + chance(seed, name) * (to - from));
  const grants = chance(seed, 'crossed grants') < 0.8 ? 'newest' : 'many';
  const plan = planOf(seed, { grants, connections: 1, density: 0 });
  const { processes } = plan.config;
  const events: UserEvent[] = plan.events.filter(({ kind }) => kind === 'call');
  const add = (kind: UserEvent['kind'], name: string, from: number, to: number): number =>
    events.push({ kind, id: 'c0', process: at(`${name} by`, 0, processes), at: at(name, from, to) });
  for (const start of [500, at('again', 20 * MINUTE, 60 * MINUTE)]) {
    for (let n = 0; n < 2; n += 1) add('sign-in', `${start} in ${n}`, start, start + 400);
    for (let n = 0; n < 4; n += 1) add('force', `${start} force ${n}`, start + 300, start + 2 * MINUTE);
    for (let n = 0; n < 2; n += 1)
      if (chance(seed, `${start} ends ${n}`) < 0.4) add('close', `${start} end ${n}`, start, start + 30_000);
  }
  const struck = OPENINGS.filter(({ point, kind, often }) => chance(seed, `${kind} ${point}`) < often);
  const opening = struck.map(({ point, kind, ms }) => ({
    point,
    kind,
    ms: at(`${kind} ${point} for`, 5, ms),
  }));
  return { ...plan, events, opening, target: null };
}

/**
 * Two sign-ins over a grant of any age, each by a process of its own that ends while the store is away: both are rescued, or
 * written down in journals, where only their own processes look. Then everybody refreshes.
 */
function rescued(seed: number): Plan {
  const at = (name: string, from: number, to: number): number =>
    Math.floor(from + chance(seed, name) * (to - from));
  const often = (name: string, share: number): boolean => chance(seed, name) < share;
  const grants = often('rescued grants', 0.9) ? 'newest' : 'many';
  const processes = at('rescued processes', 2, 5);
  const plan = planOf(seed, {
    grants,
    processes,
    connections: 1,
    density: often('rescued faults', 0.4) ? 0.02 : 0,
    people: 'crossing',
    shutdowns: 'rescue',
    journal: often('rescued journal', 0.5) ? 'private' : often('rescued shared', 0.3) ? 'shared' : 'none',
  });
  const events: UserEvent[] = plan.events.filter(({ kind }) => kind === 'call');
  const add = (kind: UserEvent['kind'], process: number, from: number): number =>
    events.push({ kind, id: 'c0', process, at: from });
  const any = (name: string): number => at(`${name} by`, 0, processes);
  if (often('older', 0.8)) {
    add('sign-in', any('older'), 500);
    for (let n = at('renewed', 0, 3); n > 0; n -= 1) add('force', any(`older ${n}`), n * MINUTE);
  }
  for (let round = 0; round < at('rounds', 1, 3); round += 1) {
    const start = 10 * MINUTE + round * 25 * MINUTE;
    const first = any(`${round} first`);
    const second = (first + at(`${round} second`, 1, processes)) % processes;
    add('sign-in', first, start);
    add('sign-in', second, start + at(`${round} then`, 1, 400));
    const ends = start + at(`${round} ends`, 200, 12_000);
    if (often(`${round} away`, 0.9)) add('outage', 0, start + at(`${round} gone`, 1, 8_000));
    for (const one of [first, second])
      if (often(`${round} close ${one}`, 0.85)) add('close', one, ends + at(`${round} end ${one}`, 0, 2_000));
    for (let n = 0; n < 6; n += 1)
      add('force', any(`${round} ${n}`), ends + at(`${round} force ${n}`, 0, 20 * MINUTE));
    if (often(`${round} leaves`, 0.2)) {
      add('disconnect', any(`${round} leaves`), start + at(`${round} leaves at`, 1, 10_000));
      if (often(`${round} returns`, 0.5))
        add('sign-in', any(`${round} returns`), start + at(`${round} returns at`, 10_001, 60_000));
    }
    if (often(`${round} more`, 0.4)) {
      const one = any(`${round} more`);
      const when = ends + at(`${round} more at`, 30_000, 15 * MINUTE);
      add('force', one, when);
      add('outage', 0, when + at(`${round} more away`, 1, 300));
      add('close', one, when + at(`${round} more ends`, 200, 20_000));
    }
  }
  const late = { point: 'exchange', kind: 'late' } as const;
  const opening: Opening[] = [];
  if (often('older', 0.8)) opening.push({ ...late, ms: 5 });
  for (let n = 0; n < 4; n += 1) opening.push({ ...late, ms: at(`late ${n}`, 5, 8_000) });
  for (let n = at('unnamed', -2, 4); n > 0; n -= 1)
    opening.push({ point: 'send', kind: 'unrecognized', ms: 0 });
  if (often('send late', 0.3)) opening.push({ point: 'send', kind: 'late', ms: at('send late', 5, 85_000) });
  if (often('pair dies', 0.3))
    opening.push({ point: 'cas.pair', kind: 'crash-before', ms: at('pair dies', 5, 60_000) });
  return { ...plan, events, opening, target: null };
}

/**
 * A person leaves while a sign-in is on its way, the store forgets that, and the person may come back: before or after somebody
 * has looked into a journal. The first sign-in is written late, or rescued.
 */
function left(seed: number): Plan {
  const at = (name: string, from: number, to: number): number =>
    Math.floor(from + chance(seed, name) * (to - from));
  const often = (name: string, share: number): boolean => chance(seed, name) < share;
  const processes = at('left processes', 2, 5);
  const plan = planOf(seed, {
    grants: often('left grants', 0.5) ? 'newest' : 'many',
    processes,
    connections: 1,
    density: often('left faults', 0.3) ? 0.02 : 0,
    people: 'crossing',
    shutdowns: 'rescue',
    journal: often('left private', 0.4) ? 'private' : 'shared',
  });
  const events: UserEvent[] = plan.events.filter(({ kind }) => kind === 'call');
  const any = (name: string): number => at(`${name} by`, 0, processes);
  const add = (kind: UserEvent['kind'], process: number, from: number, ms = 0): number =>
    events.push({ kind, id: 'c0', process, at: from, ms });
  if (often('left older', 0.6)) {
    add('sign-in', any('left older'), 500);
    for (let n = at('left renewed', 0, 3); n > 0; n -= 1) add('force', any(`left older ${n}`), n * MINUTE);
  }
  for (let round = 0; round < at('left rounds', 1, 3); round += 1) {
    const start = 10 * MINUTE + round * 25 * MINUTE;
    const name = (what: string): string => `left ${round} ${what}`;
    const first = any(name('first'));
    add('sign-in', first, start);
    const leaves = start + at(name('leaves'), 1, 3_000);
    add('disconnect', any(name('leaves')), leaves);
    const falls = leaves + at(name('falls'), 20, 4_000);
    if (often(name('falls'), 0.8))
      add('fall-back', 0, falls, falls - leaves + at(name('back to'), 1, 20_000));
    if (often(name('returns'), 0.8))
      add('sign-in', any(name('returns')), leaves + at(name('returns at'), 10, 20_000));
    const ends = start + at(name('ends'), 3_000, 40_000);
    if (often(name('away'), 0.7)) add('outage', 0, ends);
    if (often(name('close'), 0.7)) add('close', first, ends + at(name('closed'), 0, 5_000));
    for (let n = 0; n < 6; n += 1)
      add(
        often(name(`call ${n}`), 0.3) ? 'call' : 'force',
        any(name(`${n}`)),
        leaves + at(name(`force ${n}`), 0, 20 * MINUTE),
      );
    if (often(name('last'), 0.3))
      add('close', any(name('last')), ends + at(name('last at'), 30_000, 15 * MINUTE));
  }
  const late = { point: 'exchange', kind: 'late' } as const;
  const opening: Opening[] = [];
  if (often('left older', 0.6)) opening.push({ ...late, ms: 5 });
  for (let n = 0; n < 4; n += 1)
    opening.push({ ...late, ms: at(`left late ${n}`, 5, n % 2 === 0 ? 60_000 : 5_000) });
  return { ...plan, events, opening, target: null };
}

async function expectNoViolation(plan: Plan): Promise<void> {
  const { violations, history } = await simulate(plan);
  expect(violations, `seed ${plan.seed}\n${history.join('\n')}`).toEqual([]);
}

it.each([
  ['I1 I5 I10 two sign-ins that cross, and the refreshes of both, lose no pair that lives', crossed],
  ['I5 I6 I10 two sign-ins that are rescued in places of their own lose no pair that lives', rescued],
  ['T8 I5 I10 who leaves while a sign-in is on its way stays away, also where the store forgets that', left],
] as const)('%s', { timeout: Math.max(60_000, SEEDS * 300) }, async (_, planned) => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) await expectNoViolation(planned(seed));
});

// Each broke a rule in a long run once.
it.each([1240, 1759, 18150, 21797, 33399, 43092, 43722, 65800, 122662, 140223])(
  'I5 I6 holds over seed %i of sign-ins that cross',
  (seed) => expectNoViolation(crossed(seed)),
);

// The same, of those that are rescued in places of their own.
it.each([96, 122, 130, 446, 928, 1016, 1675, 1999, 2593, 3171, 4223, 7298])(
  'I2 I5 holds over seed %i of sign-ins that are rescued',
  (seed) => expectNoViolation(rescued(seed)),
);
