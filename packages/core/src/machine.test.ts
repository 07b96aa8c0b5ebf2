import { describe, expect, it } from 'vitest';
import { TokenEndpointError } from './errors.ts';
import type { Flight } from './flight.ts';
import { context, intentOf, LIFE, ok, Pilot, record, snapshot, T0, TIMES } from './machine.fixture.ts';
import { step } from './machine.ts';

describe('a refresh that goes well', () => {
  it('reads, connects, writes the intent, sends, writes the pair', () => {
    const pilot = new Pilot();
    expect(pilot.asked).toEqual(['read']);
    pilot.read(snapshot());
    expect(pilot.asked).toEqual(['connect']);
    pilot.pass(4_000).send({ type: 'connected', time: pilot.time });
    const { record: intended, expectedRev } = pilot.effect('write');
    expect(expectedRev).toBe(5);
    expect(intended.generation).toBe(3);
    expect(intended.intent).toEqual({
      attemptId: 'mine',
      generation: 3,
      owner: 'me',
      kind: 'refresh',
      firstAt: T0 + 4_000,
      leaseUntil: T0 + 4_000 + 180_000,
    });
    pilot.written();
    expect(pilot.effect('send').refreshToken).toBe('refresh-3');
    pilot.pass(300).outcome(ok);
    const { record: next, expectedRev: onOwnRev } = pilot.effect('write');
    expect(pilot.effects[0]?.type).toBe('write');
    expect(onOwnRev).toBe(6);
    expect(next).toMatchObject({
      epoch: 7,
      generation: 4,
      tokens: { access: 'access-4', refresh: 'refresh-4' },
      access: { issuedAt: T0 + 4_000, lifeMs: 1_800_000 },
      refresh: { issuedAt: T0 + 4_000 },
      intent: null,
      lastAttemptId: 'mine',
      authorizedAt: T0 - LIFE,
    });
    expect(pilot.written().result).toMatchObject({ kind: 'settled', refreshed: true });
  });

  it('adopts a newer generation without sending', () => {
    const pilot = new Pilot().read(snapshot({ generation: 4 }));
    expect(pilot.result).toMatchObject({
      kind: 'settled',
      refreshed: false,
      snapshot: { record: { generation: 4 } },
    });
  });

  it('adopts another grant, a tombstone and a dead record', () => {
    for (const change of [
      { epoch: 8, generation: 1 },
      { epoch: 8, generation: 0, tokens: null, disconnectedAt: T0 },
    ]) {
      expect(new Pilot().read(snapshot(change)).result).toMatchObject({ kind: 'settled', refreshed: false });
    }
    const dead = { dead: { reason: 'revoked_or_expired', at: T0 } } as const;
    expect(new Pilot().read(snapshot(dead)).result.kind).toBe('settled');
  });

  it('F36 ends a grant past its year without asking the provider', () => {
    const refresh = { issuedAt: T0 - 365 * 86_400_000, lifeMs: 365 * 86_400_000, fingerprint: 'r3' };
    const pilot = new Pilot().read(snapshot({ refresh }));
    // Nothing is written down: by tomorrow the store's clock may be right again.
    expect(pilot.result).toMatchObject({ kind: 'settled', refreshed: false });
    const alive = new Pilot().read(snapshot({ refresh: { ...refresh, issuedAt: refresh.issuedAt + 1 } }));
    expect(alive.asked).toEqual(['connect']);
  });
});

