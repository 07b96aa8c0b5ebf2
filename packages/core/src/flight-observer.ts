import type { Clock } from './clock.ts';
import type { GrantNews } from './grant-news.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant, OngoingFlight } from './held-grant.ts';
import type { LastRescue } from './last-rescue.ts';
import type { ResolvedOptions } from './options.ts';
import { compareGrants, type GrantRecord } from './record.ts';
import type { FlightObserver } from './run-flight.ts';

interface Surroundings {
  readonly options: Pick<ResolvedOptions, 'background' | 'timings'>;
  readonly clock: Clock;
  readonly repository: GrantRepository;
  readonly news: GrantNews;
  /** A new pair is in hand: callers can have it. */
  readonly held: () => void;
  readonly work: (work: Promise<unknown>) => void;
  /** Writes what is in hand where the next start finds it. */
  readonly rescue: (record: GrantRecord) => Promise<unknown>;
  readonly last: LastRescue;
  /** Aborted when a shutdown's time is up. */
  readonly ended: AbortSignal;
}

/** What a flight tells on its way, taken in by the grant that it is of. */
export function observerOf(
  grant: HeldGrant,
  flight: OngoingFlight,
  { options, clock, repository, news, held, work, rescue, last, ended }: Surroundings,
): FlightObserver {
  let heldSince = null as number | null;
  let isRescued = false;
  /**
   * A process that freezes with its answer takes a pair in hand along: the answer waits for the store (F112). A platform that
   * loses patience with that ends the process, without any `close()`: what is in hand is written down before.
   */
  const heldAwaited = (): void => {
    heldSince ??= clock.monotonic();
    if (isRescued || !grant.inHand || clock.monotonic() - heldSince < options.timings.persistBudgetMs) return;
    isRescued = true;
    work(
      rescue(grant.inHand).catch(() => news.anomaly(grant, 'rescue_failed', 'no place took the new pair')),
    );
  };
  /** A shutdown that has gone through what was in hand comes by no second time. */
  const heldLate = (): void => {
    if (ended.aborted && grant.inHand) work(last.saveLate(grant, grant.inHand));
  };
  return {
    seen: (found) => void grant.take(found),
    inHand: (record) => {
      grant.inHand = record;
    },
    held: (snapshot, attempts) => {
      heldLate();
      if (options.background === 'await') heldAwaited();
      const known = grant.snapshot?.record;
      if (known && compareGrants(snapshot.record, known) < 0) {
        grant.unpersistedBeside = true;
      } else {
        grant.unpersistedPair = true;
        grant.keep(snapshot, repository.latest());
        if (options.background !== 'await') held();
      }
      news.persistFailed(grant, attempts);
    },
    heldAnswer: (record, attempts) => {
      heldLate();
      grant.unpersistedAnswer = record;
      if (options.background === 'await') heldAwaited();
      news.persistFailed(grant, attempts);
    },
    reparsing: ({ epoch, generation }) => {
      grant.reparsed = { epoch, generation };
    },
    blocked: (ageMs, leaseLeftMs) => {
      flight.blocked = { ageMs, leaseLeftMs, atMono: clock.monotonic() };
      for (const notify of flight.onBlocked) notify();
    },
    anomaly: (name, detail) => news.anomaly(grant, name, detail),
    journalFailed: () => news.anomaly(grant, 'journal_failed', 'no journal took the new pair'),
    work,
  };
}
