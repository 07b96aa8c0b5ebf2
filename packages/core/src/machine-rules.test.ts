import { describe, expect, it } from 'vitest';
import { RecordUnreadableError } from './errors.ts';
import { pauseAfter } from './flight-errors.ts';
import { context, intentOf, LIFE, ok, Pilot, record, snapshot, T0, TIMES } from './machine.fixture.ts';

const over = intentOf({ firstAt: T0 - 200_000, leaseUntil: T0 - 20_000 });
const answer = {
  body: { text: '<Other/>' },
  generation: 3,
  problem: 'unexpected_root',
  at: T0,
  issuedAt: T0,
  attemptId: 'another',
} as const;

describe('an unknown outcome', () => {
  it('F64 is probed at once where a canary has shown the old access token to be dead', () => {
    const access = { issuedAt: T0, lifeMs: LIFE, fingerprint: 'a3' };
    const found = snapshot({ intent: over, access });
    expect(new Pilot().read(found).result).toMatchObject({ kind: 'uncertain' });
    expect(new Pilot(context({ deadToken: 'another' })).read(found).result).toMatchObject({
      kind: 'uncertain',
    });
    expect(new Pilot(context({ deadToken: 'a3' })).read(found).flight.at).toBe('announcing');
  });

  it('I7 dates the refresh token that a probe brings from the probe, and the access token from the first intent', () => {
    const announced = intentOf({ attemptId: 'mine', owner: 'me', kind: 'announce', firstAt: T0 - 200_000 });
    const pilot = new Pilot();
    pilot.flight = {
      at: 'connecting',
      kind: 'probe',
      lastOkAt: null,
      snapshot: snapshot({ intent: announced }),
    };
    pilot.send({ type: 'connected', time: pilot.time }).written().pass(300).outcome(ok);
    expect(pilot.effect('write').record).toMatchObject({
      access: { issuedAt: T0 - 200_000 },
      refresh: { issuedAt: T0 },
    });
  });
});

describe('an answer in a journal that could not be read', () => {
  it('I6 proves the record’s token spent also when it is too old to be written in: nothing is sent', () => {
    const replayed = (at: number) => {
      const pilot = new Pilot(context({ journaled: true })).read(snapshot());
      const found = { entry: null, answer: { quarantine: answer, at }, pending: null };
      return pilot.send({ type: 'replayed', ...found, time: pilot.time });
    };
    const lifeMs = 30 * 86_400_000;
    expect(replayed(T0 - lifeMs).effect('write').record).toMatchObject({ dead: null, quarantine: answer });
    expect(replayed(T0 - lifeMs - 1).effect('write').record).toMatchObject({
      dead: { reason: 'rotation_outcome_lost' },
      quarantine: null,
    });
  });
});

describe('a pair that a probe brings', () => {
  it('I9 counts from the first request of its generation also where a 429 to a probe has taken the intent back', () => {
    const unknown = { count: 2, since: T0 - 400_000, lastAt: T0 - 200_000 };
    const pilot = new Pilot().read(snapshot({ unknown }));
    // A server with grace may hand out the token that it made for the first one.
    expect(pilot.effect('write').record.intent).toMatchObject({ kind: 'announce', firstAt: T0 - 400_000 });
  });

  /** Its request has left, and the answer is there; the store has a newer row. */
  function answered(intent: ReturnType<typeof intentOf> | null) {
    const announced = intentOf({ attemptId: 'mine', owner: 'me', kind: 'announce', firstAt: T0 - 200_000 });
    const unknown = { count: 1, since: T0 - 200_000, lastAt: T0 - 20_000 };
    const pilot = new Pilot();
    const found = snapshot({ intent: announced, unknown });
    pilot.flight = { at: 'connecting', kind: 'probe', lastOkAt: null, snapshot: found };
    pilot.send({ type: 'connected', time: pilot.time }).written().outcome(ok);
    return pilot.refused(snapshot({ intent, unknown }, 9)).effect('write');
  }

  it('I10 is contested where another process may be probing as well, and not by what was unknown before', () => {
    expect(answered(intentOf({ kind: 'probe' }))).toMatchObject({
      expectedRev: 9,
      record: { generation: 4, contested: true },
    });
    expect(answered(intentOf({ attemptId: 'mine', kind: 'probe' })).record.contested).toBe(false);
    expect(answered(null).record.contested).toBe(false);
  });
});

