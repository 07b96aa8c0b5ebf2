import { describe, expect, it } from 'vitest';
import type { Snapshot } from './flight.ts';
import { GrantRepository, GrantSlot } from './grant-repository.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { Journals } from './journals.ts';
import { ok, record, T0, TIMES } from './machine.fixture.ts';
import { memoryStore } from './memory-store.ts';
import type { GrantRecord } from './record.ts';
import { RegistrationGate } from './registration-gate.ts';
import { type FlightObserver, runFlight } from './run-flight.ts';
import { createSealer } from './sealer.ts';
import { StoreTime } from './store-time.ts';
import { ManualClock } from './testing/manual-clock.ts';
import type { TokenEndpoint, TokenOutcome } from './token-outcome.ts';

const LEASE_TOO_SHORT: TokenOutcome = {
  kind: 'not_sent',
  reason: 'lease_too_short',
  retryAfterMs: null,
  detail: '',
};
const REFUSED: TokenOutcome = { kind: 'unrecognized', status: 403, error: null };
const BAD: TokenOutcome = { kind: 'unknown', reason: 'server_error', status: 502, retryAfterMs: null };
/** By so much at most may the lease have shrunk when the first byte leaves. */
const SLACK_MS = TIMES.leaseMs - TIMES.responseMs - TIMES.lingerMs;

const granted = (generation: number, change: Partial<GrantRecord> = {}): GrantRecord =>
  record({
    generation,
    authorizationId: 'own',
    tokens: { access: `access-${generation}`, refresh: `refresh-${generation}` },
    ...change,
  });

type Send = (maySend: () => boolean, count: number) => Promise<TokenOutcome> | TokenOutcome;

/** One flight of a grant whose access token has ended, on a store, a gate and a journal of its own. */
async function bench({ read }: { readonly read?: Journal['read'] } = {}) {
  const clock = new ManualClock({ now: T0 });
  const store = memoryStore({ clock });
  const storeTime = new StoreTime(clock);
  const sealer = createSealer({ keys: [{ id: 'k', key: new Uint8Array(32).fill(1) }] });
  const repository = new GrantRepository({
    store,
    sealer,
    registration: 'r',
    clock,
    storeTime,
    timings: TIMES,
  });
  const slot = new GrantSlot('ann');
  await repository.write(slot, null, granted(3));
  const gate = new RegistrationGate(store, 'r', TIMES);
  const journal = read && {
    name: 'given',
    append: async () => undefined,
    read,
    forget: async () => undefined,
    close: async () => undefined,
  };
  const closing = new AbortController();
  const memory = { newest: null as Snapshot | null };
  const inHand: GrantRecord[] = [];
  let sent = 0;
  const row = async (): Promise<GrantRecord> => {
    const { snapshot } = await repository.read(slot);
    if (!snapshot) throw new Error('There is a row.');
    return snapshot.record;
  };
  const fly = (send: Send, connect = async (): Promise<void> => undefined) => {
    const endpoint: TokenEndpoint = {
      async connect() {
        await connect();
        return {
          close: () => undefined,
          send: async (_, maySend = () => true) => {
            sent += 1;
            return send(maySend, sent);
          },
        };
      },
      close: async () => undefined,
    };
    const works: Promise<unknown>[] = [];
    const nothing = (): void => undefined;
    const observer: FlightObserver = {
      seen: nothing,
      inHand: (held) => void inHand.push(held),
      held: nothing,
      heldAnswer: nothing,
      reparsing: nothing,
      blocked: nothing,
      anomaly: nothing,
      journalFailed: nothing,
      work: (work) => void works.push(work.catch(() => undefined)),
    };
    const never = new AbortController().signal;
    const flight = runFlight({
      context: {
        attemptId: 'mine',
        owner: 'me',
        timings: TIMES,
        known: null,
        jitter: 0,
        configuredLifeMs: undefined,
        refreshYear: 'unknown',
        journaled: journal !== undefined,
        purpose: 'refresh',
        reparsed: null,
      },
      newest: () => memory.newest,
      deadToken: () => null,
      slot,
      repository,
      endpoint,
      journals: new Journals(journal ? [journal] : [], null, repository, 'r'),
      gate,
      clock,
      observer,
      closing: closing.signal,
      left: never,
      ended: never,
    });
    // No time passes meanwhile but what a test lets pass: sealing takes as long as it takes.
    return flight.finally(() => Promise.all(works));
  };
  /** What the last look before the first byte says, after `happens`. */
  const lastLook = async (happens: () => void): Promise<boolean | null> => {
    let allowed = null as boolean | null;
    await fly((maySend) => {
      happens();
      allowed = maySend();
      closing.abort();
      return LEASE_TOO_SHORT;
    });
    return allowed;
  };
  return {
    clock,
    store,
    storeTime,
    repository,
    slot,
    gate,
    memory,
    inHand,
    row,
    fly,
    lastLook,
    sent: () => sent,
  };
}

