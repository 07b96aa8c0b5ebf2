import { describe, expect, it } from 'vitest';
import type { Snapshot } from './flight.ts';
import { context, intentOf, ok, Pilot, snapshot, T0 } from './machine.fixture.ts';
import type { GrantRecord } from './record.ts';
import type { TokenOutcome } from './token-outcome.ts';

describe('a year that is over by a mistake of the clock', () => {
  it('F36 is not over for good: the next refresh takes place', () => {
    const dead = { reason: 'refresh_token_expired', at: T0 - 1 } as const;
    const found = snapshot({ dead });
    const pilot = new Pilot(context({ known: found })).read(found);
    expect(pilot.asked).toEqual(['connect']);
    const later = new Pilot(context({ known: found }));
    later.store = T0 + 400 * 86_400_000;
    expect(later.read(found).result).toMatchObject({ kind: 'settled' });
  });
});

describe('what a repair finds', () => {
  const pending = {
    id: 'p1',
    epoch: 900,
    until: T0 + 60_000,
    tokens: 'sealed pending',
    access: null,
    refresh: null,
    userEmail: 'other@clientname.com',
  };
  const known = snapshot({ generation: 4, guessAt: T0 - 500, guessedGeneration: 3 });
  const repairedOver = (change: Partial<GrantRecord>) =>
    new Pilot(context({ known })).read(snapshot({ generation: 3, ...change })).effect('write').record;

  it('F45 an account that waits to be confirmed stays, and so does what a later version wrote', () => {
    const later = { later: 1 } as Partial<GrantRecord>;
    expect(repairedOver({ pending, ...later })).toMatchObject({ generation: 4, pending, later: 1 });
  });

  it('F45 one that was rejected or confirmed meanwhile does not come back', () => {
    const over = (change: Partial<GrantRecord>) =>
      new Pilot(context({ known: snapshot({ generation: 4, ...change }) }))
        .read(snapshot({ generation: 3, pending }))
        .effect('write').record.pending;
    expect(over({ rejectedIds: ['p1', 'later'] })).toBeNull();
    expect(over({ epoch: 901, authorizationId: 'p1' })).toBeNull();
    expect(over({ pending: { ...pending, id: 'p2', epoch: 950 } })).toMatchObject({ id: 'p2' });
  });

  it('F65 the later guess of the hour counts', () => {
    expect(repairedOver({ guessAt: T0 - 100, guessedGeneration: 2 })).toMatchObject({
      guessAt: T0 - 100,
      guessedGeneration: 2,
    });
    expect(repairedOver({ guessAt: T0 - 900 })).toMatchObject({ guessAt: T0 - 500, guessedGeneration: 3 });
  });
});

describe('a repair over the row of a sign-in that crossed the one in memory', () => {
  const refresh = { issuedAt: T0, lifeMs: 1e12, fingerprint: 'ro' };
  const beside = {
    tokens: { access: null, refresh: 'refresh-o' },
    access: null,
    refresh,
    generation: 3,
    authorizationId: 'other',
  };
  const known = snapshot({ authorizationId: 'mine', sibling: beside });
  const repairedOver = (change: Partial<GrantRecord>) =>
    new Pilot(context({ known }))
      .read(snapshot({ epoch: 6, authorizationId: 'other', refresh, ...change }))
      .effect('write').record.sibling;

  it('I6 keeps in mind that a refresh of it may be under way there', () => {
    const lastAt = T0 - 1_000 + 180_000;
    expect(repairedOver({ intent: intentOf() })?.unknown).toMatchObject({ count: 1, lastAt });
    const unknown = { count: 2, since: T0 - 9_000, lastAt: T0 - 1 };
    expect(repairedOver({ unknown })?.unknown).toEqual(unknown);
    expect(repairedOver({})?.unknown ?? null).toBeNull();
  });
});

