import { describe, expect, it, vi } from 'vitest';
import { type Connection, internals, type TokenManager } from './contracts.ts';
import { Bench, DAY, HOUR, type ManagerOptions, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';
import { RestoredStore } from './restored-store.fixture.ts';
import { storeJournal } from './store-journal.ts';

const LIFE = 30 * MINUTE;
const LEASE = 180_000;
const SETTLE = 5_000;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
let store: RestoredStore;

async function connected(options: ManagerOptions = {}) {
  const opened = await Bench.connected(new RestoredStore(), options);
  ({ bench, store } = opened);
  return opened;
}

const presented = (): number => bench.refreshes;

/** The newest token of its kind that the emulator gave out. */
function newest(tokenType: 'access' | 'refresh'): string {
  const token = bench.emulator.ledger.filter({ kind: 'issued', tokenType }).at(-1)?.token;
  if (!token) throw new Error('nothing was issued');
  return token;
}

/** The next refresh is answered with these tokens, and nothing becomes of it at the provider. */
function answerOnce(accessToken: string, refreshToken: string): void {
  const members = `<access_token>${accessToken}</access_token><refresh_token>${refreshToken}</refresh_token>`;
  bench.emulator.faults.add({
    match: REFRESH,
    kind: 'status',
    status: 200,
    times: 1,
    headers: { 'content-type': 'application/xml' },
    body: `<TokenResponse>${members}<expires_in>1800</expires_in><token_type>bearer</token_type></TokenResponse>`,
  });
}

describe('an answer that repeats a token', () => {
  it('F11 the old refresh token: a generation all the same, told as an anomaly, and presented again next time', async () => {
    const { connection, start } = await connected();
    answerOnce('another-access-token', newest('refresh'));
    await bench.clock.advance(LIFE);
    expect(await connection.getAccessToken()).toBe('another-access-token');
    expect(await connection.status()).toMatchObject({ state: 'active', generation: 2 });
    expect(bench.named('anomaly').map(({ anomaly }) => anomaly)).toEqual(['refresh_token_unchanged']);
    // Another process takes the pair for newer by its generation, though half of it is the same.
    expect(await start().connection('ann').getAccessToken()).toBe('another-access-token');
    expect(presented()).toBe(1);

    await bench.clock.advance(LIFE);
    expect(await connection.getAccessToken()).toBe(newest('access'));
    expect(await connection.status()).toMatchObject({ state: 'active', generation: 3 });
    expect(presented()).toBe(2);
    expect(bench.named('reauthorizationRequired')).toEqual([]);
  });

  it('F12 the old access token: taken with its new expiry, and not renewed again at each call', async () => {
    const { manager, connection } = await connected();
    const access = newest('access');
    // The refresh token of a second grant stands for the new one.
    await bench.signIn(manager.connection('spare'));
    answerOnce(access, newest('refresh'));
    await bench.clock.advance(LIFE - 1);
    expect(await connection.getAccessToken()).toBe(access);
    const renewedAt = bench.clock.now();
    expect(presented()).toBe(1);
    for (let call = 0; call < 100; call += 1) expect(await connection.getAccessToken()).toBe(access);
    expect(await connection.status()).toMatchObject({
      state: 'active',
      generation: 2,
      access: { expiresAt: renewedAt + LIFE },
    });
    await bench.clock.advance(LIFE / 2);
    expect(await connection.getAccessToken()).toBe(access);
    expect(presented()).toBe(1);
    await bench.clock.advance(LIFE / 2);
    expect(await connection.getAccessToken()).not.toBe(access);
    expect(presented()).toBe(2);
  });
});

/** At generation 2, with a backup of generation 1. */
async function renewedSinceBackup(connection: Connection) {
  const restore = store.backUp();
  await bench.clock.advance(LIFE);
  const token = await connection.getAccessToken();
  expect(await connection.status()).toMatchObject({ generation: 2 });
  return { token, restore };
}

describe('tokens from elsewhere', () => {
  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])(
    'with an instant of %s are refused, and the grant stays',
    async (receivedAt) => {
      const { connection } = await connected();
      const token = await connection.getAccessToken();
      await expect(
        connection.importTokens({ access_token: 'a', refresh_token: 'b', expires_in: 60 }, { receivedAt }),
      ).rejects.toMatchObject({ code: 'sign_in', reason: 'received_at_unusable' });
      expect(await connection.getAccessToken()).toBe(token);
    },
  );
});

