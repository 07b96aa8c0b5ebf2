import { describe, expect, it } from 'vitest';
import type { Outcome } from './run.fixture.ts';
import { calls, play, playAll, secondsOf, times } from './scenario.fixture.ts';

const SIGNED_IN = '0.1 sign-in p0';
/** The first refresh is forced, so that the old access token outlives what goes wrong. */
const FORCED = [SIGNED_IN, '10 force p0'];
const FAR_GRACE = { replaced: 'fork', graceMs: 3_600_000 } as const;

function well(outcome: Outcome): void {
  expect(outcome.violations, outcome.history.join('\n')).toEqual([]);
  expect(outcome.losses, outcome.history.join('\n')).toEqual([]);
}

describe('a crash', () => {
  it.each([
    ['F57 before the intent', 'p0.0/cas.intent#1=crash-before:5000', 1],
    ['F58 after the intent, before a byte left', 'p0.0/send#1=crash-before:5000', 2],
    ['F60d after the write, before callers know', 'p0.0/cas.pair#1=crash-after:5000', 2],
  ])('%s loses nothing', async (_, faults, presented) => {
    const outcome = await playAll({ events: [...FORCED, ...calls(20, 1_900, 60)], faults });
    well(outcome);
    expect(times(outcome, 'presents c0')).toBe(presented);
  });

  it('F41 F58 a restarted process waits for the lease of its predecessor, then announces its probe', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '1790 call p0', ...calls(1_800, 2_200, 5, 1)],
      faults: 'p0.0/send#1=crash-before:1000',
    });
    well(outcome);
    const [intent = 0] = secondsOf(outcome, 'cas.intent');
    const [announced = 0] = secondsOf(outcome, 'cas.announce');
    const [probe = 0] = secondsOf(outcome, 'cas.probe');
    expect(announced - intent).toBeGreaterThanOrEqual(180);
    expect(probe - announced).toBeGreaterThanOrEqual(5);
    expect(probe - intent).toBeLessThan(360);
  });

  it('F59 a request that never arrived is probed, and the refresh token works', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, ...calls(1_790, 2_300, 10)],
      faults: 'p0.0/send#1=lost-before:5',
    });
    well(outcome);
    expect(times(outcome, 'cas.probe')).toBe(1);
  });

  it.each([
    ['F60a the response lost', 'p0.0/send#1=lost-after:5', 'never arrived'],
    ['F60b the process gone before its first write', 'p0.0/cas.pair#1=crash-before:5000', 'died with it'],
  ])('%s: lost, labelled, and served until the access token ends', async (_, faults, window) => {
    const outcome = await playAll({ events: [...FORCED, ...calls(20, 4_000, 30)], faults });
    expect(outcome.violations, outcome.history.join('\n')).toEqual([]);
    expect(outcome.losses).toEqual([{ reason: 'rotation_outcome_lost', windows: [window] }]);
    const failed = secondsOf(outcome, 'call for c0 fails: reauthorization_required');
    expect(failed[0]).toBeGreaterThan(1_500);
  });

  it.each(['same', 'fork', 'replace'] as const)(
    'F60a nothing is lost where the grace is "%s"',
    async (replaced) => {
      const outcome = await playAll({
        switches: { replaced, graceMs: 3_600_000 },
        events: [...FORCED, ...calls(20, 4_000, 30)],
        faults: 'p0.0/send#1=lost-after:5',
      });
      well(outcome);
    },
  );

  it.each(['shared', 'private'] as const)(
    'F60c F60d a %s journal keeps the pair of a process that died before the store had it',
    async (journal) => {
      const outcome = await playAll({
        switches: { journal },
        events: [SIGNED_IN, '1790 call p0', ...calls(1_800, 2_300, 5, 1)],
        faults: 'p0.0/cas.pair#1=crash-before:2000',
      });
      well(outcome);
      expect(times(outcome, 'cas.restore')).toBe(1);
      expect(times(outcome, 'presents c0')).toBe(1);
    },
  );

  it('F45 F60c a shared journal brings back what the store has lost with its row, when nobody alive knows it', async () => {
    const outcome = await playAll({
      switches: { journal: 'shared' },
      events: [...FORCED, '60 call p0', '70 call p1', ...calls(300, 600, 30)],
      faults:
        'p0.0/cas.pair#1=crash-after:100000,p1.0/read#1=row-lost:0,p1.0/journal.read#1=crash-after:1000',
    });
    well(outcome);
    expect(times(outcome, 'cas.restore')).toBe(1);
    expect(times(outcome, 'presents c0')).toBe(1);
  });

  it('F45 F55 a journal does not bring back a person who has left, when the store has lost the row', async () => {
    const outcome = await playAll({
      switches: { journal: 'shared' },
      events: [...FORCED, '60 disconnect p0', ...calls(70, 400, 50)],
      faults: 'p0.0/journal.append#2=crash-after:100000,p1.0/read#1=row-lost:0',
    });
    expect(outcome.violations, outcome.history.join('\n')).toEqual([]);
    expect(times(outcome, 'row-lost')).toBe(1);
    // The person's own, and the one that was written again.
    expect(times(outcome, 'cas.disconnect')).toBe(2);
    expect(times(outcome, 'p0.1 call for c0 fails: not_connected')).toBeGreaterThan(0);
    expect(times(outcome, 'presents c0')).toBe(1);
  });

  it('F60e a torn journal entry is as none', async () => {
    const outcome = await playAll({
      switches: { journal: 'shared' },
      events: [SIGNED_IN, '1790 call p0', ...calls(1_800, 2_300, 5)],
      faults: 'p0.0/journal.append#1=torn:2000',
    });
    expect(outcome.violations).toEqual([]);
    expect(outcome.losses).toEqual([{ reason: 'rotation_outcome_lost', windows: ['died with it'] }]);
  });
});