describe('the intent', () => {
  it('is waited for while it is live, also one’s own from an earlier flight (F42)', () => {
    for (const owner of ['other', 'me']) {
      const found = snapshot({ intent: intentOf({ owner }) });
      const pilot = new Pilot().read(found);
      expect(pilot.asked).toEqual(['blocked', 'timer']);
      expect(pilot.effect('blocked').ageMs).toBe(1_000);
      for (let poll = 0; poll < 12; poll += 1) {
        expect(pilot.effect('timer').ms).toBeLessThanOrEqual(TIMES.pollMs);
        pilot.timer();
        expect(pilot.asked).toEqual(['read']);
        pilot.read(found);
      }
      expect(pilot.timer().read(snapshot({ generation: 4 })).result.kind).toBe('settled');
    }
  });

  it('of a predecessor with the same name is foreign (F41): only its lease counts', () => {
    const live = intentOf({ leaseUntil: T0 + 1 });
    expect(new Pilot().read(snapshot({ intent: live })).asked).toContain('timer');
    const over = intentOf({ leaseUntil: T0 });
    expect(new Pilot().read(snapshot({ intent: over })).flight.at).toBe('announcing');
  });

  it('that was refused sends the flight back to what stands there', () => {
    const pilot = new Pilot().read(snapshot()).send({ type: 'connected', time: { store: T0, mono: 0 } });
    pilot.refused(snapshot({ intent: intentOf() }, 6));
    expect(pilot.flight.at).toBe('waiting');
    expect(pilot.asked).toEqual(['hang_up', 'blocked', 'timer']);
  });

  it('F118 whose answer was lost is read again by its attempt, and the flight goes on', () => {
    const pilot = new Pilot().read(snapshot()).send({ type: 'connected', time: { store: T0, mono: 0 } });
    const { record: intended } = pilot.effect('write');
    pilot.failed('write_failed');
    expect(pilot.asked).toEqual(['read']);
    pilot.read({ ...snapshot(), rev: 6, record: intended });
    expect(pilot.asked).toEqual(['send']);
  });

  it('F118 that never reached the store is not sent on', () => {
    const pilot = new Pilot().read(snapshot()).send({ type: 'connected', time: { store: T0, mono: 0 } });
    pilot.failed('write_failed').read(snapshot());
    expect(pilot.asked).toEqual(['hang_up', 'connect']);
  });

  it('F43 is not written while the store is down, and nothing is sent', () => {
    expect(new Pilot().failed('read_failed').result.kind).toBe('store_down');
    const pilot = new Pilot().read(snapshot()).send({ type: 'connected', time: { store: T0, mono: 0 } });
    pilot.failed('write_failed').failed('read_failed');
    expect(pilot.result.kind).toBe('store_down');
    expect(pilot.asked).toEqual(['hang_up']);
  });
});

