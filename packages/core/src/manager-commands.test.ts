import fc, { type AsyncCommand } from 'fast-check';
import { expect, it } from 'vitest';
import { type Breakage, World } from './manager-commands.fixture.ts';
import { FATES, type Fate, LIFE_MS, placeOf } from './manager-commands-provider.fixture.ts';
import { timings } from './timings.ts';
import type { StoreRow, StoreValue, TokenStore } from './token-store.ts';

/** Whom the connection belongs to, as far as the people who sign in and out can tell. */
interface Model {
  /** Which grant; `nobody` after a disconnect; `unclear`: two acts overlapped, or one was not answered. */
  connected: number | 'nobody' | 'unclear';
  /** Acts begun, and how many of them have ended. */
  begun: number;
  ended: number;
}

type Step = AsyncCommand<Model, World, true>;

function command(
  name: string,
  run: (model: Model, world: World) => unknown,
  check: (model: Readonly<Model>) => boolean = () => true,
): Step {
  return {
    check: async (model) => check(model),
    run: async (model, world) => {
      await run(model, world);
      await world.clock.settle();
      world.check();
    },
    toString: () => name,
  };
}

/** What an act makes of the model; an act that ran into another leaves it unclear. */
function act(
  model: Model,
  told: Promise<{ readonly value: unknown } | { readonly error: { readonly code: string } }>,
  becomes: Model['connected'],
): void {
  const alone = model.begun === model.ended;
  const before = model.connected;
  const nth = model.begun + 1;
  model.begun = nth;
  model.connected = 'unclear';
  void told.then((answer) => {
    // What the store did not take is kept and may be written much later: that act has not ended.
    if ('error' in answer && answer.error.code === 'store_unavailable') return;
    model.ended += 1;
    if (alone && model.begun === nth) model.connected = 'value' in answer ? becomes : before;
  });
}

const TIMINGS = timings();
const LEAPS = {
  'a moment': 1_000,
  'ten seconds': 10_000,
  'a minute': 60_000,
  'a response deadline': TIMINGS.responseMs,
  'a lease': TIMINGS.leaseMs,
  'most of a life': 0.85 * LIFE_MS,
  'a life': LIFE_MS,
} as const;

const signIn = (process: number): Step =>
  command(`signIn(${process})`, (model, world) => {
    const { grant, told } = world.signIn(process);
    act(model, told, grant);
  });
const disconnect = (process: number): Step =>
  command(
    `disconnect(${process})`,
    (model, world) => act(model, world.disconnect(process), 'nobody'),
    ({ connected }) => connected !== 'nobody',
  );
const ask = (process: number): Step =>
  command(`ask(${process})`, (_, world) => {
    void world.ask(process);
  });
const renew = (process: number): Step => command(`renew(${process})`, (_, world) => world.renew(process));
const crash = (process: number): Step => command(`crash(${process})`, (_, world) => world.crash(process));
const pass = (name: keyof typeof LEAPS): Step =>
  command(`pass(${name})`, (_, world) => world.pass(LEAPS[name]));
const deliver = (turns: number): Step => command(`deliver(${turns})`, (_, world) => world.deliver(turns));
const nextTokenRequest = (fate: Fate): Step =>
  command(`nextTokenRequest(${fate})`, (_, world) => {
    world.provider.fate = fate;
  });
const renewMeeting = ([process, fate]: [number, Fate]): Step =>
  command(`renewMeeting(${process}, ${fate})`, (_, world) => {
    world.provider.fate = fate;
    world.renew(process);
  });
const storeDown = command('storeDown', (_, world) => {
  world.storeDown = true;
});
const storeUp = command('storeUp', (_, world) => {
  world.storeDown = false;
});
const loseStoreAnswer = command('loseStoreAnswer', (_, world) => {
  world.losesStoreAnswer = true;
});
/** The store's next answer, most often to this call's own look at the record, is overtaken by everything else. */
const askHeldUp = (process: number): Step =>
  command(`askHeldUp(${process})`, (_, world) => {
    world.holdsStoreAnswer = true;
    void world.ask(process);
  });
const revoke = command('revoke', (_, world) => world.provider.revoke());

const process = fc.nat(2);
const leap = fc.constantFrom(...(Object.keys(LEAPS) as (keyof typeof LEAPS)[]));
const fate = fc.constantFrom(...FATES);
const weighted = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const commands = fc.commands(
  [
    fc.oneof(
      weighted(16, process.map(ask)),
      weighted(8, process.map(renew)),
      weighted(12, fc.tuple(process, fate).map(renewMeeting)),
      weighted(4, fate.map(nextTokenRequest)),
      weighted(20, leap.map(pass)),
      weighted(20, fc.nat(24).map(deliver)),
      weighted(7, process.map(crash)),
      weighted(2, process.map(signIn)),
      weighted(2, process.map(disconnect)),
      weighted(4, fc.constant(storeDown)),
      weighted(8, fc.constant(storeUp)),
      weighted(6, fc.constant(loseStoreAnswer)),
      weighted(8, process.map(askHeldUp)),
      weighted(1, fc.constant(revoke)),
    ),
  ],
  { maxCommands: 25, size: 'max' },
);