describe('a store', () => {
  it('F43 that is down before the request: nothing is sent, what is valid is served', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '2 call p0', '300 call p0', ...calls(310, 500, 10, 1)],
      faults: 'p0.0/read#4=store-down:600000',
    });
    well(outcome);
    expect(times(outcome, 'presents c0')).toBe(0);
  });

  it.each([
    ['and says so at once', 0],
    ['and each driver waits for 5 s', 5_000],
    ['and each driver waits for 10 s', 10_000],
  ])(
    'F44 F107 that is down for longer than the lease while a pair is held, %s: the holder is before every probe',
    async (_, lostAfterMs) => {
      const moments = Array.from({ length: 10 }, (_, n) => 186_000 + n * 2_100);
      for (const downMs of [170_000, ...moments, 240_000, 420_000]) {
        const outcome = await play({
          switches: { processes: 4, lostAfterMs },
          events: [SIGNED_IN, ...calls(1_795, 2_600, 3, 4)],
          faults: `p2.0/cas.pair#1=store-down:${downMs},p1.0/cas.pair#1=store-down:${downMs},p0.0/cas.pair#1=store-down:${downMs},p3.0/cas.pair#1=store-down:${downMs}`,
        });
        well(outcome);
        expect(times(outcome, 'FAULT store-down')).toBe(1);
        expect(times(outcome, 'FAULT store-down')).toBeGreaterThan(0);
        expect(times(outcome, 'refused')).toBe(0);
      }
    },
  );

  it('F116 that flaps during the settle time of a prober: a failed read starts it anew', async () => {
    let flaps = 0;
    for (const flapMs of [4_000, 9_000, 14_000]) {
      for (let downMs = 181_000; downMs < 183_000; downMs += 200) {
        const outcome = await play({
          switches: { processes: 3 },
          events: [SIGNED_IN, '1795 call p0', ...calls(1_796, 2_600, 1, 3)],
          faults: `p0.0/cas.pair#1=store-down:${downMs},p1.0/read.settle#1=store-down:${flapMs},p2.0/read.settle#1=store-down:${flapMs}`,
        });
        well(outcome);
        flaps += times(outcome, '@ read.settle');
        expect(times(outcome, 'refused')).toBe(0);
      }
    }
    // The holder was first in the other runs.
    expect(flaps).toBeGreaterThan(3);
  });

  it.each([
    ['F118 the answer to the intent', 'p0.0/cas.intent#1=lost-after:5'],
    ['F48 F49 the answer to the pair', 'p0.0/cas.pair#1=lost-after:5'],
    ['F48 the pair itself', 'p0.0/cas.pair#1=lost-before:5'],
  ])('%s is lost: read again, one request in all', async (_, faults) => {
    const outcome = await playAll({ events: [...FORCED, ...calls(20, 200, 20)], faults });
    well(outcome);
    expect(times(outcome, 'presents c0')).toBe(1);
    expect(times(outcome, 'provider answers')).toBe(1);
  });

  it('F45 F46 F72 that falls back is repaired by who knows, and nobody who knows presents the older token', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '10 force p0', '12 call p1', '60 call p1', '61 force p1', ...calls(62, 600, 20)],
      faults: 'p1.0/read#3=fall-back:55000',
    });
    well(outcome);
    expect(times(outcome, 'FAULT fall-back')).toBe(1);
    expect(times(outcome, 'cas.repair')).toBe(1);
    expect(secondsOf(outcome, 'presents c0/f1.1')).toHaveLength(1);
  });

  it('F45 that loses the row: written again as it was', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '10 force p0', '12 call p1', ...calls(60, 600, 20)],
      faults: 'p1.0/read#3=row-lost:0',
    });
    well(outcome);
    expect(times(outcome, 'cas.repair')).toBe(1);
  });

  it('F45 where nobody who knows is left: lost in the third window, and labelled', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '10 force p0', ...calls(1_200, 2_400, 30).map((line) => line.replace('p0', 'p1'))],
      faults: 'p0.0/cas.pair#1=crash-after:100000000,p1.0/read#1=fall-back:1195000',
    });
    expect(outcome.violations, outcome.history.join('\n')).toEqual([]);
    expect(secondsOf(outcome, 'presents c0/f1.1')).toHaveLength(2);
    expect(outcome.losses).toEqual([{ reason: 'revoked_or_expired', windows: ['forgotten by the store'] }]);
  });
});