describe('outcomes', () => {
  it('F24 takes nothing back when no connection came up: nothing was written', () => {
    const pilot = new Pilot()
      .read(snapshot())
      .send({ type: 'connect_failed', detail: 'ECONNREFUSED', time: { store: T0, mono: 0 } });
    expect(pilot.result).toEqual({
      kind: 'not_sent',
      reason: 'connect_failed',
      retryAfterMs: null,
      detail: 'ECONNREFUSED',
    });
  });

  it('F20 clears the intent when the provider is rate limiting', () => {
    const pilot = new Pilot()
      .sent()
      .outcome({ kind: 'not_sent', reason: 'rate_limited', retryAfterMs: 120_000, detail: '429' });
    expect(pilot.effect('write').record.intent).toBeNull();
    expect(pilot.written().result).toMatchObject({ kind: 'not_sent', retryAfterMs: 120_000 });
  });

  it('reads afresh when the lease was too short to send', () => {
    const pilot = new Pilot()
      .sent()
      .outcome({ kind: 'not_sent', reason: 'lease_too_short', retryAfterMs: null, detail: '' });
    expect(pilot.effect('write').record.intent).toBeNull();
    expect(pilot.written().asked).toEqual(['read']);
  });

  it('F19 F22 leaves the intent to run out when nobody knows, and writes nothing', () => {
    const pilot = new Pilot()
      .sent()
      .pass(90_000)
      .outcome({ kind: 'unknown', reason: 'timeout', status: null, retryAfterMs: null });
    expect(pilot.asked).toEqual(['report']);
    expect(pilot.result).toEqual({ kind: 'uncertain', reason: 'timeout', retryAfterMs: 90_000 });
  });

  it('F16 a refused registration touches no grant', () => {
    const pilot = new Pilot().sent().outcome({ kind: 'rejected', error: 'invalid_client' });
    expect(pilot.effect('write').record).toEqual({ ...record(), intent: null });
    expect(pilot.written().result).toEqual({ kind: 'registration_refused', error: 'invalid_client' });
  });

  it('F15 F69 believes invalid_grant only after a second look', () => {
    const pilot = new Pilot().sent();
    const sent = pilot.flight;
    pilot.outcome({ kind: 'rejected', error: 'invalid_grant' });
    expect(pilot.asked).toEqual(['read', 'report']);
    if (sent.at !== 'sending') throw new Error('not sending');
    pilot.read(sent.snapshot);
    expect(pilot.effect('write').record).toMatchObject({
      dead: { reason: 'revoked_or_expired' },
      tokens: 'sealed',
    });
    expect(pilot.written().result).toMatchObject({ kind: 'settled', snapshot: { record: { dead: {} } } });
  });

  it('F15 adopts what has moved meanwhile', () => {
    const pilot = new Pilot()
      .sent()
      .outcome({ kind: 'rejected', error: 'invalid_grant' })
      .read(snapshot({ generation: 4 }));
    expect(pilot.result).toMatchObject({
      kind: 'settled',
      snapshot: { record: { generation: 4, dead: null } },
    });
  });

  it('marks nothing while the store is down', () => {
    const pilot = new Pilot()
      .sent()
      .outcome({ kind: 'rejected', error: 'invalid_grant' })
      .failed('read_failed');
    expect(pilot.result.kind).toBe('store_down');
  });

  it('F18 does not take an unrecognized refusal for the end of the grant', () => {
    const pilot = new Pilot().sent().outcome({ kind: 'unrecognized', status: 403, error: null });
    const { record: next } = pilot.effect('write');
    expect(next).toMatchObject({
      dead: null,
      intent: null,
      refused: { count: 1, notBefore: T0 + 20 * 60_000 },
    });
    expect(pilot.written().result).toMatchObject({ kind: 'refused_unrecognized', retryAfterMs: 20 * 60_000 });
    const later = new Pilot(context({ known: { ...snapshot(), record: next } })).read({
      ...snapshot(),
      record: next,
    });
    expect(later.result).toMatchObject({ kind: 'refused_unrecognized', retryAfterMs: 20 * 60_000 });
  });

  it.each([
    ['a third within the hour', 2, 3_599_999, false],
    ['a third after an hour', 2, 3_600_000, true],
    ['a second after an hour', 1, 3_600_000, false],
  ])('F117 an unrecognized error word: %s', (_, count, sinceMs, dead) => {
    const refused = { count, since: T0 - sinceMs, notBefore: T0 };
    const pilot = new Pilot()
      .read(snapshot({ refused }))
      .send({ type: 'connected', time: { store: T0, mono: 0 } })
      .written();
    pilot.outcome({ kind: 'unrecognized', status: 200, error: 'account_locked' });
    expect(pilot.effect('write').record.dead !== null).toBe(dead);
  });

  it.each([
    ['Not Found', 404],
    ['Unsupported Media Type', 415],
    ['Service Unavailable', 200],
    ['temporarily_unavailable', 400],
    ['invalid_request', 400],
    ['unsupported_grant_type', 400],
    ['invalid_scope', 400],
  ])('F17 F117 %s for an hour ends no grant unless the registration works otherwise', (error, status) => {
    const refused = { count: 2, since: T0 - 3_600_000, notBefore: T0 };
    const after = (lastOkAt: number | null) => {
      const pilot = new Pilot();
      pilot.lastOkAt = lastOkAt;
      pilot.read(snapshot({ refused })).send({ type: 'connected', time: pilot.time }).written();
      return pilot.outcome({ kind: 'unrecognized', status, error }).effect('write').record.dead;
    };
    expect(after(null)).toBeNull();
    expect(after(T0 - 3_600_001)).toBeNull();
    expect(after(T0 - 3_600_000)).toMatchObject({ reason: 'refused_unrecognized' });
  });

  it('F18 tells the callers of the refusal that ends the grant what it is', () => {
    const refused = { count: 2, since: T0 - 3_600_000, notBefore: T0 };
    const pilot = new Pilot()
      .read(snapshot({ refused }))
      .send({ type: 'connected', time: { store: T0, mono: 0 } })
      .written();
    pilot.outcome({ kind: 'unrecognized', status: 400, error: 'invalid_token' }).written();
    expect(pilot.result).toMatchObject({
      kind: 'settled',
      snapshot: { record: { dead: { reason: 'refused_unrecognized' } } },
    });
  });

  it('F105 keeps an unreadable answer, sealed, and sends nothing more for this generation', () => {
    const pilot = new Pilot().sent().outcome({
      kind: 'unusable',
      problem: 'unexpected_root',
      body: '<Other/>',
      refreshToken: null,
      refreshExpiresInSeconds: null,
    });
    const { record: next } = pilot.effect('write');
    expect(next).toMatchObject({ generation: 3, quarantine: { body: { text: '<Other/>' }, generation: 3 } });
    const known = { ...snapshot(), record: next };
    expect(new Pilot(context({ known })).read(known).effect('reparse').snapshot).toBe(known);
    const reparsed = { epoch: next.epoch, generation: next.generation };
    expect(new Pilot(context({ known, reparsed })).read(known).result).toMatchObject({
      kind: 'uncertain',
      reason: 'quarantine',
    });
    const earlier = { ...reparsed, generation: next.generation - 1 };
    expect(new Pilot(context({ known, reparsed: earlier })).read(known).flight.at).toBe('reparsing');
  });

  it('F05 F14 persists a refresh token whose other half is unusable', () => {
    const pilot = new Pilot().sent().outcome({
      kind: 'unusable',
      problem: 'access_token_missing',
      body: '{}',
      refreshToken: 'refresh-4',
      refreshExpiresInSeconds: null,
    });
    expect(pilot.effect('write').record).toMatchObject({
      generation: 4,
      access: null,
      tokens: { access: null, refresh: 'refresh-4' },
      quarantine: { body: { text: '{}' }, generation: 3 },
    });
  });

  it('F06 keeps the old refresh token when the answer has none, and says so', () => {
    const pilot = new Pilot()
      .sent()
      .outcome({ kind: 'ok', response: { ...ok.response, refreshToken: null } });
    expect(pilot.effect('write').record).toMatchObject({
      generation: 4,
      tokens: { access: 'access-4', refresh: 'refresh-3' },
      refresh: { fingerprint: 'r3' },
    });
    expect(pilot.effects).toContainEqual(
      expect.objectContaining({ type: 'anomaly', anomaly: 'rotation_missing' }),
    );
  });
});