describe('an intent', () => {
  /** A 429: nothing was sent, and the intent is to be taken back. */
  const limited = { kind: 'not_sent', reason: 'rate_limited', retryAfterMs: 7_000, detail: '429' } as const;

  it('F20 is taken back also where others have written beside it, three times over', () => {
    const pilot = new Pilot().sent();
    const sent = pilot.flight;
    if (sent.at !== 'sending') throw new Error('not sending');
    pilot.outcome(limited);
    for (const rev of [11, 12, 13]) {
      const guessAt = T0 + rev;
      pilot.refused({ ...sent.snapshot, rev, record: { ...sent.snapshot.record, guessAt } });
      expect(pilot.effect('write')).toMatchObject({
        expectedRev: rev,
        record: { intent: null, guessAt, generation: 3 },
      });
    }
    // It runs out by itself; that nothing was sent stays true.
    pilot.refused({ ...sent.snapshot, rev: 14 });
    expect(pilot.result).toMatchObject({ kind: 'not_sent', retryAfterMs: 7_000 });
  });

  it('F20 of somebody else is not taken back', () => {
    const pilot = new Pilot().sent().outcome(limited);
    pilot.refused(snapshot({ intent: intentOf() }, 11));
    expect(pilot.asked).toEqual([]);
    expect(pilot.result).toMatchObject({ kind: 'not_sent' });
  });

  it('F118 that is found again when its lease is over sends nothing', () => {
    const pilot = new Pilot().read(snapshot()).send({ type: 'connected', time: { store: T0, mono: 0 } });
    const found = { ...snapshot(), rev: 6, record: pilot.effect('write').record };
    pilot.failed('write_failed').pass(180_000).read(found);
    expect(pilot.asked).toContain('hang_up');
    expect(pilot.asked).not.toContain('send');
    expect(pilot.flight.at).toBe('announcing');
  });
});

describe('a refusal', () => {
  it('F105 ends nothing where an answer to this generation has come to light meanwhile', () => {
    const pilot = new Pilot().sent();
    const sent = pilot.flight;
    if (sent.at !== 'sending') throw new Error('not sending');
    const found = { ...sent.snapshot, rev: 9, record: { ...sent.snapshot.record, quarantine: answer } };
    pilot.outcome({ kind: 'rejected', error: 'invalid_grant' }).read(found);
    expect(pilot.effect('write')).toMatchObject({
      expectedRev: 9,
      record: { generation: 3, intent: null, dead: null, quarantine: answer },
    });
  });
});

describe('a pair that comes late', () => {
  it('F27 is no sibling of a grant that has proved itself by rotating on', () => {
    const late = new Pilot().sent().outcome(ok);
    late.refused(snapshot({ generation: 5, lastAttemptId: 'theirs' }, 9));
    expect(late.asked).not.toContain('write');
    expect(late.result).toMatchObject({ kind: 'settled', refreshed: false });
  });
});

describe('an answer of which only the refresh token can be used', () => {
  const half = {
    kind: 'unusable',
    problem: 'access_token_unusable',
    body: '{"refresh_token":"refresh-4"}',
    refreshToken: 'refresh-4',
    refreshExpiresInSeconds: null,
  } as const;

  it('F05 does not let the next call rotate again at once', () => {
    const pilot = new Pilot().sent().outcome(half);
    const next = pilot.effect('write').record;
    expect(next).toMatchObject({
      generation: 4,
      access: null,
      tokens: { access: null, refresh: 'refresh-4' },
      refused: { count: 0, notBefore: T0 + 60_000 },
    });
    const found = { rev: 7, record: next, pair: { access: null, refresh: 'refresh-4' } };
    const asks = (ms: number): Pilot => new Pilot(context({ known: found })).pass(ms).read(found);
    expect(asks(59_999).result).toMatchObject({ kind: 'refused_unrecognized', retryAfterMs: 1 });
    expect(asks(60_000).asked).toEqual(['connect']);
  });
});