describe('a person', () => {
  it('F55 F108 leaves while a refresh is under way: its late success does not land, and all processes know in 30 s', async () => {
    const outcome = await playAll({
      switches: { processes: 4 },
      events: [SIGNED_IN, ...calls(2, 200, 2, 4), '50 force p0', '60 disconnect p1'],
      faults: 'p0.0/send#1=late:40000',
    });
    well(outcome);
    const [left = 0] = secondsOf(outcome, 'cas.disconnect');
    expect(times(outcome, 'cas.pair')).toBe(0);
    const refused = secondsOf(outcome, 'call for c0 fails: not_connected');
    expect(refused.length).toBeGreaterThan(0);
    // From the first round after 30 s on, every call of every process is told so.
    const after = calls(Math.ceil(left + 40.2), 200, 2).length;
    expect(refused.filter((at) => at > left + 40).length).toBeGreaterThanOrEqual(after);
  });

  it('F55 signs in twice at once, at a provider that keeps one grant: the one that lives is tried', async () => {
    const outcome = await playAll({
      switches: { processes: 3, grants: 'newest' },
      events: [SIGNED_IN, '100 sign-in p1', '110 sign-in p2', ...calls(200, 2_400, 20, 3)],
      faults: 'p1.0/exchange#1=stop:60000',
    });
    well(outcome);
    expect(times(outcome, 'is told rejected')).toBeGreaterThan(0);
    expect(secondsOf(outcome, 'fails: reauthorization_required')).toEqual([]);
  });

  it('F55 leaves while a code is exchanged: the exchange does not undo it', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '20 sign-in p0', '25 disconnect p1', ...calls(60, 200, 20)],
      faults: 'p0.0/exchange#2=late:15000',
    });
    well(outcome);
    expect(times(outcome, 'cas.sign-in')).toBe(1);
    expect(times(outcome, 'fails: sign_in')).toBe(1);
  });

  it('F49 F118 signs in, and only the answer of that write is lost, for longer than two refreshes: not written twice', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '10 force p1', '400 force p1', '1200 force p1'],
      faults: 'p0.0/cas.sign-in#1=lost-after:5,p0.0/read#3=partition-store:600000',
    });
    well(outcome);
    expect(times(outcome, 'cas.sign-in c0')).toBe(1);
    expect(times(outcome, 'cas.pair c0')).toBe(3);
  });

  it('F55 signs in again while the old grant is refreshed, and the store falls back: no grant under the other’s epoch', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '50 force p0', '55 sign-in p1', '75 call p1', ...calls(120, 600, 20)],
      faults: 'p0.0/send#1=late:40000,p1.0/read#3=fall-back:30000',
    });
    well(outcome);
  });

  it('F45 F55 leaves, and the store forgets it: a process that knows does not let the grant come back', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, ...calls(2, 58, 4), '60 disconnect p1', '70 call p1', ...calls(71, 300, 7)],
      faults: 'p1.0/read#10=fall-back:65000',
    });
    well(outcome);
    expect(times(outcome, 'cas.disconnect')).toBe(2);
    expect(secondsOf(outcome, 'presents c0')).toEqual([]);
  });
});