describe('a pair in hand', () => {
  const failing = () => new Pilot().sent().outcome(ok).failed('write_failed');

  it('F44 is held, served, and written again at most 2 s apart without end', () => {
    const pilot = failing();
    expect(pilot.effect('hold').snapshot).toMatchObject({
      record: { generation: 4 },
      pair: { access: 'access-4' },
    });
    for (let tries = 2; tries < 40; tries += 1) {
      expect(pilot.effect('timer').ms).toBeLessThanOrEqual(2_000);
      pilot.timer().failed('read_failed');
      expect(pilot.effect('hold').tries).toBe(tries);
    }
    expect(pilot.effect('timer').ms).toBe(2_000);
    expect(pilot.timer().read(snapshot()).written().result).toMatchObject({
      kind: 'settled',
      refreshed: true,
    });
  });

  it('F49 that was written although the answer was lost is not written twice', () => {
    const pilot = failing();
    pilot.timer().read(snapshot({ generation: 4, attemptIds: ['theirs', 'mine'] }));
    expect(pilot.result).toMatchObject({ kind: 'settled', refreshed: true });
  });

  it('F40 is accepted after the lease ran out, under a foreign probe, or on a record marked dead', () => {
    for (const change of [
      { intent: intentOf({ kind: 'probe' }) },
      { dead: { reason: 'rotation_outcome_lost', at: T0 } as const, intent: null },
    ]) {
      const pilot = new Pilot().sent().pass(400_000).outcome(ok).refused(snapshot(change, 9));
      expect(pilot.effect('write')).toMatchObject({
        expectedRev: 9,
        record: { generation: 4, dead: null, intent: null },
      });
    }
  });

  it('F45 is written where the store fell back or lost the row', () => {
    const none = new Pilot().sent().outcome(ok).refused(null);
    expect(none.effect('write')).toMatchObject({ expectedRev: null, record: { generation: 4 } });
    const older = new Pilot()
      .sent()
      .outcome(ok)
      .refused(snapshot({ generation: 2 }, 2));
    expect(older.effect('write')).toMatchObject({ expectedRev: 2, record: { epoch: 7, generation: 4 } });
    const olderGrant = new Pilot()
      .sent()
      .outcome(ok)
      .refused(snapshot({ epoch: 6, generation: 40 }, 2));
    expect(olderGrant.effect('write')).toMatchObject({ expectedRev: 2, record: { epoch: 7, generation: 4 } });
  });

  it('F55 is dropped for a newer grant and for a tombstone', () => {
    const tombstone = { epoch: 8, generation: 0, tokens: null, disconnectedAt: T0 };
    for (const change of [{ epoch: 8, generation: 1 }, tombstone]) {
      expect(new Pilot().sent().outcome(ok).refused(snapshot(change)).result).toMatchObject({
        kind: 'settled',
        refreshed: false,
        snapshot: { record: { epoch: 8 } },
      });
    }
  });

  it('F27 is kept as a sibling when another success has landed', () => {
    const refresh = { issuedAt: T0, lifeMs: 1, fingerprint: 'other' };
    const pilot = new Pilot()
      .sent()
      .outcome(ok)
      .refused(snapshot({ generation: 4, lastAttemptId: 'theirs', refresh }, 8));
    const { record: next } = pilot.effect('write');
    expect(next).toMatchObject({
      generation: 4,
      sibling: { tokens: { refresh: 'refresh-4' }, generation: 4 },
    });
    expect(pilot.written().result).toMatchObject({ kind: 'settled', refreshed: false });
  });

  it('F27 becomes the next generation of a dead record (T4)', () => {
    const dead = { reason: 'revoked_or_expired', at: T0 } as const;
    const pilot = new Pilot()
      .sent()
      .outcome(ok)
      .refused(snapshot({ generation: 4, lastAttemptId: 'theirs', dead }, 8));
    expect(pilot.effect('write').record).toMatchObject({
      generation: 5,
      dead: null,
      tokens: { refresh: 'refresh-4' },
    });
  });

  it('F27 a sibling is tried before a refusal is believed', () => {
    const sibling = {
      tokens: { access: 'access-s', refresh: 'refresh-s' },
      access: null,
      refresh: { issuedAt: T0, lifeMs: 1_000_000, fingerprint: 'rs' },
      generation: 3,
    };
    const pilot = new Pilot()
      .read(snapshot({ sibling }))
      .send({ type: 'connected', time: { store: T0, mono: 0 } })
      .written();
    const sent = pilot.flight;
    if (sent.at !== 'sending') throw new Error('not sending');
    pilot.outcome({ kind: 'rejected', error: 'invalid_grant' }).read(sent.snapshot);
    expect(pilot.effect('write').record).toMatchObject({
      generation: 4,
      dead: null,
      tokens: { refresh: 'refresh-s' },
      sibling: null,
    });
  });
});

