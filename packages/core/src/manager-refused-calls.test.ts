import { afterEach, describe, expect, it } from 'vitest';
import type { Connection } from './contracts.ts';
import { Bench, HOUR, MINUTE } from './manager.fixture.ts';

const LIMITED = 'limited@clientname.com';
const FORBIDDEN = '6/organisations';
let bench: Bench;
afterEach(() => bench.close());

/** Signed in as a user who may not read organisations or other users. */
async function open(options: Parameters<Bench['manager']>[0] = {}): Promise<Connection> {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 5 * HOUR }] });
  const ann = bench.manager(options).connection('ann');
  await bench.signIn(ann, LIMITED);
  return ann;
}

const presented = (): number => bench.emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' });
const asked = (part: string): number =>
  bench.emulator.requests.entries.filter(({ path }) => path.includes(part)).length;
const end = () => bench.emulator.revoke({ user: LIMITED, what: 'access' });
const statusOf = async (response: Promise<Response>): Promise<number> => {
  const { status, body } = await response;
  await body?.cancel();
  return status;
};
let others = 0;
/** A call that this user may not make, another one each time. */
const denied = (ann: Connection): Promise<number> => {
  others += 1;
  return statusOf(ann.fetch(`6/users/u${others}@clientname.com?type=email`));
};

describe('a canary', () => {
  it('F64 that was answered on this grant is believed on a token of a minute, too, and stays', async () => {
    const ann = await open();
    await denied(ann);
    await ann.refresh({ force: true });
    await bench.clock.advance(MINUTE);
    end();
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
    expect([presented(), bench.named('anomaly')]).toEqual([2, []]);
    for (let times = 0; times < 6; times += 1) {
      await bench.clock.advance(20 * MINUTE);
      expect(await denied(ann)).toBe(403);
    }
    expect(presented()).toBe(2);
  });

  it('F66 that was refused with a fresh token is asked again with the next one, and told of once', async () => {
    const ann = await open();
    await bench.clock.advance(MINUTE);
    end();
    // Nothing is proved: the canary was never answered.
    expect(await statusOf(ann.fetch('6/sites'))).toBe(403);
    await bench.clock.advance(4 * MINUTE);
    expect(await statusOf(ann.fetch('6/sites'))).toBe(200);
    expect([presented(), asked('/users/limited')]).toEqual([1, 1]);
    for (let times = 0; times < 6; times += 1) {
      expect(await denied(ann)).toBe(403);
      await bench.clock.advance(20 * MINUTE);
    }
    expect([presented(), bench.named('anomaly').length]).toEqual([1, 1]);
  });

  it('F66 that was never answered proves no token dead', async () => {
    const ann = await open({ canary: FORBIDDEN });
    await bench.clock.advance(10 * MINUTE);
    expect(await denied(ann)).toBe(403);
    expect(presented()).toBe(1);
    await bench.clock.advance(10 * MINUTE);
    expect(await denied(ann)).toBe(403);
    expect([presented(), asked('/organisations')]).toEqual([1, 2]);
  });
});