describe('what a journal tells beside pairs', () => {
  const nothing = { entry: null, answer: null, pending: null };
  const told = (leftAt: number, purpose: 'look' | 'refresh', change = {}) => {
    const pilot = new Pilot(context({ journaled: true, purpose })).read(snapshot(change));
    return pilot.send({ type: 'replayed', ...nothing, leftAt, time: pilot.time });
  };

  it.each(['look', 'refresh'] as const)('T8 who left is written into the row by a %s', (purpose) => {
    const pilot = told(T0 - 1, purpose, { leftAt: T0 - 2 });
    expect(pilot.effect('write')).toMatchObject({
      expectedRev: 5,
      record: { generation: 3, leftAt: T0 - 1 },
    });
    expect(pilot.flight.at).toBe('restoring');
  });

  it.each([
    ['the row knows it', T0 - 1, { leftAt: T0 - 1 }],
    ['the row knows of a later time', T0 - 1, { leftAt: T0 }],
    ['a clock was ahead', T0 + 1, {}],
    ['the row is a tombstone itself', T0 - 1, { tokens: null, disconnectedAt: T0 - 9, leftAt: T0 - 9 }],
  ])('T8 who left is not written where %s', (_, leftAt, change) => {
    expect(told(leftAt, 'look', change).asked).not.toContain('write');
  });

  it.each([
    ['F82 an account that waits in a journal is written in', 1, true],
    ['F82 one whose time is up is not', 0, false],
  ])('%s', (_, leftMs, isWritten) => {
    const { access, refresh } = record();
    const waiting = { id: 'x', tokens: 'sealed', epoch: 9, access, refresh, userEmail: null };
    const pending = { ...waiting, until: T0 + leftMs };
    const pilot = new Pilot(context({ journaled: true, purpose: 'look' })).read(snapshot());
    pilot.send({ type: 'replayed', ...nothing, pending, time: pilot.time });
    expect(pilot.asked.includes('write')).toBe(isWritten);
  });

  it('T8 who left goes into a pair that is brought in, where the store came back empty', () => {
    const entry = { record: record({ epoch: 9 }), pair: snapshot().pair, at: T0 };
    const pilot = new Pilot(context({ journaled: true, known: null })).read(null);
    pilot.send({ type: 'replayed', ...nothing, entry, leftAt: T0 - 1, time: pilot.time });
    expect(pilot.effect('write').record).toMatchObject({ epoch: 9, leftAt: T0 - 1 });
  });

  it('T8 who left is carried by the end of a grant, which is written in its place', () => {
    const pilot = new Pilot(context({ journaled: true }));
    const intent = intentOf({ attemptId: 'mine', owner: 'me' });
    pilot.flight = { at: 'rechecking', intent };
    pilot.read(snapshot({ intent }));
    pilot.send({ type: 'replayed', ...nothing, leftAt: T0 - 1, time: pilot.time });
    expect(pilot.effect('write').record).toMatchObject({
      dead: { reason: 'revoked_or_expired' },
      leftAt: T0 - 1,
    });
  });
});

it('F73 a row that stays shut is asked for at growing distances', () => {
  const error = new RecordUnreadableError('shut', { reason: 'unknown_key', connectionId: 'ann' });
  const ms = [1, 3, 20].map(
    (failures) => pauseAfter('ann', { kind: 'unreadable', error }, { timings: TIMES, failures }).ms,
  );
  expect(ms).toEqual([1_000, 4_000, 60_000]);
});