describe('an unknown outcome', () => {
  const over = intentOf({ firstAt: T0 - 200_000, leaseUntil: T0 - 20_000 });

  it('F58 F59 is probed after announcement and settle time, with the first intent’s date', () => {
    const pilot = new Pilot().read(snapshot({ intent: over }));
    const announced = pilot.effect('write').record;
    expect(announced.intent).toMatchObject({
      kind: 'announce',
      firstAt: T0 - 200_000,
      leaseUntil: T0 + 15_000,
    });
    expect(announced.unknown).toEqual({ count: 1, since: T0 - 200_000, lastAt: T0 - 20_000 });
    pilot.written();
    for (let second = 1; second <= 5; second += 1) {
      expect(pilot.effect('timer').ms).toBe(1_000);
      pilot.pass(1_000).timer();
      expect(pilot.asked).toEqual(['read']);
      pilot.read({ ...snapshot(), rev: 6, record: announced });
    }
    expect(pilot.asked).toEqual(['connect']);
    pilot.send({ type: 'connected', time: pilot.time });
    const { record: probing, expectedRev } = pilot.effect('write');
    expect(expectedRev).toBe(6);
    expect(probing.intent).toMatchObject({
      kind: 'probe',
      firstAt: T0 - 200_000,
      leaseUntil: T0 + 5_000 + 180_000,
    });
    expect(pilot.written().effect('send').refreshToken).toBe('refresh-3');
    pilot.outcome(ok);
    expect(pilot.effect('write').record).toMatchObject({
      generation: 4,
      unknown: null,
      access: { issuedAt: T0 - 200_000 },
    });
  });

  it('F105 is not probed when an answer to it comes out of a journal during the settle time', () => {
    const pilot = new Pilot().read(snapshot({ intent: over }));
    const announced = pilot.effect('write').record;
    pilot.written().pass(5_000).timer();
    const quarantine = {
      body: { text: '<Other/>' },
      generation: 3,
      problem: 'unexpected_root',
      at: T0,
      issuedAt: T0 - 200_000,
      attemptId: 'another',
    } as const;
    pilot.read({ ...snapshot(), rev: 7, record: { ...announced, quarantine } });
    expect(pilot.asked).toContain('write');
    expect(pilot.effect('write')).toMatchObject({ expectedRev: 7, record: { intent: null, quarantine } });
  });

  it('a shutdown takes an announcement back that has sent nothing (F60f)', () => {
    const pilot = new Pilot().read(snapshot({ intent: over }));
    const announced = { ...snapshot(), rev: 6, record: pilot.effect('write').record };
    pilot.written().pass(5_000).timer().read(announced);
    expect(pilot.asked).toEqual(['connect']);
    pilot.send({ type: 'closing', time: pilot.time });
    expect(pilot.effect('write')).toMatchObject({ expectedRev: 6, record: { intent: null } });
    expect(pilot.written().result).toEqual({ kind: 'closing' });
  });

  it('F116 a failed read starts the settle time anew (T1)', () => {
    const pilot = new Pilot().read(snapshot({ intent: over }));
    const announced = { ...snapshot(), rev: 6, record: pilot.effect('write').record };
    pilot.written().pass(4_999).timer().failed('read_failed');
    pilot.pass(4_999).timer().read(announced);
    expect(pilot.flight.at).toBe('announcing');
    expect(pilot.pass(1).timer().read(announced).asked).toEqual(['connect']);
  });

  it('an announcement that has lapsed sends nothing (T2)', () => {
    const pilot = new Pilot().read(snapshot({ intent: over }));
    const announced = { ...snapshot(), rev: 6, record: pilot.effect('write').record };
    pilot.written().pass(15_000).timer().read(announced);
    expect(pilot.flight.at).toBe('announcing');
    expect(pilot.asked).toContain('write');
  });

  it('F107 the holder’s retry that landed during the settle time is adopted', () => {
    const pilot = new Pilot()
      .read(snapshot({ intent: over }))
      .written()
      .pass(1_000)
      .timer();
    expect(pilot.read(snapshot({ generation: 4 })).result).toMatchObject({
      kind: 'settled',
      refreshed: false,
    });
  });

  it('F60a a probe that is refused tells a lost answer from a revoked grant', () => {
    const unknown = { count: 1, since: T0 - 200_000, lastAt: T0 - 20_000 };
    const probe = intentOf({ attemptId: 'mine', owner: 'me', kind: 'probe' });
    const flight: Flight = { at: 'rechecking', intent: probe };
    const [, effects] = step(context(), flight, {
      type: 'read',
      snapshot: snapshot({ unknown, intent: probe }),
      leaseLeftMs: 100_000,
      time: { store: T0, mono: 0 },
    });
    expect(effects).toMatchObject([{ type: 'write', record: { dead: { reason: 'rotation_outcome_lost' } } }]);
  });

  it('waits while the old access token works, up to five minutes before its end', () => {
    const access = { issuedAt: T0, lifeMs: LIFE, fingerprint: 'a3' };
    const early = new Pilot().read(snapshot({ intent: over, access }));
    expect(early.result).toEqual({
      kind: 'uncertain',
      reason: 'outcome_unknown',
      retryAfterMs: LIFE - 5 * 60_000,
    });
    const due = new Pilot().pass(LIFE - 5 * 60_000);
    expect(due.read(snapshot({ intent: over, access })).flight.at).toBe('announcing');
  });

  it.each([
    [1, 0],
    [2, 60_000],
    [3, 120_000],
    [7, 1_920_000],
    [8, 3_600_000],
    [60, 3_600_000],
  ])('F106 probe number %i comes %i ms after the last lease, without end', (count, distance) => {
    const unknown = { count, since: T0 - 9e6, lastAt: T0 - distance };
    const due = new Pilot().read(snapshot({ unknown }));
    expect(due.flight.at).toBe('announcing');
    if (distance === 0) return;
    const early = new Pilot().read(snapshot({ unknown: { ...unknown, lastAt: unknown.lastAt + 1 } }));
    expect(early.result).toMatchObject({ kind: 'uncertain', retryAfterMs: 1 });
  });
});

