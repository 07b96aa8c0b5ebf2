import { memoryStore } from '@hq-oauth/core';
import { ManualClock } from '@hq-oauth/core/testing';
import { describe, expect, it } from 'vitest';
import { login, value } from './store-bench.ts';
import { storeSuite } from './store-suite.ts';

const clock = new ManualClock();

storeSuite({ name: 'memory', clock, create: async () => memoryStore({ clock }) });

describe('memoryStore', () => {
  it('goes by the clock of the manager that binds it, unless it was given one', async () => {
    const own = new ManualClock({ now: 1000 });
    const managers = new ManualClock({ now: 2000 });
    const [bound, given] = [memoryStore(), memoryStore({ clock: own })];
    for (const store of [bound, given]) store.bindClock?.(managers);
    expect([await bound.now(), await given.now()]).toEqual([2000, 1000]);
    await managers.advance(5);
    expect((await bound.read(login('u'))).now).toBe(2005);
  });

  it('goes by the system clock until it is bound', async () => {
    const before = Date.now();
    const now = await memoryStore().now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });

  it('F45 F72 counts on by chance from a row that is ahead of its clock', async () => {
    const store = memoryStore();
    store.bindClock?.(new ManualClock({ now: 2_000_000_000_000 }));
    const first = await store.cas(login('u'), null, value());
    store.bindClock?.(new ManualClock({ now: 1_700_000_000_000 }));
    const steps = new Set<number>();
    for (let rev = first.ok ? first.rev : 0, count = 0; count < 20; count += 1) {
      const next = await store.cas(login('u'), rev, value());
      if (!next.ok) throw new Error('nobody else writes');
      steps.add(next.rev - rev);
      rev = next.rev;
    }
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(steps.size).toBeGreaterThan(5);
  });

  it('gives frozen answers', async () => {
    const store = memoryStore();
    await store.cas(login('u'), null, value());
    const read = await store.read(login('u'));
    expect([Object.isFrozen(read), Object.isFrozen(read.row)]).toEqual([true, true]);
  });

  it('frees logins that were given up', async () => {
    const own = new ManualClock();
    const store = memoryStore({ clock: own });
    const expiresAt = own.now() + 1000;
    const insert = (id: string): Promise<unknown> => store.cas(login(id), null, value({ expiresAt }));
    for (let index = 0; index < 500; index += 1) await insert(`abandoned ${index}`);
    await own.advance(1000);
    for (let index = 0; index < 500; index += 1) await insert(`later ${index}`);
    // A clock set back shows what is still held.
    own.jumpWall(-1000);
    const held = await store.list({ ...login(''), limit: 1000 });
    expect(held.filter(({ id }) => id.startsWith('abandoned'))).toEqual([]);
  });
});