describe('a row rolled back to the generation before', () => {
  it('F72 a process that knows the newer one writes it again, and the old one is presented by nobody', async () => {
    const { connection, start } = await connected();
    const { token, restore } = await renewedSinceBackup(connection);
    await restore();
    expect((await start().connection('ann').status()).generation).toBe(1);
    await bench.clock.advance(31_000);
    // In use, it is read again in the background, and found to have fallen back.
    expect(await connection.getAccessToken()).toBe(token);
    await vi.waitFor(() => expect(store.grant('ann').generation).toBe(2));
    expect(store.grant('ann')).toMatchObject({ intent: { kind: 'repair' } });
    expect(await start().connection('ann').getAccessToken()).toBe(token);
    await bench.clock.advance(LIFE);
    expect(await connection.getAccessToken()).not.toBe(token);
    const { state, generation } = await connection.status();
    expect(state).toBe('active');
    // The repair counts as an outcome that nobody knows, so a probe may have come before the refresh.
    expect([3, 4]).toContain(generation);
    expect(presented()).toBe(generation - 1);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });

  it('F72 also when the token has ended before it is found out', async () => {
    const { connection } = await connected();
    const { restore } = await renewedSinceBackup(connection);
    await restore();
    await bench.clock.advance(LIFE + HOUR);
    const renewed = connection.getAccessToken({ waitMs: HOUR }).catch(() => null);
    await vi.waitFor(() => expect(store.grant('ann').generation).toBe(2));
    await bench.clock.advance(LEASE + SETTLE + 2_000);
    await renewed;
    await vi.waitFor(async () => {
      await bench.clock.advance(1_000);
      expect(await connection.status()).toMatchObject({ state: 'active', generation: 3 });
    }, 10_000);
    expect(presented()).toBe(2);
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
  });

  it('F72 a journal that knows it is believed before anything is sent', async () => {
    const { connection, start } = await connected({ journal: storeJournal(memoryStore()) });
    const { token, restore } = await renewedSinceBackup(connection);
    await restore();
    const after = start().connection('ann');
    await after.getAccessToken();
    await vi.waitFor(() => expect(store.grant('ann').generation).toBe(2));
    expect(await after.getAccessToken()).toBe(token);
    expect(presented()).toBe(1);
  });

  it.each([
    ['without an intent', 'revoked_or_expired'],
    ['with an intent', 'rotation_outcome_lost'],
  ] as const)('F72 %s, and nobody knows better: one request, then an honest verdict', async (_, reason) => {
    const { connection, manager, start } = await connected();
    let restore = store.backUp();
    await bench.clock.advance(LIFE);
    if (reason === 'rotation_outcome_lost') {
      bench.emulator.faults.add({ match: REFRESH, kind: 'delay', delayMs: 1_000, times: 1 });
      const caller = connection.getAccessToken();
      await bench.presented(1);
      restore = store.backUp();
      await bench.clock.advance(1_000);
      await caller;
    } else {
      await connection.getAccessToken();
    }
    await manager.close();
    await restore();
    const after = start().connection('ann');
    await bench.clock.advance(LIFE + HOUR);
    const first = after.getAccessToken({ waitMs: HOUR }).catch((error: unknown) => error);
    if (reason === 'rotation_outcome_lost') {
      await vi.waitFor(() => expect(store.grant('ann')).toMatchObject({ intent: { kind: 'announce' } }));
      await bench.clock.advance(SETTLE + 500);
    }
    await bench.presented(2);
    await first;
    for (let call = 0; call < 20; call += 1) {
      await expect(after.getAccessToken()).rejects.toMatchObject({
        code: 'reauthorization_required',
        reason,
      });
    }
    expect(presented()).toBe(2);
    // A person signs in, and it goes on.
    await bench.signIn(after);
    expect(await after.getAccessToken()).toBe(newest('access'));
  });

  it.each(['same', 'fork', 'replace'] as const)(
    'F72 nobody knows better, and the provider is lenient (%s): nothing is lost',
    async (grace) => {
      const { connection, manager, start } = await connected();
      bench.emulator.switches.set({ reuse: 'grace', grace, graceMs: DAY });
      const { restore } = await renewedSinceBackup(connection);
      await manager.close();
      await restore();
      const after = start().connection('ann');
      for (let life = 0; life < 3; life += 1) {
        const response = await after.fetch('6/sites');
        expect(response.status).toBe(200);
        await response.arrayBuffer();
        await bench.clock.advance(LIFE);
      }
      expect(bench.named('reauthorizationRequired')).toEqual([]);
    },
  );

  it('F72 sealed tokens of one generation are not taken in the row of another', async () => {
    const { connection, start } = await connected();
    const { restore } = await renewedSinceBackup(connection);
    const { tokens } = store.grant('ann');
    const key = { registration: registrationOf(start()), kind: 'grant', id: 'ann' } as const;
    await restore();
    const { row } = await store.read(key);
    const older = JSON.parse(row?.body ?? '{}');
    const mixed = { ...older, tokens };
    const value = { state: row?.state ?? 'other', dueAt: row?.dueAt ?? null, expiresAt: null } as const;
    const first = await store.cas(key, row?.rev ?? null, { ...value, body: JSON.stringify(mixed) });
    if (!first.ok) throw new Error('nobody else writes');
    await expect(start().connection('ann').getAccessToken()).rejects.toMatchObject({
      code: 'record_unreadable',
      reason: 'tampered',
    });
    await store.cas(key, first.rev, { ...value, body: JSON.stringify({ ...older, generation: 2 }) });
    await expect(start().connection('ann').getAccessToken()).rejects.toMatchObject({ reason: 'tampered' });
    expect(presented()).toBe(1);
  });
});