describe('waiting for a lease with a journal', () => {
  it('F39 asks at growing distances, as without one', () => {
    const pilot = new Pilot(context({ journaled: true }));
    const waits: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      pilot.read(snapshot({ intent: intentOf() }));
      pilot.send({ type: 'replayed', entry: null, answer: null, pending: null, time: pilot.time });
      waits.push(pilot.effect('timer').ms);
      pilot.send({ type: 'timer', time: pilot.time });
    }
    expect(waits).toEqual([25, 50, 100, 200, 400, 800, 1_000, 1_000]);
  });
});

describe('a refusal that nobody recognizes, with a second pair at hand', () => {
  it('F18 F27 lets the two change places, and gives neither up', () => {
    const sibling = {
      tokens: { access: null, refresh: 'refresh-s' },
      access: null,
      refresh: { issuedAt: T0, lifeMs: 1_000_000_000, fingerprint: 'rs' },
      generation: 3,
    };
    const pilot = new Pilot()
      .read(snapshot({ sibling }))
      .send({ type: 'connected', time: { store: T0, mono: 0 } })
      .written();
    pilot.outcome({ kind: 'unrecognized', status: 403, error: null });
    expect(pilot.effect('write').record).toMatchObject({
      generation: 4,
      dead: null,
      intent: null,
      tokens: { refresh: 'refresh-s' },
      sibling: { tokens: { refresh: 'refresh-3' }, generation: 4, refresh: { fingerprint: 'r3' } },
      refused: { count: 1, notBefore: T0 + 20 * 60_000 },
    });
    expect(pilot.written().result).toMatchObject({ kind: 'refused_unrecognized' });
  });

  it('I6 F27 what nobody knows of the first one goes with it, and comes back with it', () => {
    const unknown = { count: 2, since: T0 - 9e6, lastAt: T0 - 8e6 };
    const sibling = {
      tokens: { access: null, refresh: 'refresh-s' },
      access: null,
      refresh: { issuedAt: T0, lifeMs: 1e12, fingerprint: 'rs' },
      generation: 3,
    };
    const probed = (change: Partial<GrantRecord>, outcome: TokenOutcome): [Pilot, Snapshot] => {
      const { generation = 3 } = change;
      const intent = intentOf({ kind: 'probe', attemptId: 'mine', generation, leaseUntil: T0 + 179_000 });
      const found = snapshot({ ...change, intent });
      const pilot = new Pilot(context({ known: found }));
      pilot.flight = { at: 'sending', intent, lastOkAt: null, snapshot: found };
      return [pilot.outcome(outcome), found];
    };
    const [first] = probed({ sibling, unknown }, { kind: 'unrecognized', status: 401, error: null });
    const { record } = first.effect('write');
    expect(record.sibling).toMatchObject({ refresh: { fingerprint: 'r3' }, unknown });
    const [second, found] = probed(record, { kind: 'rejected', error: 'invalid_grant' });
    second.read(found);
    expect(second.effect('write').record).toMatchObject({
      generation: 5,
      tokens: { refresh: 'refresh-3' },
      unknown,
      sibling: null,
    });
  });
});

describe('a sibling that was sealed with another key', () => {
  const sealed = {
    tokens: 'sealed elsewhere',
    access: null,
    refresh: { issuedAt: T0, lifeMs: 1_000_000, fingerprint: 'rs' },
    generation: 3,
  };

  it('F27 F73 is kept when the grant is given up, and told of', () => {
    const pilot = new Pilot()
      .read(snapshot({ sibling: sealed }))
      .send({ type: 'connected', time: { store: T0, mono: 0 } })
      .written();
    const sent = pilot.flight;
    if (sent.at !== 'sending') throw new Error('not sending');
    pilot.outcome({ kind: 'rejected', error: 'invalid_grant' }).read(sent.snapshot);
    expect(pilot.effect('write').record).toMatchObject({ generation: 3, dead: {}, sibling: sealed });
    expect(pilot.effect('anomaly').anomaly).toBe('sibling_unreadable');
  });

  it('F27 F73 brings the grant back where it can be opened', () => {
    const sibling = { ...sealed, tokens: { access: null, refresh: 'refresh-s' } };
    const dead = { reason: 'revoked_or_expired', at: T0 - 1 } as const;
    const found = snapshot({ sibling, dead });
    const pilot = new Pilot(context({ known: found })).read(found);
    expect(pilot.effect('write').record).toMatchObject({
      generation: 4,
      dead: null,
      tokens: { refresh: 'refresh-s' },
    });
  });

  it('F27 is not taken up when its own time is up', () => {
    const sibling = { ...sealed, tokens: { access: null, refresh: 'refresh-s' } };
    const dead = { reason: 'revoked_or_expired', at: T0 - 1 } as const;
    const found = snapshot({ sibling, dead });
    const pilot = new Pilot(context({ known: found }));
    pilot.store = T0 + 1_000_000;
    expect(pilot.read(found).flight).toMatchObject({ at: 'done', result: { kind: 'settled' } });
  });
});