describe('a store that fell back', () => {
  it('F45 is repaired from memory, with an intent for a full lease (T7), and then waited for', () => {
    for (const found of [null, snapshot({ generation: 2, intent: intentOf() }, 3)]) {
      const pilot = new Pilot().read(found);
      const { record: next, expectedRev } = pilot.effect('write');
      expect(expectedRev).toBe(found?.rev ?? null);
      expect(next).toMatchObject({
        epoch: 7,
        generation: 3,
        intent: { kind: 'repair', leaseUntil: T0 + 180_000 },
      });
      expect(pilot.written().flight.at).toBe('waiting');
    }
  });

  it('F45 keeps a tombstone that this process knows', () => {
    const known = { ...snapshot({ epoch: 9, generation: 0, tokens: null, disconnectedAt: T0 }), pair: null };
    const pilot = new Pilot(context({ known })).read(snapshot());
    expect(pilot.effect('write').record).toMatchObject({
      epoch: 9,
      tokens: null,
      disconnectedAt: T0,
      intent: null,
    });
  });
});

describe('closing', () => {
  it('F60f takes back what sent nothing', () => {
    const waiting = new Pilot().read(snapshot({ intent: intentOf() }));
    expect(waiting.send({ type: 'closing', time: waiting.time }).result.kind).toBe('closing');
    const sent = new Pilot()
      .sent()
      .outcome({ kind: 'not_sent', reason: 'closing', retryAfterMs: null, detail: '' });
    expect(sent.effect('write').record.intent).toBeNull();
    const over = intentOf({ leaseUntil: T0 - 1 });
    const announcing = new Pilot().read(snapshot({ intent: over })).written();
    announcing.send({ type: 'closing', time: announcing.time });
    expect(announcing.effect('write').record).toMatchObject({ intent: null, unknown: { count: 1 } });
  });

  it('refuses an event that does not belong', () => {
    expect(() => new Pilot().timer()).toThrow('cannot take the event');
    expect(new TokenEndpointError('x', { reason: 'y' }).toJSON()).toMatchObject({ reason: 'y' });
  });
});
