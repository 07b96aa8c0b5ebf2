import type { Clock } from './clock.ts';
import type { FlightResult } from './flight.ts';
import { pauseAfter } from './flight-errors.ts';
import type { GrantNews } from './grant-news.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant, OngoingFlight } from './held-grant.ts';
import { uncertain } from './machine.ts';
import type { ResolvedOptions } from './options.ts';
import { compareGrants } from './record.ts';

interface Surroundings {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly repository: GrantRepository;
  readonly news: GrantNews;
  readonly closing: AbortSignal;
  /** Tries again, when nobody asks. */
  readonly wake: () => void;
}

/** Nobody waited for it any more, and it had sent nothing. */
export function wasGivenUp(answer: FlightResult | 'held' | null, closing: AbortSignal): boolean {
  return answer !== null && answer !== 'held' && answer.kind === 'closing' && !closing.aborted;
}

/** Journals were looked into, and hold no newer pair: nothing was to be renewed. */
export function isMereLook({ purpose }: OngoingFlight, answer: FlightResult | 'held' | null): boolean {
  return (
    purpose === 'look' &&
    answer !== null &&
    answer !== 'held' &&
    answer.kind === 'settled' &&
    !answer.refreshed
  );
}

/** What a flight came to, taken in by the grant that it was of. */
export function takeIn(
  grant: HeldGrant,
  result: FlightResult,
  purpose: 'refresh' | 'look',
  { clock, options, repository, news, closing, wake }: Surroundings,
): void {
  grant.unpersistedPair = false;
  grant.unpersistedBeside = false;
  grant.unpersistedAnswer = null;
  grant.inHand = null;
  if (result.kind === 'settled') {
    grant.failures = 0;
    grant.pause = null;
    grant.keep(result.snapshot, repository.latest());
    news.settled(grant, result.refreshed);
    return;
  }
  // Journals could not be looked into: no refresh has failed.
  if (wasGivenUp(result, closing) || purpose === 'look') return;
  grant.failures += 1;
  if (result.kind === 'store_down') grant.mayTryAgain();
  const { ms, error } = pauseAfter(grant.id, result, { timings: options.timings, failures: grant.failures });
  const isForProbe = result.kind === 'uncertain' && result.reason === 'outcome_unknown';
  const { wall, mono } = grant.clocks();
  const pause = { until: { wall: wall + ms, mono: mono + ms }, error, isForProbe };
  grant.pause = pause;
  if (result.kind === 'closing') return;
  news.failed(grant, result, ms);
  // Nobody needs to ask for an uncertain connection to recover (T10).
  const stuck = result.kind === 'uncertain' || (grant.snapshot !== null && uncertain(grant.snapshot.record));
  // Where a process is frozen between calls, a timer would fire in the middle of somebody else's.
  if (!stuck || options.background !== 'detached' || closing.aborted) return;
  const { snapshot } = grant;
  const wakeUp = async (): Promise<void> => {
    // A look into journals, which renews nothing.
    await grant.flight?.landed;
    // Somebody has signed in, or another process has brought a pair: nothing is due.
    if (grant.snapshot && snapshot && compareGrants(grant.snapshot.record, snapshot.record) > 0) return;
    // A timer counts whole milliseconds, and may be a moment early: there is no other to wake it.
    if (grant.pause === pause) grant.pause = null;
    wake();
  };
  grant.cancelWakeUp = clock.setTimer(() => void wakeUp(), ms + 1);
}
