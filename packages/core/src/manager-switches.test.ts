import { SWITCH_POSITIONS, type Switches } from '@hq-oauth/emulator';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Connection } from './contracts.ts';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, DAY, HOUR, MINUTE } from './manager.fixture.ts';
import type { ProviderOptions } from './options.ts';

const LIFE = 30 * MINUTE;
const LEASE = 180_000;
const OTHER = 'limited@clientname.com';
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
afterEach(() => bench.close());

/** What changes at the provider without a word, and what a user can tell hq-oauth about it. */
interface Position {
  readonly title: string;
  readonly switches: Partial<Switches>;
  readonly provider: ProviderOptions;
}

const POSITIONS: readonly Position[] = [
  ...alone('previousAccessToken'),
  ...alone('refreshYear'),
  ...alone('grants'),
  ...alone('tokenFormat'),
  ...alone('expiresIn'),
  ...alone('refreshExpiresIn'),
  ...alone('expiredAnswer'),
  ...alone('refusal'),
  ...(['refused', 'family-revoked'] as const).map((reuse) => position({ reuse })),
  ...SWITCH_POSITIONS.grace.map((grace) => position({ reuse: 'grace', grace, graceMs: DAY })),
  ...(['xml-403', '401', 'error-200'] as const).map((refusal) =>
    position({ refusal }, { refusals: [refusal] }),
  ),
  ...SWITCH_POSITIONS.refreshYear.map((refreshYear) => position({ refreshYear }, { refreshYear })),
  ...(['xml', 'json'] as const).map((tokenFormat) =>
    position({ tokenFormat: `accept-${tokenFormat}` }, { tokenFormat }),
  ),
  // Everything at once that makes a careless client lose its grant.
  position({
    previousAccessToken: 'ends',
    reuse: 'family-revoked',
    refreshYear: 'absolute',
    grants: 'newest',
    refusal: 'xml-403',
    expiresIn: 'missing',
    expiredAnswer: 'html-403',
  }),
];

function alone(name: Exclude<keyof Switches, 'graceMs'>): Position[] {
  return SWITCH_POSITIONS[name].map((value) => position({ [name]: value }));
}

function position(switches: Partial<Switches>, provider: ProviderOptions = {}): Position {
  const named = Object.entries(provider).map(([name, value]) => `provider.${name}: ${value}`);
  const set = Object.entries(switches)
    .filter(([name]) => name !== 'graceMs')
    .map(([name, value]) => `${name}: ${value}`);
  return { title: [...set, ...named].join(', '), switches, provider };
}

async function connected({ switches, provider }: Position) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }], ...switches });
  const store = new FlakyStore();
  const manager = bench.manager({ store, provider, refresh: { background: 'await' } });
  const connection = manager.connection('ann');
  await bench.signIn(connection);
  return { manager, connection, store };
}

const presented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });

async function call(connection: Connection): Promise<void> {
  const response = await connection.fetch('6/sites');
  expect(response.status).toBe(200);
  await response.arrayBuffer();
}

/** Asks, and lets time pass only where the store says that an announced probe waits for its settle time. */
async function ask(connection: Connection, store: FlakyStore): Promise<void> {
  let answered = false;
  const asked = connection.getAccessToken().catch(() => undefined);
  const done = asked.finally(() => {
    answered = true;
  });
  while (!answered) {
    await bench.clock.settle(10);
    const settling = store.writes.findLast(({ body }) => body.includes('"intent"'));
    if (!answered && settling?.body.includes('"announce"')) await bench.clock.advance(1_000);
  }
  await done;
}

const reasonOf = (connection: Connection): Promise<unknown> =>
  connection.getAccessToken().then(
    () => 'a token',
    (error: { reason?: unknown }) => error.reason,
  );

const NEEDS_A_NAME: readonly unknown[] = ['xml-403', 'error-200'] satisfies Switches['refusal'][];

/** Is a refusal an OAuth error as it should be, or of a shape that somebody has named? */
const recognized = ({ switches: { refusal }, provider: { refusals } }: Position): boolean =>
  !NEEDS_A_NAME.includes(refusal) || refusals !== undefined;

