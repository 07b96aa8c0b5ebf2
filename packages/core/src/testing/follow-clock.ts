import { type Clock, systemClock } from '../clock.ts';
import { ConfigurationError } from '../errors.ts';
import { hostKind } from '../host-kind.ts';
import { redactText, safeError } from '../redact.ts';
import { singleFlightAfter } from './single-flight-after.ts';

export interface FollowedClock extends Clock {
  /**
   * Reads the followed clock once, and fires what has come due. Callers share a request only if it had not been sent
   * when they called, so that each sees what the clock showed at its call, or later.
   * @throws Error when the clock cannot be read
   */
  sync(): Promise<void>;
  /** Drops all timers and asks nothing any more. */
  close(): void;
}

/** What an emulator answers to `GET /_emulator/clock`. `rate`: its milliseconds per real millisecond, 0: it stands still. */
interface Reading {
  readonly at: number;
  readonly rate: number;
}

interface Timer {
  readonly fn: () => void;
  /** By this clock's `monotonic`. */
  readonly dueAt: number;
  readonly keepAlive: boolean;
}

/** Below this, a step back of a running clock is taken for the jitter of the readings. */
const JITTER_MS = 1000;

/**
 * A clock that shows what an emulator's clock shows, so that moving that one moves a program. `url` is that of
 * `GET /_emulator/clock`, on loopback. Between readings it runs on at the emulator's rate; before the first, it shows
 * the system's time. While a timer is pending it is read every `pollMs` (default 50) real milliseconds; a reading that
 * takes more than `timeoutMs` (default 5000) fails. When the followed clock is set back, only `now()` goes back.
 * @throws ConfigurationError for a URL that is not on loopback
 */
export function followClock(
  url: string,
  options: { pollMs?: number; timeoutMs?: number } = {},
): FollowedClock {
  const { pollMs = 50, timeoutMs = 5000 } = options;
  const address = loopbackUrl(url);
  const timers = new Set<Timer>();
  const closing = new AbortController();
  let wall = systemClock.now();
  let monotonic = systemClock.monotonic();
  let anchoredAt = systemClock.monotonic();
  let rate = 1;
  let known = false;
  /** How far jitter has carried `monotonic` ahead of the followed clock. */
  let aheadMs = 0;
  let cancelPoll: (() => void) | null = null;
  let cancelDue: (() => void) | null = null;

  const elapsedMs = (): number => rate * (systemClock.monotonic() - anchoredAt);
  const nowMonotonic = (): number => monotonic + elapsedMs();

  const take = (reading: Reading): void => {
    const passedMs = elapsedMs();
    const jumpMs = known ? reading.at - (wall + passedMs) : 0;
    monotonic += passedMs;
    if (jumpMs > 0) {
      const repaidMs = Math.min(aheadMs, jumpMs);
      aheadMs -= repaidMs;
      monotonic += jumpMs - repaidMs;
    } else if (rate > 0 && jumpMs > -JITTER_MS * Math.max(1, rate)) {
      aheadMs -= jumpMs;
    }
    // A clock that stands still has no jitter, and each of its steps counts in full.
    if (reading.rate === 0) aheadMs = 0;
    anchoredAt = systemClock.monotonic();
    wall = reading.at;
    rate = reading.rate;
    known = true;
  };

  const sync = singleFlightAfter(async () => {
    if (closing.signal.aborted) throw new Error('This clock was closed');
    take(await read(address, timeoutMs, closing.signal));
    fireDue();
  });

  const fireDue = (): void => {
    const instant = nowMonotonic();
    const due = [...timers].filter((timer) => timer.dueAt <= instant).sort((a, b) => a.dueAt - b.dueAt);
    for (const timer of due) {
      // One of those before may have cancelled it.
      if (!timers.delete(timer)) continue;
      try {
        timer.fn();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    arm();
  };

  /** For a clock that runs by itself: the instant at which the next timer should be due. */
  const arm = (): void => {
    cancelDue?.();
    cancelDue = null;
    const nextAt = Math.min(...[...timers].map((timer) => timer.dueAt));
    if (nextAt === Number.POSITIVE_INFINITY) return;
    const leftMs = Math.max(0, nextAt - nowMonotonic());
    if (leftMs > 0 && rate === 0) return;
    cancelDue = systemClock.setTimer(fireDue, leftMs === 0 ? 0 : leftMs / rate, { keepAlive: keepsAlive() });
  };

  const poll = (): void => {
    cancelPoll?.();
    cancelPoll = null;
    if (timers.size === 0 || closing.signal.aborted) return;
    const again = (): void => {
      // An emulator that is away for a moment is asked again: timers must not die with one reading.
      sync().then(poll, poll);
    };
    cancelPoll = systemClock.setTimer(again, pollMs, { keepAlive: keepsAlive() });
  };

  const keepsAlive = (): boolean => [...timers].some((timer) => timer.keepAlive);

  return {
    now: () => Math.floor(wall + elapsedMs()),
    monotonic: nowMonotonic,
    setTimer(fn, delayMs, { keepAlive = false } = {}) {
      const timer: Timer = { fn, dueAt: nowMonotonic() + Math.max(0, delayMs), keepAlive };
      if (closing.signal.aborted) return () => {};
      timers.add(timer);
      arm();
      poll();
      return () => {
        if (!timers.delete(timer)) return;
        arm();
        poll();
      };
    },
    afterIo: (fn) => systemClock.afterIo(fn),
    sync,
    close() {
      timers.clear();
      closing.abort();
      cancelPoll?.();
      cancelDue?.();
    },
  };
}

function loopbackUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || hostKind(parsed) !== 'loopback') {
    const problem = 'only the clock of an emulator on loopback can be followed';
    throw new ConfigurationError([{ option: 'clock', env: 'HIGHQ_TEST_CLOCK', problem }]);
  }
  return parsed;
}

async function read(url: URL, timeoutMs: number, closing: AbortSignal): Promise<Reading> {
  const deadline = new AbortController();
  const cancel = systemClock.setTimer(() => deadline.abort(), timeoutMs, { keepAlive: true });
  const fail = (why: string, cause?: unknown): Error =>
    new Error(`The clock at ${redactText(url.href)} cannot be read: ${why}`, { cause });
  try {
    const sentAt = systemClock.monotonic();
    const response = await fetch(url, {
      redirect: 'error',
      headers: { accept: 'application/json' },
      signal: AbortSignal.any([deadline.signal, closing]),
    });
    const body: unknown = response.ok ? await response.json() : await response.body?.cancel();
    if (!response.ok) throw fail(`it answered ${response.status}`);
    const { at, rate } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
    if (!isNumber(at) || !isNumber(rate) || rate < 0)
      throw fail('it answered without usable `at` and `rate`');
    return { at: at + (rate * (systemClock.monotonic() - sentAt)) / 2, rate };
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('The clock at ')) throw error;
    if (closing.aborted) throw fail('it was closed');
    if (deadline.signal.aborted) throw fail(`no answer within ${timeoutMs} ms`);
    const cause = safeError(error);
    throw fail(cause.message, cause);
  } finally {
    cancel();
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