describe('what a clock that shows nonsense must not wipe out', () => {
  it('F36 I6 an outcome that nobody knows is not forgotten while the year seems to be over', () => {
    const found = snapshot({ intent: intentOf({ leaseUntil: T0 - 1 }) });
    const pilot = new Pilot(context({ known: found }));
    pilot.store = T0 + 400 * 86_400_000;
    expect(pilot.read(found).result).toMatchObject({ kind: 'settled', refreshed: false });
    expect(new Pilot(context({ known: found })).read(found).flight.at).toBe('announcing');
  });
});

describe('a pair that comes late', () => {
  it('I5 is kept beside two that changed places after refusals: neither has proved itself', () => {
    const other = {
      tokens: { access: null, refresh: 'refresh-s' },
      access: null,
      refresh: { issuedAt: T0, lifeMs: 1e12, fingerprint: 'rs' },
    };
    const holder = new Pilot(context({ attemptId: 'holder' })).read(
      snapshot({ sibling: { ...other, generation: 3 } }),
    );
    holder.send({ type: 'connected', time: { store: T0, mono: 0 } }).written();
    holder.outcome(ok).failed('write_failed').timer();
    const refused = { count: 2, since: T0, notBefore: T0 + 1 };
    const moved = { generation: 5, attemptIds: ['x', 'y'], intent: null };
    holder.read(snapshot({ ...moved, refused, sibling: { ...other, generation: 5 } }));
    expect(holder.effect('write').record.sibling?.refresh.fingerprint).not.toBe('rs');
  });
});

