import { describe, expect, it } from 'vitest';
import type { Snapshot } from './flight.ts';
import { HeldGrant } from './held-grant.ts';
import { LIFE, snapshot, T0 } from './machine.fixture.ts';
import { ManualClock } from './testing/manual-clock.ts';

function held() {
  const clock = new ManualClock();
  clock.setWall(T0);
  const grant = new HeldGrant('ann', 0, clock);
  const take = (found: Snapshot | null): boolean =>
    grant.take({
      snapshot: found,
      time: { store: clock.now(), mono: clock.monotonic() },
      asOfMono: clock.monotonic(),
    });
  return { clock, grant, take };
}

const issued = (issuedAt: number, fingerprint: string, change: Parameters<typeof snapshot>[0] = {}) =>
  snapshot({ access: { issuedAt, lifeMs: LIFE, fingerprint }, ...change });

describe('what is in memory', () => {
  it('F32 F108 is as old as the clock that shows more says: one stands still while a machine sleeps', () => {
    const { clock, grant, take } = held();
    take(issued(T0, 'a3'));
    clock.suspend(40_000);
    expect(grant.readAgeMs).toBe(40_000);
    clock.stall(1);
    take(issued(T0, 'a3'));
    clock.stall(30_000);
    clock.jumpWall(-30_000);
    expect(grant.readAgeMs).toBe(30_000);
  });

  it('I9 serves on the token that is valid longer, where a store that fell back shows another of the same generation', () => {
    const { grant, take } = held();
    take(issued(T0, 'a3'));
    const other = issued(T0 - 60_000, 'b3');
    take({ ...other, pair: { access: 'access-b', refresh: 'refresh-b' } });
    expect(grant.usable()).toBe('access-3');
    take({ ...issued(T0 + 1, 'b3'), pair: { access: 'access-b', refresh: 'refresh-b' } });
    expect(grant.usable()).toBe('access-b');
  });

  it('F30 is dated ahead where its store’s clock was set back, and stays so until another token comes', () => {
    const { clock, grant, take } = held();
    take(issued(T0 + 6_000, 'a3'));
    expect(grant.suspect).toBe(true);
    clock.stall(10_000);
    take(issued(T0 + 6_000, 'a3'));
    expect(grant.suspect).toBe(true);
    take(issued(T0 + 6_000, 'a4', { generation: 4 }));
    expect(grant.suspect).toBe(false);
  });

  it('I2 never goes back', () => {
    const { grant, take } = held();
    take(issued(T0, 'a3'));
    expect(take(issued(T0, 'a2', { generation: 2 }))).toBe(false);
    expect(take(null)).toBe(false);
    expect(grant.snapshot?.record.generation).toBe(3);
  });

  it.each(['reading', 'signing in'])('F114 is not let go of while it is %s', (what) => {
    const { grant } = held();
    expect(grant.pinned).toBe(false);
    if (what === 'reading') grant.reading = Promise.resolve();
    else grant.signingIn = 1;
    expect(grant.pinned).toBe(true);
  });
});
