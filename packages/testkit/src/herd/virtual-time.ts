import { type Clock, systemClock, type TokenStore } from '@hq-oauth/core';

/**
 * A store that tells the time of the manager's clock, as an embedded one does, whatever its server says: managers
 * that follow an emulator's clock then see tokens run out when it is moved. What a server's clock is ahead or behind
 * by cannot be added: the time that an answer takes would make such a sum go back, which no store's clock does.
 */
export function onVirtualTime(store: TokenStore): TokenStore {
  if (store.bindClock) return store;
  let clock: Clock = systemClock;
  return {
    name: store.name,
    bindClock(managersClock) {
      clock = managersClock;
    },
    read: async (key) => ({ ...(await store.read(key)), now: clock.now() }),
    cas: async (key, expectedRev, next) => ({
      ...(await store.cas(key, expectedRev, next)),
      now: clock.now(),
    }),
    now: async () => {
      await store.now();
      return clock.now();
    },
    list: (query) => store.list(query),
    close: () => store.close(),
  };
}
