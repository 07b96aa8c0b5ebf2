import type { Clock } from './clock.ts';
import { StoreUnavailableError } from './errors.ts';
import type { FlightResult } from './flight.ts';
import type { OngoingFlight } from './held-grant.ts';

/** How long one caller waits, and what ends its wait. */
export interface Patience {
  readonly waitMs: number;
  /** On the monotonic clock. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/** The result of a read, or StoreUnavailableError when it does not come in time. */
export async function inTime(clock: Clock, read: Promise<void>, { waitMs, signal }: Patience): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<'late'>();
  const cancel = clock.setTimer(() => resolve('late'), waitMs, { keepAlive: true });
  const onAbort = (): void => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    if ((await Promise.race([read, promise])) !== 'late') return;
  } finally {
    cancel();
    signal?.removeEventListener('abort', onAbort);
  }
  throw new StoreUnavailableError('The store did not answer in time. Nothing was sent to the provider.', {
    retryAfterMs: 1_000,
  });
}

/**
 * Waits for a flight on behalf of one caller. `null`: the caller's time is up, the flight goes on; but with `toItsEnd` the
 * last caller that leaves stops it, and waits for what cannot be stopped any more.
 */
export async function waitForFlight(
  clock: Clock,
  flight: OngoingFlight,
  patience: Patience,
  toItsEnd: boolean,
): Promise<FlightResult | 'held' | null> {
  flight.waiters += 1;
  let answer: FlightResult | 'held' | null = null;
  try {
    answer = await wait(clock, flight, patience);
  } finally {
    flight.waiters -= 1;
    if (answer === null && toItsEnd && flight.waiters === 0) {
      flight.stop();
      await flight.landed;
      const end = await flight.told.catch(() => null);
      answer = end !== null && end !== 'held' && end.kind === 'closing' ? null : end;
    }
  }
  return answer;
}

async function wait(
  clock: Clock,
  flight: OngoingFlight,
  { waitMs, deadline, signal }: Patience,
): Promise<FlightResult | 'held' | null> {
  const { promise, resolve, reject } = Promise.withResolvers<null>();
  let cancel = (): void => undefined;
  let until = Number.POSITIVE_INFINITY;
  const waitUntil = (mono: number): void => {
    if (mono >= until) return;
    until = mono;
    cancel();
    const ms = mono - clock.monotonic();
    if (ms <= 0) resolve(null);
    else cancel = clock.setTimer(() => resolve(null), ms, { keepAlive: true });
  };
  // Somebody's intent that is older than `waitMs` is not waited for at all.
  const onBlocked = (): void => {
    if (flight.blocked) waitUntil(flight.blocked.atMono + waitMs - flight.blocked.ageMs);
  };
  waitUntil(Math.min(deadline, flight.startedMono + waitMs));
  const onAbort = (): void => reject(signal?.reason);
  flight.onBlocked.add(onBlocked);
  signal?.addEventListener('abort', onAbort, { once: true });
  onBlocked();
  try {
    return await Promise.race([flight.told, promise]);
  } finally {
    cancel();
    flight.onBlocked.delete(onBlocked);
    signal?.removeEventListener('abort', onAbort);
  }
}