describe.each(POSITIONS.map((one) => [one.title, one] as const))('with %s', (_, given) => {
  it('signs in and calls over a dozen lives: no refused call, one refresh a life, nothing presented twice', async () => {
    const { connection } = await connected(given);
    for (let minute = 0; minute < 6 * 60; minute += 10) {
      await call(connection);
      await bench.clock.advance(10 * MINUTE);
    }
    expect(bench.refusedCalls).toBe(0);
    expect(presented()).toBe(bench.emulator.ledger.refreshes());
    expect(presented()).toBeLessThanOrEqual(18);
    expect(presented()).toBeGreaterThanOrEqual(11);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    expect(bench.named('reauthorizationRequired')).toEqual([]);
  });

  it('loses a grant to a lost answer only where the provider leaves no way back, and says so', async () => {
    const { manager, connection, store } = await connected(given);
    const neighbour = manager.connection('bob');
    await bench.signIn(neighbour, OTHER);
    const fault = { match: { ...REFRESH, connection: 'user@clientname.com' }, times: 1 } as const;
    bench.emulator.faults.add({ ...fault, kind: 'reset-after-commit' });
    await bench.clock.advance(LIFE);
    await expect(connection.getAccessToken()).rejects.toMatchObject({ code: 'rotation_uncertain' });
    await bench.clock.advance(LEASE + 500);
    await ask(connection, store);
    expect(store.writes.some(({ body }) => body.includes('"announce"'))).toBe(true);
    await bench.presented(2);

    if (given.switches.reuse === 'grace') {
      await vi.waitFor(async () =>
        expect(await connection.status()).toMatchObject({ state: 'active', generation: 2 }),
      );
      await call(connection);
      await bench.clock.advance(LIFE);
      await call(connection);
      expect(bench.named('reauthorizationRequired')).toEqual([]);
      return;
    }
    // The only live refresh token left the provider and never arrived: nobody can have it.
    expect(bench.emulator.ledger.unread()).toHaveLength(1);
    for (let minutes = 0; minutes < 4 * 60; minutes += 5) {
      await ask(connection, store);
      await neighbour.getAccessToken();
      await bench.clock.advance(5 * MINUTE);
    }
    expect(await reasonOf(connection)).toMatch(
      recognized(given) ? /^rotation_outcome_lost$/ : /^(rotation_outcome_lost|refused_unrecognized)$/,
    );
    expect(await reasonOf(neighbour)).toBe('a token');
    await bench.signIn(connection);
    await call(connection);
  });

  it('ends a revoked grant once its refusal is understood, and no other', async () => {
    const { manager, connection } = await connected(given);
    const neighbour = manager.connection('bob');
    await bench.signIn(neighbour, OTHER);
    bench.emulator.revoke({ user: 'user@clientname.com' });
    await bench.clock.advance(LIFE);
    const askedBefore = presented();
    if (recognized(given)) {
      for (let times = 0; times < 20; times += 1)
        expect(await reasonOf(connection)).toBe('revoked_or_expired');
      expect(presented()).toBe(askedBefore + 1);
    } else {
      expect(await reasonOf(connection)).toBe('refused_unrecognized');
      expect((await connection.status()).state).not.toBe('reauth_required');
      for (let minutes = 0; minutes < 40; minutes += 10) {
        await bench.clock.advance(10 * MINUTE);
        await neighbour.getAccessToken();
        await reasonOf(connection);
        expect((await connection.status()).state).not.toBe('reauth_required');
      }
      for (let minutes = 0; minutes < 60; minutes += 10) {
        await bench.clock.advance(10 * MINUTE);
        await neighbour.getAccessToken();
        await reasonOf(connection);
      }
      expect(await connection.status()).toMatchObject({
        state: 'reauth_required',
        reason: 'refused_unrecognized',
      });
    }
    await call(neighbour);
    expect((await neighbour.status()).state).not.toBe('reauth_required');
    await bench.signIn(connection);
    await call(connection);
    await bench.clock.advance(LIFE);
    await call(connection);
  });
});

describe('the refresh token’s year', () => {
  it.each([
    ['sliding', 'unknown'],
    ['sliding', 'sliding'],
    ['absolute', 'unknown'],
    ['absolute', 'absolute'],
  ] as const)(
    'provider %s, told %s: a connection in use ends when it has to, and not before',
    async (year, told) => {
      const { connection } = await connected(position({ refreshYear: year }, { refreshYear: told }));
      for (let day = 10; day < 365; day += 10) {
        await bench.clock.advance(10 * DAY);
        await call(connection);
      }
      await bench.clock.advance(5 * DAY - HOUR);
      await call(connection);
      await bench.clock.advance(2 * HOUR);
      if (year === 'sliding') {
        await call(connection);
        await bench.clock.advance(300 * DAY);
        await call(connection);
        return;
      }
      const before = presented();
      expect(await reasonOf(connection)).toBe(
        told === 'absolute' ? 'refresh_token_expired' : 'revoked_or_expired',
      );
      expect(presented() - before).toBe(told === 'absolute' ? 0 : 1);
      expect(bench.named('horizon').map(({ daysLeft }) => daysLeft)).toEqual([90, 30, 7, 1]);
    },
  );
});

describe('grants per user', () => {
  it.each(SWITCH_POSITIONS.grants)('%s: two connections of one user', async (grants) => {
    const { manager, connection } = await connected(position({ grants }));
    const second = manager.connection('second');
    await bench.signIn(second);
    await bench.clock.advance(LIFE);
    await call(second);
    expect(await reasonOf(connection)).toBe(grants === 'many' ? 'a token' : 'revoked_or_expired');
    await bench.clock.advance(LIFE);
    await call(second);
    expect(bench.named('reauthorizationRequired')).toHaveLength(grants === 'many' ? 0 : 1);
  });
});