describe('the last look before the first byte', () => {
  it('I1 allows what is in time', async () => {
    const { clock, lastLook } = await bench();
    expect(await lastLook(() => clock.stall(SLACK_MS - 1_000))).toBe(true);
  });

  it('I3 forbids to present a generation below one that has come into memory meanwhile', async () => {
    const { memory, lastLook } = await bench();
    const newer = { rev: 9, record: granted(4), pair: { access: 'access-4', refresh: 'refresh-4' } };
    const look = lastLook(() => {
      memory.newest = newer;
    });
    expect(await look).toBe(false);
  });

  it('T1 counts the lease by the time of the store, of which this process may have learnt only now', async () => {
    const { storeTime, lastLook } = await bench();
    expect(await lastLook(() => storeTime.note(T0 + SLACK_MS + 1_000))).toBe(false);
  });

  it('F32 T1 counts it by the wall clock, which goes on while the machine sleeps', async () => {
    const { clock, lastLook } = await bench();
    expect(await lastLook(() => clock.suspend(SLACK_MS + 1_000))).toBe(false);
  });

  it('F33 T1 counts it by the monotonic clock, where the wall clock and the store were set back', async () => {
    const { clock, storeTime, lastLook } = await bench();
    const setBack = (): void => {
      clock.stall(SLACK_MS + 1_000);
      clock.jumpWall(-SLACK_MS - 1_000);
      storeTime.note(T0);
    };
    expect(await lastLook(setBack)).toBe(false);
  });
});

describe('a journal whose answer lay unread', () => {
  const entryOf = async (repository: GrantRepository, slot: GrantSlot): Promise<JournalEntry> => {
    const next = granted(4, { access: { issuedAt: T0, lifeMs: 1_800_000, fingerprint: 'a4' } });
    const refresh = { issuedAt: T0, lifeMs: 1e10, fingerprint: 'r4' };
    const body = await repository.sealedBody(slot, { ...next, refresh });
    return { registration: 'r', connectionId: 'ann', epoch: 7, generation: 4, at: T0, body };
  };

  it.each(['stall', 'suspend'] as const)(
    'T5 is read again, after a %s: what it shows may be past',
    async (by) => {
      let looks = 0;
      const opened = await bench({
        read: async () => {
          looks += 1;
          if (looks > 1) return [await entryOf(opened.repository, opened.slot)];
          opened.clock[by](TIMES.settleMs + 1);
          return [];
        },
      });
      expect(await opened.fly(() => ok)).toMatchObject({ kind: 'settled' });
      expect((await opened.row()).generation).toBe(4);
      expect(opened.sent()).toBe(0);
    },
  );

  it('is taken at its word in the end, when it is always slow', async () => {
    let looks = 0;
    const opened = await bench({
      read: async () => {
        looks += 1;
        opened.clock.stall(TIMES.settleMs + 1);
        return [];
      },
    });
    expect(await opened.fly(() => ok)).toMatchObject({ kind: 'settled', refreshed: true });
    expect(looks).toBe(3);
  });
});

describe('a refusal that nobody recognizes', () => {
  it('F17 F32 is dated by the store, which is asked for the time: the machine may have slept over it', async () => {
    const SLEPT_MS = 3 * 3_600_000;
    const { clock, fly, row } = await bench();
    await fly(() => {
      clock.suspend(SLEPT_MS);
      return REFUSED;
    });
    expect((await row()).refused?.since).toBeGreaterThanOrEqual(T0 + SLEPT_MS);
  });
});

describe('the one try of an open breaker', () => {
  async function halfOpen() {
    const opened = await bench();
    for (let count = 0; count < 5; count += 1) await opened.gate.report(BAD);
    const closed = await opened.gate.check();
    if (closed.open) throw new Error('Five failures shut it.');
    await opened.clock.advance(closed.retryAfterMs);
    return opened;
  }

  it('F19 is not in the way of the flight that has it, when that begins anew', async () => {
    const { fly } = await halfOpen();
    expect(await fly((_, count) => (count === 1 ? LEASE_TOO_SHORT : ok))).toMatchObject({
      kind: 'settled',
      refreshed: true,
    });
  });

  it('F19 is given back by a flight that sends nothing', async () => {
    const { fly, gate } = await halfOpen();
    const failed = fly(
      () => ok,
      () => Promise.reject(new Error('refused')),
    );
    expect(await failed).toMatchObject({ kind: 'not_sent', reason: 'connect_failed' });
    expect(await gate.check()).toMatchObject({ open: true });
  });
});

describe('what a shutdown finds in hand', () => {
  it('I5 is not the row of another sign-in, beside which a pair is written', async () => {
    const { repository, slot, fly, inHand, row } = await bench();
    const result = await fly(async () => {
      const { snapshot } = await repository.read(slot);
      const own = await repository.opened(slot, snapshot ?? { rev: 0, record: granted(3), pair: null });
      const { tokens, access, refresh, generation } = own;
      if (!tokens || !refresh) throw new Error('It is open.');
      const sibling = { tokens, access, refresh, generation, authorizationId: 'own', unknown: null };
      const crossed = granted(1, { epoch: 8, authorizationId: 'crossed', sibling, authorizedAt: T0 });
      await repository.write(slot, snapshot?.rev ?? null, crossed);
      return ok;
    });
    expect(result.kind).toBe('settled');
    expect(await row()).toMatchObject({ epoch: 8, sibling: { generation: 4 } });
    expect(inHand.map(({ epoch, generation }) => `${epoch}.${generation}`)).toEqual(['7.4']);
    expect(typeof inHand[0]?.tokens).toBe('object');
  });

  it('I5 is also an answer that could not be read', async () => {
    const { fly, inHand } = await bench();
    const unusable: TokenOutcome = {
      kind: 'unusable',
      problem: 'unexpected_root',
      body: '<other><access_token>x</access_token></other>',
      refreshToken: null,
      refreshExpiresInSeconds: null,
    };
    await fly(() => unusable);
    expect(inHand[0]?.quarantine?.body).toMatchObject({ text: unusable.body });
  });
});
