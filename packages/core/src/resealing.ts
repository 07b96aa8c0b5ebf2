import type { Clock } from './clock.ts';
import { isHighQError, RecordUnreadableError, StoreUnavailableError } from './errors.ts';
import type { FlightResult } from './flight.ts';
import type { GrantRepository } from './grant-repository.ts';
import type { HeldGrant, OngoingFlight } from './held-grant.ts';
import type { Journals } from './journals.ts';
import { inTime } from './patience.ts';
import type { Refresher } from './refresher.ts';
import type { Timings } from './timings.ts';

interface Dependencies {
  readonly repository: GrantRepository;
  readonly refresher: Refresher;
  readonly journals: Journals;
  readonly clock: Clock;
  readonly timings: Timings;
}

/**
 * Seals with the first key what is there of one connection with an older one, in the store and in the journals. `false`:
 * there was nothing. @throws StoreUnavailableError, RecordUnreadableError
 */
export async function reseal(grant: HeldGrant, dependencies: Dependencies): Promise<boolean> {
  const { repository, journals } = dependencies;
  const wasNew = await repository.sealedAnew(grant.slot);
  // What only a journal has goes into the store first: without its key nobody could do that any more.
  if (journals.present) await look(grant, dependencies);
  await resealRow(grant, repository);
  return (await resealEntries(grant, dependencies)) || !wasNew;
}

async function look(grant: HeldGrant, dependencies: Dependencies): Promise<void> {
  const { refresher } = dependencies;
  while (grant.flight) await landed(grant.id, grant.flight, dependencies);
  const flight = refresher.fly(grant, 'look');
  const result: FlightResult | 'held' = await flight.told;
  if (result === 'held' || result.kind === 'settled') return;
  if (result.kind === 'unreadable') throw result.error;
  if (result.kind === 'store_down' && isHighQError(result.error)) throw result.error;
  throw new StoreUnavailableError(
    'Journals were not looked into, so nothing of this connection was sealed anew.',
    {
      connectionId: grant.id,
    },
  );
}

/** A refresh that is under way comes first; one whose pair no store takes is not waited for without end. */
async function landed(id: string, flight: OngoingFlight, { clock, timings }: Dependencies): Promise<void> {
  const patience = {
    waitMs: timings.responseMs + timings.persistBudgetMs,
    deadline: 0,
    signal: undefined,
  };
  await inTime(clock, flight.landed, patience).catch(() => {
    throw new StoreUnavailableError(
      'A refresh of this connection has been under way for long, or its pair waits for the store, so nothing of it was sealed anew. Seal anew once more when `health()` shows nothing unpersisted.',
      { connectionId: id },
    );
  });
}

async function resealRow(grant: HeldGrant, repository: GrantRepository): Promise<void> {
  for (;;) {
    if (await repository.sealedAnew(grant.slot)) return;
    const { snapshot } = await repository.read(grant.slot);
    if (!snapshot) return;
    const record = await repository.opened(grant.slot, snapshot);
    const written = await repository.write(grant.slot, snapshot.rev, record);
    if (!written.ok) continue;
    grant.take(written);
    if (await repository.sealedAnew(grant.slot)) return;
    throw new RecordUnreadableError(
      'Part of the record is sealed with a key that is not here, and stays so: seal anew where all keys are.',
      { connectionId: grant.id, reason: 'unknown_key' },
    );
  }
}

/** A journal keeps the newest that it has, for a store that falls back: that must open then, too. */
async function resealEntries(grant: HeldGrant, { repository, journals }: Dependencies): Promise<boolean> {
  if (!journals.present) return false;
  const { snapshot } = await repository.read(grant.slot);
  if (!snapshot) return false;
  return journals.reseal(grant.slot, await repository.opened(grant.slot, snapshot));
}
