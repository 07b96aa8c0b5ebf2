import type { Clock } from './clock.ts';
import type { GrantNews } from './grant-news.ts';
import type { HeldGrant } from './held-grant.ts';
import { standingOf } from './journal-standing.ts';
import type { Journals } from './journals.ts';
import type { ResolvedOptions } from './options.ts';
import { inTime } from './patience.ts';
import { compareGrants, EMPTY_RECORD, type GrantRecord, type TokenPair } from './record.ts';
import { beside, swapped, uncertain, unknownOf } from './transitions.ts';

interface Dependencies {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly news: GrantNews;
  readonly journals: Journals;
}

/**
 * What a sign-in has in hand, as it is written down where the store does not take it. Nobody looks beside the grant of an
 * entry: a pair that was to stand beside `found` takes its place there, with that one beside it. Of the others that this
 * process has in hand only the highest is restored, and one beside it.
 */
export function handedOver(
  next: GrantRecord,
  found: { readonly record: GrantRecord; readonly pair: TokenPair | null } | null,
  others: Iterable<GrantRecord>,
): GrantRecord {
  const { sibling } = next;
  if (found && next.authorizationId === found.record.authorizationId) {
    if (!found.pair || !sibling?.authorizationId || sibling === found.record.sibling) return next;
    const { tokens, access, refresh, authorizationId } = sibling;
    if (typeof tokens === 'string') return next;
    const known = { ...next, unknown: uncertain(next) ? unknownOf(next) : null };
    const own = { pair: tokens, access, refresh, userEmail: null };
    const at = refresh.issuedAt;
    return { ...swapped(known, own, { pair: found.pair, attemptId: authorizationId, at }), authorizedAt: at };
  }
  let entry = next;
  for (const other of others) {
    const { tokens, epoch, authorizationId } = other;
    if (entry.sibling || typeof tokens === 'string' || entry.authorizationId === authorizationId) continue;
    // Two of one millisecond would have one place.
    const above = { ...entry, epoch: Math.max(entry.epoch, epoch + 1) };
    const both = beside(above, other, tokens);
    if (both !== above) entry = both;
  }
  return entry;
}

/**
 * An earlier write of a sign-in that is put beside `found` now was not answered: it may have stood there meanwhile, and have
 * been presented.
 */
export function doubtful(next: GrantRecord, found: GrantRecord | null, at: number): GrantRecord {
  const { sibling, authorizationId } = next;
  if (!sibling || authorizationId !== found?.authorizationId || sibling === found.sibling) return next;
  return { ...next, sibling: { ...sibling, unknown: { count: 1, since: at, lastAt: at } } };
}

/** Where the pair of a sign-in goes that the store does not take: the rescue folder, or the journals. */
export class SignInRescue {
  readonly #d: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
  }

  async keep(grant: HeldGrant, record: GrantRecord | undefined): Promise<void> {
    const { journals, news } = this.#d;
    const rescued = record ? journals.rescue(grant.slot, record) : null;
    await rescued?.catch(() => news.anomaly(grant, 'rescue_failed', 'no place took the pair of a sign-in'));
  }

  /** Said aloud: who signed in may have been told already that the store will have it. */
  async setAside(grant: HeldGrant, record: GrantRecord | undefined): Promise<void> {
    const { journals, news } = this.#d;
    const kept = record ? await journals.rescue(grant.slot, record).catch(() => false) : false;
    const where = kept ? 'it is in the rescue folder, or a journal' : 'no place took it, and it is dropped';
    const detail = `the row that another process wrote meanwhile cannot be opened here, and the sign-in's pair not written: ${where}`;
    news.anomaly(grant, 'sign_in_not_written', detail);
  }

  /** What the row says of who has left, where the store may lose it. */
  async journalRow(grant: HeldGrant): Promise<boolean> {
    const { journals, clock, news, options } = this.#d;
    const record = grant.snapshot?.record;
    if (!journals.present || !record) return false;
    const patience = { waitMs: options.timings.persistBudgetMs, deadline: 0, signal: undefined };
    try {
      await inTime(clock, journals.append(grant.slot, record), patience);
      return true;
    } catch {
      news.anomaly(grant, 'journal_failed', 'no journal took what the row says of who has left');
      return false;
    }
  }

  /** The store has it: it is forgotten, unless what crossed it was written down there, too, or may be renewed there. */
  async handOver(grant: HeldGrant, kept: Promise<void>, inHand: GrantRecord | undefined): Promise<void> {
    const record = grant.snapshot?.record;
    if (!record || record.sibling?.authorizationId) return;
    await this.forget(grant, kept, inHand);
  }

  /**
   * `inHand`: what the store has, or what it has turned down, must not come back from there. Nothing is forgotten where another
   * sign-in, or account to be confirmed, was written down there, which no store has taken.
   */
  async forget(
    { slot, snapshot }: HeldGrant,
    kept: Promise<void>,
    inHand: GrantRecord | undefined,
  ): Promise<void> {
    const { clock, journals, options } = this.#d;
    const row = snapshot?.record ?? null;
    const upTo = [inHand, row]
      .filter((record) => record != null)
      .sort(compareGrants)
      .at(-1);
    const forgotten = kept.then(async () => {
      if (!upTo) return;
      const { entry, below, pending, leftAt } = await journals.newest(slot, standingOf(row ?? EMPTY_RECORD));
      const isOther = entry !== null && entry.record.authorizationId !== upTo.authorizationId;
      const own = [row?.pending?.id, inHand?.pending?.id, inHand?.authorizationId];
      const waits = pending !== null && pending.epoch > (row?.pendingOver ?? 0) && !own.includes(pending.id);
      // The store has forgotten it: the next look writes it down.
      const tellsMore = (leftAt ?? 0) > (row?.leftAt ?? 0);
      // A journal's own copy of what stands is not below that.
      if (!isOther && !below && !waits && !tellsMore) await journals.forget(slot, row ?? upTo, upTo);
    });
    const patience = { waitMs: options.timings.persistBudgetMs, deadline: 0, signal: undefined };
    await inTime(clock, forgotten, patience).catch(() => undefined);
  }
}