/** Writes the row of `ann` anew, with some members changed. */
async function rewrite(manager: TokenManager, changes: Record<string, unknown>): Promise<string> {
  const key = { registration: registrationOf(manager), kind: 'grant', id: 'ann' } as const;
  const { row } = await store.read(key);
  if (!row) throw new Error('there is no row');
  const body = JSON.stringify({ ...JSON.parse(row.body), ...changes });
  const { state, dueAt, expiresAt } = row;
  expect((await store.cas(key, row.rev, { body, state, dueAt, expiresAt })).ok).toBe(true);
  return body;
}

describe('a later version on the same store', () => {
  it('F56 finds its own members again after an older one has refreshed, signed in and disconnected', async () => {
    const { manager, connection } = await connected();
    const later = { colour: 'green', layers: [{ of: ['things', null] }] };
    await rewrite(manager, later);
    await bench.clock.advance(LIFE);
    await connection.getAccessToken();
    expect(store.grant('ann')).toMatchObject({ ...later, generation: 2 });
    const { code } = await bench.emulator.authorize();
    await connection.exchangeCode(code, { confirm: true });
    expect(store.grant('ann')).toMatchObject(later);
    await connection.confirm();
    expect(store.grant('ann')).toMatchObject(later);
    await connection.disconnect();
    expect(store.grant('ann')).toMatchObject(later);
  });

  it('F56 F75 has its records left alone by an older one, which refreshes nothing and says so', async () => {
    const { manager, start } = await connected();
    const body = await rewrite(manager, { v: 2 });
    await bench.clock.advance(LIFE);
    const old = start().connection('ann');
    const { code } = await bench.emulator.authorize();
    const attempts = [
      () => old.getAccessToken(),
      () => old.refresh({ force: true }),
      () => old.disconnect(),
      () => old.exchangeCode(code),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({
        code: 'record_unreadable',
        message: expect.stringContaining('schema 2'),
      });
    }
    const key = { registration: registrationOf(manager), kind: 'grant', id: 'ann' } as const;
    expect((await store.read(key)).row?.body).toBe(body);
    expect(presented()).toBe(0);
  });
});

function registrationOf(manager: TokenManager): string {
  return manager[internals].registration;
}