describe('the provider', () => {
  it('F106 answers 502 for half an hour: every connection recovers by itself', async () => {
    for (const after of [1_700, 1_790, 1_810]) {
      const outcome = await playAll({
        switches: { processes: 3, connections: 2 },
        events: [
          SIGNED_IN,
          '0.2 sign-in p1 c1',
          `${after} call p2`,
          ...calls(after + 1, 4_400, 40, 3),
          ...calls(after + 2, 4_400, 45, 3, 'c1'),
        ],
        faults: `p2.0/${after < 1_800 ? 'gate.read' : 'read'}#1=provider-down:1800000`,
      });
      well(outcome);
      expect(times(outcome, 'unknown server_error')).toBeGreaterThan(2);
      expect(times(outcome, 'dead')).toBe(0);
    }
  });

  it.each(['html', 'truncated', '502-after', 'reset'])(
    'F60a answers %s after it rotated, with grace: probed',
    async (kind) => {
      const outcome = await playAll({
        switches: FAR_GRACE,
        events: [...FORCED, ...calls(20, 4_000, 40)],
        faults: `p0.0/send#1=${kind}:5`,
      });
      well(outcome);
    },
  );

  it('F42 is not asked twice by a process whose request got no answer', async () => {
    const outcome = await playAll({
      switches: FAR_GRACE,
      events: [SIGNED_IN, '1795 call p0', ...calls(1_795.3, 1_960, 1, 1)],
      faults: 'p0.0/send#1=reset:5',
    });
    well(outcome);
    expect(secondsOf(outcome, 'presents c0').filter((at) => at < 1_975)).toHaveLength(1);
  });

  it('F105 answers what this version cannot read: kept, nothing more sent, read later', async () => {
    const outcome = await playAll({
      events: [...FORCED, ...calls(20, 2_400, 60)],
      faults: 'p0.0/send#1=wrapped:5',
    });
    well(outcome);
    expect(times(outcome, 'cas.quarantine')).toBe(1);
    expect(times(outcome, 'presents c0/f1.1')).toBe(1);
  });

  it('F117 refuses one grant in words that nobody knows: the other connection goes on', async () => {
    const outcome = await playAll({
      switches: { connections: 2, refusal: 'unnamed' },
      events: [
        SIGNED_IN,
        '0.2 sign-in p1 c1',
        '5 revoke p0',
        '10 force p0',
        ...calls(20, 4_000, 100),
        '30 force p1 c1',
        ...calls(40, 4_000, 90, 2, 'c1'),
      ],
    });
    expect(outcome.violations).toEqual([]);
    expect(times(outcome, 'call for c1 fails')).toBe(0);
    expect(times(outcome, 'cas.pair c1')).toBeGreaterThan(2);
  });
});

