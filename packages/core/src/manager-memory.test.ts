import { afterEach, describe, expect, it, vi } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';
import type { StoreKey, StoreValue } from './token-store.ts';

const LIFE = 30 * MINUTE;
const IDS = 20_000;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
const OTHER = 'limited@clientname.com';

/** Refuses writes of some connections, and counts reads. */
class ChoosyStore extends FlakyStore {
  readonly refused = new Set<string>();
  reads = 0;

  override async read(key: StoreKey) {
    this.reads += 1;
    return super.read(key);
  }

  override async cas(key: StoreKey, expectedRev: number | null, next: StoreValue) {
    if (this.refused.has(key.id)) throw new Error('disk full');
    return super.cas(key, expectedRev, next);
  }
}

let bench: Bench;
let store: ChoosyStore;
afterEach(async () => {
  store.refused.clear();
  await bench.close();
});

async function open(encrypted: boolean) {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: LIFE }] });
  store = new ChoosyStore();
  const start = () => bench.manager({ store, ...(encrypted ? {} : { encryption: false as const }) });
  return { start, manager: start() };
}

const presented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });

/** Every id is asked for once, a thousand at a time. */
async function flood(manager: ReturnType<Bench['manager']>): Promise<void> {
  for (let first = 0; first < IDS; first += 1_000) {
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        manager
          .connection(`guess-${first + index}`)
          .getAccessToken()
          .catch((error: { code?: unknown }) => error.code),
      ),
    );
    expect(new Set(answers)).toEqual(new Set(['not_connected']));
  }
}

describe.each([
  ['sealed', true],
  ['in the clear', false],
] as const)('a flood of connection ids, tokens %s', (_, encrypted) => {
  it('F114 a refresh under way and a pair that the store refuses stay in memory, and nothing is lost', async () => {
    const { manager, start } = await open(encrypted);
    const ann = manager.connection('ann');
    const bob = manager.connection('bob');
    await bench.signIn(ann);
    await bench.signIn(bob, OTHER);
    bench.emulator.faults.add({
      match: { ...REFRESH, connection: OTHER },
      kind: 'delay',
      delayMs: 1_000,
      times: 1,
    });
    bench.emulator.faults.add({
      match: { ...REFRESH, connection: 'user@clientname.com' },
      kind: 'delay',
      delayMs: 60_000,
      times: 1,
    });
    await bench.clock.advance(LIFE);
    const annsCall = ann.getAccessToken().catch((error: { code?: unknown }) => error.code);
    const bobsCall = bob.getAccessToken();
    await bench.presented(2);
    store.refused.add('bob');
    await bench.clock.advance(1_000);
    const bobsToken = await bobsCall;
    expect(await manager.health()).toMatchObject({ unpersisted: 1 });

    await flood(manager);
    // Both are still known: the pair is served though no store has it, and the flight is joined, not begun anew.
    expect(await bob.getAccessToken()).toBe(bobsToken);
    expect(await manager.health()).toMatchObject({ unpersisted: 1 });
    const joined = ann.getAccessToken().catch((error: { code?: unknown }) => error.code);
    await flood(manager);
    await bench.clock.advance(15_000);
    expect([await annsCall, await joined]).toEqual(['refresh_in_progress', 'refresh_in_progress']);
    await bench.clock.advance(45_000);
    await vi.waitFor(async () => expect((await ann.status()).generation).toBe(2));
    expect(presented()).toBe(2);

    store.refused.clear();
    await vi.waitFor(async () => {
      await bench.clock.advance(1_000);
      expect(await manager.health()).toMatchObject({ unpersisted: 0 });
    });
    const elsewhere = start();
    expect(await elsewhere.connection('bob').getAccessToken()).toBe(bobsToken);
    expect(await elsewhere.connection('ann').getAccessToken()).toBe(await ann.getAccessToken());
    for (const connection of [ann, bob]) {
      await bench.clock.advance(LIFE);
      expect(await connection.getAccessToken()).toBeTruthy();
    }
    expect(bench.emulator.ledger.presentedTwice()).toBe(0);
    expect(bench.named('reauthorizationRequired')).toEqual([]);
  });

  it('F114 half of 20,000 connections in use are in memory, the rest in the store, and each has its own token', async () => {
    const { manager } = await open(encrypted);
    const ids = Array.from({ length: IDS }, (_, index) => `c-${index}`);
    for (const id of ids) {
      await manager.connection(id).importTokens({
        access_token: `access-${id}`,
        refresh_token: `refresh-${id}`,
        expires_in: 1800,
        token_type: 'bearer',
      });
    }
    const readsOf = async (some: readonly string[]): Promise<number> => {
      const before = store.reads;
      for (const id of some) expect(await manager.connection(id).getAccessToken()).toBe(`access-${id}`);
      return store.reads - before;
    };
    expect(await readsOf(ids.slice(-9_990).reverse())).toBe(0);
    expect(await readsOf(ids.slice(0, 1_000))).toBe(1_000);
    expect(await readsOf(ids.slice(0, 1_000))).toBe(0);
  });
});
