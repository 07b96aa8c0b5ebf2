/**
 * The one place of core where time, timers and randomness enter. Everything else takes them as values or through
 * these interfaces, so that every run can be replayed on a clock that a test moves by hand.
 */

/** A source of time. Instants are epoch milliseconds, durations milliseconds. */
export interface Clock {
  /** This machine's wall clock, epoch milliseconds. May jump in either direction. */
  now(): number;
  /** Milliseconds from an arbitrary origin of this process. Never goes back; may stop while a machine sleeps. */
  monotonic(): number;
  /**
   * Calls `fn` once, `delayMs` from now (any length: long delays are chained). Returns a function that cancels it.
   * A timer does not keep the process alive unless `keepAlive` says so.
   */
  setTimer(fn: () => void, delayMs: number, options?: { keepAlive?: boolean }): () => void;
  /** Calls `fn` in a later turn of the event loop, after the I/O that is ready now has been delivered. */
  afterIo(fn: () => void): void;
  /** Only on a clock that follows another one: resolves when this clock shows what the followed one shows now. */
  sync?(): Promise<void>;
}

/** A source of randomness for jitter and identifiers. Keys and nonces never come from here but from WebCrypto. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** 128 random bits as text: an attempt, an owner, a transaction. */
  id(): string;
}

/** Node clamps a longer timer to 1 ms, so a token of 30 days would be refreshed at once (F34). */
const LONGEST_TIMER_MS = 12 * 60 * 60 * 1000;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(fn, delayMs, options) {
    const dueAt = performance.now() + delayMs;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const leftMs = dueAt - performance.now();
      handle = setTimeout(
        leftMs > LONGEST_TIMER_MS ? arm : fn,
        Math.min(Math.max(leftMs, 0), LONGEST_TIMER_MS),
      );
      if (!options?.keepAlive) handle.unref();
    };
    arm();
    return () => clearTimeout(handle);
  },
  afterIo(fn) {
    setImmediate(fn);
  },
};

export const systemRandom: Random = {
  float: () => Math.random(),
  id: () => Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url'),
};

/** Resolves after `delayMs` on `clock`; rejects with the signal's reason when it aborts first. */
export function sleep(
  clock: Clock,
  delayMs: number,
  options: { keepAlive?: boolean; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { signal, keepAlive = true } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.setTimer(
      () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      },
      delayMs,
      { keepAlive },
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
