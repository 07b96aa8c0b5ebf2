import { type Clock, systemClock, type TokenStore } from '@hq-oauth/core';

/**
 * A store whose clock is that of its server, moved by as much as the manager's clock is ahead of real time: managers
 * that follow an emulator's clock then see tokens run out when it is moved. A store that takes the manager's clock by
 * itself is returned as it is.
 */
export function onVirtualTime(store: TokenStore): TokenStore {
  if (store.bindClock) return store;
  let clock: Clock = systemClock;
  const shift = (now: number): number => now + clock.now() - systemClock.now();
  return {
    name: store.name,
    bindClock(managersClock) {
      clock = managersClock;
    },
    async read(key) {
      const result = await store.read(key);
      return { ...result, now: shift(result.now) };
    },
    async cas(key, expectedRev, next) {
      const result = await store.cas(key, expectedRev, next);
      return { ...result, now: shift(result.now) };
    },
    now: async () => shift(await store.now()),
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}
