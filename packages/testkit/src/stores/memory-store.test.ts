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

  it('gives frozen answers', async () => {
    const store = memoryStore();
    await store.cas(login('u'), null, value());
    const read = await store.read(login('u'));
    expect([Object.isFrozen(read), Object.isFrozen(read.row)]).toEqual([true, true]);
  });

  it('frees logins that were given up', async () => {
    const store = memoryStore({ clock });
    const now = await store.now();
    const heap = (): number => process.memoryUsage().heapUsed;
    const body = (index: number): string => String(index).padEnd(20_000, '.');
    const before = heap();
    // 200 MB of bodies, if none were freed.
    for (let index = 0; index < 10_000; index += 1) {
      await store.cas(login(`u${index}`), null, value({ body: body(index), expiresAt: now }));
    }
    expect(heap() - before).toBeLessThan(100_000_000);
  });
});
