/** Where undici before its version 8, and Node up to 24 with it, keep the dispatcher that all of a program goes by. */
const OLDER = Symbol.for('undici.globalDispatcher.1');

const before: unknown = Reflect.get(globalThis, OLDER);

/** undici 8 puts one of its own in that place when it is loaded: a proxy that the program has set would be gone (measured). */
export function giveBack(): void {
  if (before !== undefined) Reflect.set(globalThis, OLDER, before);
}

/** What stands there now. */
export function olderDispatcher(): unknown {
  return Reflect.get(globalThis, OLDER);
}