/** Signed in, in use on every process, and a minute or two before calls renew it. */
async function underway(world: World): Promise<Model> {
  const model: Model = { connected: 'unclear', begun: 0, ended: 0 };
  const { grant, told } = world.signIn(0);
  act(model, told, grant);
  await world.deliver();
  for (const ageMs of [0, 0.77 * LIFE_MS]) {
    await world.pass(ageMs);
    for (let index = 0; index < world.processes.length; index += 1) void world.ask(index);
    await world.deliver();
  }
  model.connected = grant;
  return model;
}

function property(breakage: Breakage = {}) {
  return fc.asyncProperty(
    commands,
    fc.integer({ min: 2, max: 3 }),
    fc.scheduler(),
    async (steps, processes, scheduler) => {
      const world = new World(scheduler, processes, breakage);
      const model = await underway(world);
      await fc.asyncModelRun(async () => ({ model, real: world }), steps);
      await world.heal();
      world.check();
      await world.ending();
      world.check();
      const { connected } = model;
      if (connected === 'unclear') return;
      const { row } = world;
      expect(row?.refresh ? placeOf(row.refresh).grant : 'nobody').toBe(connected);
    },
  );
}

/** Ends before the test's time does: a failure is told with its seed, path and commands, and no run is left out in silence. */
const LIMITS = { interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true } as const;

it('I1 I2 I6 I7 I9 any commands, in any order of answers, on two or three processes', async () => {
  await fc.assert(property(), { numRuns: 1000, ...LIMITS });
}, 120_000);

/** A row as if it had no intent. */
const intentless = <R extends StoreValue>(row: R): R => ({
  ...row,
  body: JSON.stringify({ ...(JSON.parse(row.body) as object), intent: null }),
});
const shown = (row: StoreRow | null): StoreRow | null => (row?.state === 'connected' ? intentless(row) : row);

const BREAKAGES: Readonly<Record<string, Breakage & { readonly rules: RegExp }>> = {
  'a store that writes without comparing': {
    rules: /^(I[1-9]:|the processes never come to rest)/,
    store: (store) => ({
      ...bound(store),
      cas: async (key, _rev, next) => store.cas(key, (await store.read(key)).row?.rev ?? null, next),
    }),
  },
  'intents that do not last': {
    rules: /^(I[1-9]:|the processes never come to rest)/,
    store: (store) => ({
      ...bound(store),
      cas: (key, rev, next) => store.cas(key, rev, next.state === 'connected' ? intentless(next) : next),
    }),
  },
  'intents that nobody sees': {
    rules: /^(I[1-9]:|the processes never come to rest)/,
    store: (store) => ({
      ...bound(store),
      read: async (key) => {
        const { row, now } = await store.read(key);
        return { row: shown(row), now };
      },
      cas: async (key, rev, next) => {
        const result = await store.cas(key, rev, next);
        return result.ok ? result : { ...result, row: shown(result.row) };
      },
    }),
  },
  'a 502 or a timeout told as a refusal': {
    rules: /^(I[1-9]:|the processes never come to rest)/,
    outcome: (outcome) =>
      outcome.kind === 'unknown' ? { kind: 'rejected', error: 'invalid_grant' } : outcome,
  },
  'a 502 or a timeout told as a request that was not sent': {
    rules: /^(I[1-9]:|the processes never come to rest)/,
    outcome: (outcome) =>
      outcome.kind === 'unknown'
        ? { kind: 'not_sent', reason: 'connect_failed', retryAfterMs: null, detail: 'none' }
        : outcome,
  },
  'a life told too long': {
    rules: /^(I[1-9]:|the processes never come to rest)/,
    outcome: (outcome) =>
      outcome.kind === 'ok'
        ? { kind: 'ok', response: { ...outcome.response, expiresInSeconds: LIFE_MS / 1000 + 60 } }
        : outcome,
  },
};

/** The methods of a class, as members that can be replaced one by one. */
function bound(store: TokenStore): TokenStore {
  return {
    name: store.name,
    read: (key) => store.read(key),
    cas: (key, rev, next) => store.cas(key, rev, next),
    now: () => store.now(),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}

it.each(Object.entries(BREAKAGES))('the commands notice %s', async (_, { rules, ...breakage }) => {
  const { failed, errorInstance } = await fc.check(property(breakage), { numRuns: 1000, endOnFailure: true });
  expect(failed).toBe(true);
  expect(errorInstance instanceof Error && errorInstance.message).toMatch(rules);
});