describe('the pair of another sign-in, which takes the place of one that was refused', () => {
  const other = {
    tokens: { access: null, refresh: 'refresh-o' },
    access: null,
    refresh: { issuedAt: T0, lifeMs: 1e12, fingerprint: 'ro' },
    generation: 1,
    authorizationId: 'other',
    unknown: { count: 1, since: T0 - 1_000, lastAt: T0 + 179_000 },
  };

  function sent(): { pilot: Pilot; found: Snapshot } {
    const pilot = new Pilot()
      .read(snapshot({ authorizationId: 'mine', sibling: other }))
      .send({ type: 'connected', time: { store: T0, mono: 0 } })
      .written();
    if (pilot.flight.at !== 'sending') throw new Error('not sending');
    return { pilot, found: pilot.flight.snapshot };
  }

  function refused(): ReturnType<typeof sent> {
    const { pilot, found } = sent();
    pilot.outcome({ kind: 'rejected', error: 'invalid_grant' }).read(found);
    return { pilot, found };
  }
  const promoted = { epoch: 8, generation: 1, authorizationId: 'other', unknown: other.unknown };

  it('I6 is announced before it is presented, whatever else was written beside it', () => {
    const { pilot, found } = refused();
    expect(pilot.effect('write').record).toMatchObject(promoted);
    pilot.refused({ ...found, rev: 9, record: { ...found.record, guessAt: T0 } });
    expect(pilot.effect('write')).toMatchObject({ expectedRev: 9, record: promoted });
  });

  it('I5 is taken as it stands: its own refresh may have been answered meanwhile', () => {
    const { pilot, found } = refused();
    const newer = { ...other, tokens: { access: 'a', refresh: 'refresh-n' }, unknown: null };
    const refresh = { ...other.refresh, fingerprint: 'rn' };
    pilot.refused({ ...found, rev: 9, record: { ...found.record, sibling: { ...newer, refresh } } });
    expect(pilot.effect('write').record).toMatchObject({ tokens: newer.tokens, unknown: null });
  });

  it('F18 changes places with one whose refusal nobody recognizes: which of the two ended is not known', () => {
    const { pilot, found } = sent();
    pilot.outcome({ kind: 'unrecognized', status: 403, error: null });
    const record = pilot.effect('write').record;
    expect(record).toMatchObject({ ...promoted, refused: { count: 1 }, tokens: other.tokens });
    expect(record.sibling).toMatchObject({
      authorizationId: 'mine',
      generation: 3,
      refresh: { fingerprint: 'r3' },
    });
    expect(pilot.written().result).toMatchObject({ kind: 'refused_unrecognized' });
    expect(found.record.epoch).toBeLessThan(record.epoch);
  });

  it('I5 an account that waits to be confirmed goes on waiting', () => {
    const pending = {
      id: 'p',
      tokens: { access: null, refresh: 'refresh-p' },
      access: null,
      refresh: other.refresh,
      userEmail: null,
      epoch: 7,
      until: T0 + 1e9,
      begunAt: T0,
    };
    const { pilot, found } = sent();
    const waiting = { ...found, record: { ...found.record, pending } };
    pilot.outcome({ kind: 'rejected', error: 'invalid_grant' }).read(waiting);
    expect(pilot.effect('write').record).toMatchObject({ ...promoted, pending });
  });

  it('I5 stays beside one that was answered late, after the two had changed places: that was sent before', () => {
    const { pilot, found } = sent();
    const { refresh, tokens, authorizationId } = found.record;
    pilot.outcome(ok);
    const swappedIn = { ...found.record, epoch: 9, intent: null, refresh, tokens, authorizationId };
    pilot.refused({ ...found, rev: 9, record: { ...swappedIn, sibling: other } });
    const { record } = pilot.effect('write');
    expect(record).toMatchObject({ epoch: 9, generation: 4, authorizationId: 'mine', sibling: other });
  });

  it('I1 I6 is not probed while the lease of its own refresh lasts', () => {
    const { refresh, authorizationId, unknown } = other;
    const found = snapshot({ epoch: 8, generation: 1, refresh, authorizationId, unknown });
    const pilot = new Pilot(context({ known: found })).read(found);
    expect(pilot.result).toMatchObject({ kind: 'uncertain', retryAfterMs: 179_000 });
  });

  it('I5 F73 stays sealed beside a dead grant that is revived by a late answer, and keeps its own name', () => {
    const { pilot, found } = sent();
    pilot.outcome(ok);
    const sealed = { ...other, tokens: 'sealed elsewhere' };
    const dead = { reason: 'revoked_or_expired', at: T0 } as const;
    const gone = { ...found.record, generation: 4, intent: null, dead, sibling: sealed };
    pilot.refused({ ...found, rev: 9, record: gone });
    expect(pilot.effect('write').record).toMatchObject({
      epoch: 7,
      generation: 5,
      dead: null,
      authorizationId: 'mine',
      tokens: { refresh: 'refresh-4' },
      sibling: sealed,
    });
  });

  it.each([
    ['nobody knows what came of a refresh of that one', { unknown: { count: 1, since: T0, lastAt: T0 } }],
    ['another process may have presented its parent', { contested: true }],
  ])('I10 is lost to a rotation as well, where %s', (_, change: Partial<GrantRecord>) => {
    const { pilot, found } = sent();
    const refusedOne = { ...found, record: { ...found.record, ...change } };
    pilot.outcome({ kind: 'rejected', error: 'invalid_grant' }).read(refusedOne);
    const { record } = pilot.effect('write');
    expect(record).toMatchObject({ authorizationId: 'other', contested: true });
  });

  it('I6 stays where it is when the store does not take it', () => {
    const { pilot } = refused();
    expect(pilot.failed('write_failed').asked).not.toContain('hold');
  });
});
