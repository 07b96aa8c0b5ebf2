import type { Clock } from './clock.ts';
import type { GrantNews } from './grant-news.ts';
import type { HeldGrant } from './held-grant.ts';
import type { Journals } from './journals.ts';
import type { ResolvedOptions } from './options.ts';
import { inTime } from './patience.ts';
import type { GrantRecord } from './record.ts';

interface Dependencies {
  readonly options: ResolvedOptions;
  readonly clock: Clock;
  readonly news: GrantNews;
  readonly journals: Journals;
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

  /** `upTo`: what the store has, or what it has turned down, must not come back from there. */
  async forget({ slot }: HeldGrant, kept: Promise<void>, upTo: GrantRecord | undefined): Promise<void> {
    const { clock, journals, options } = this.#d;
    const forgotten = kept.then(() => (upTo ? journals.forget(slot, upTo) : undefined));
    const patience = { waitMs: options.timings.persistBudgetMs, deadline: 0, signal: undefined };
    await inTime(clock, forgotten, patience).catch(() => undefined);
  }
}