describe('a process that stands still', () => {
  it('F115 past the response deadline, with the answer in its buffer: the answer counts', async () => {
    const outcome = await playAll({
      events: [SIGNED_IN, '10 force p0', '400 call p0'],
      faults: 'p0.0/send#1=stop:150000',
    });
    well(outcome);
    expect(times(outcome, 'told ok')).toBe(2);
    expect(times(outcome, 'presents c0')).toBe(1);
  });

  it('F40 F27 for longer than its lease: the probe and the late success both stand, one as a sibling', async () => {
    const outcome = await playAll({
      switches: FAR_GRACE,
      events: [
        SIGNED_IN,
        '1795 call p0',
        ...calls(1_800, 2_500, 9, 1).map((line) => line.replace('p0', 'p1')),
      ],
      faults: 'p0.0/send#1=stop:400000',
    });
    well(outcome);
    expect(times(outcome, 'cas.probe')).toBe(1);
    expect(times(outcome, 'cas.sibling')).toBe(1);
  });

  it('F33 between its intent and the first byte: a lease that is short sends nothing', async () => {
    for (const [ms, tooShort] of [
      [29_000, 0],
      [31_000, 1],
      [100_000, 1],
      // The other one has renewed meanwhile: this one is behind.
      [600_000, 0],
    ]) {
      const outcome = await playAll({
        events: [SIGNED_IN, '1795 call p0', ...calls(1_800, 2_700, 9)],
        faults: `p0.0/cas.intent#1=stop:${ms}`,
      });
      well(outcome);
      expect(times(outcome, 'lease too short')).toBe(tooShort);
      expect(times(outcome, 'presents c0/f1.1')).toBe(1);
    }
  });

  it('F32 asleep with its machine before or after it writes its intent: no lapsed lease is used, nothing expired served', async () => {
    for (const wait of ['connect#2', 'gate.read#1', 'cas.intent#1']) {
      const outcome = await playAll({
        switches: { clocks: 'suspend' },
        events: [SIGNED_IN, '1000 force p0', '1001 call p0', ...calls(1_010, 2_400, 15)],
        faults: `p0.0/${wait}=suspend:900000`,
      });
      well(outcome);
    }
  });

  it('F30 F31 with a wall clock that was set: nothing expired is served, and nobody else is misled', async () => {
    for (const jump of ['jump-back:86400000', 'jump-ahead:86400000']) {
      const outcome = await playAll({
        switches: { processes: 4 },
        events: [SIGNED_IN, ...calls(2, 4_000, 25, 4)],
        faults: `p1.0/read#2=${jump}`,
      });
      well(outcome);
      expect(times(outcome, 'presents c0')).toBeLessThan(6);
    }
  });
});

describe('a key', () => {
  it('F73 that one process does not have: it writes nothing over what it cannot open, and the others go on', async () => {
    const outcome = await playAll({
      switches: { processes: 3 },
      events: [SIGNED_IN, '5 call p1', '6 force p0', ...calls(40, 2_400, 20, 3)],
      faults: `p1.0/read#1=key-missing:2300000`,
    });
    well(outcome);
    expect(times(outcome, 'record_unreadable')).toBeGreaterThan(0);
  });
});

describe('two sign-ins that cross, where the provider keeps the newest grant', () => {
  const CROSSED = ['0.1 sign-in p1', '0.6 sign-in p0'];

  it('F60c I5 a journal keeps the answer of the one whose process died before the other one was refused', async () => {
    const outcome = await playAll({
      switches: { grants: 'newest', journal: 'shared' },
      events: [...CROSSED, '10 force p0', '70 force p1', ...calls(100, 4_000, 60)],
      faults: 'p1.0/exchange#1=late:60000,p0.0/journal.append#1=crash-after:5000',
    });
    well(outcome);
    // Taken as the next pair of the one beside it, before that has its turn.
    expect(times(outcome, 'cas.sibling')).toBe(1);
    expect(times(outcome, 'presents c0/f2.1')).toBe(1);
    expect(times(outcome, 'presents c0/f2.2')).toBe(1);
  });

  it.each([
    ['in its place', '65 force p1'],
    ['beside it', '65 call p1'],
  ])('F45 I5 the answer that comes to a store which has lost the row is kept %s', async (_, second) => {
    const outcome = await playAll({
      switches: { grants: 'newest' },
      events: [...CROSSED, '10 force p0', second, '90 force p1', '100 force p1', ...calls(110, 4_000, 60)],
      faults:
        'p1.0/exchange#1=late:50000,p0.0/send#1=late:60000,p0.0/cas.pair#1=partition-store:8000,p0.0/read.persist#3=row-lost:0',
    });
    well(outcome);
  });

  it('F18 I5 the live one is found also where no refusal has a name', async () => {
    const outcome = await playAll({
      switches: { grants: 'newest', refusal: 'unnamed' },
      events: [...CROSSED, '70 force p1', ...calls(100, 4_000, 60)],
      faults: 'p1.0/exchange#1=late:60000',
    });
    well(outcome);
    expect(times(outcome, 'presents c0/f1.1')).toBe(1);
    expect(times(outcome, 'presents c0/f2.1')).toBe(1);
  });
});
