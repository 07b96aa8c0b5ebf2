import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import type { HeldGrant } from './held-grant.ts';
import type { Journals } from './journals.ts';
import type { ResolvedOptions } from './options.ts';
import type { GrantRecord } from './record.ts';

interface Dependencies {
  readonly clock: Clock;
  readonly journals: Journals;
  readonly options: Pick<ResolvedOptions, 'logger' | 'rescueDir' | 'timings'>;
}

/** A shutdown has little time, and a process few file descriptors. */
const AT_A_TIME = 16;

/**
 * What the store has not taken by the end of a shutdown goes where the next start finds it. All of them together wait no
 * longer than `persistBudgetMs` for a place that has stopped to answer.
 */
export class LastRescue {
  readonly #d: Dependencies;
  readonly #saved = new WeakSet<GrantRecord>();
  #answeredMono = Number.NEGATIVE_INFINITY;

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
  }

  async save(grants: readonly HeldGrant[]): Promise<void> {
    this.#answeredMono = this.#d.clock.monotonic();
    const rest = grants.values();
    const lane = async (): Promise<void> => {
      for (const grant of rest) await this.#saveOne(grant);
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, lane));
  }

  /** What an answer brought after that: the store is asked once, and has not taken it. */
  async saveLate(grant: HeldGrant, record: GrantRecord): Promise<void> {
    this.#answeredMono = this.#d.clock.monotonic();
    await this.#saveRecord(grant, record);
  }

  async #saveOne(grant: HeldGrant): Promise<void> {
    const { inHand } = grant;
    for (const record of [...(inHand ? [inHand] : []), ...grant.signInsInHand.values()])
      await this.#saveRecord(grant, record);
  }

  async #saveRecord(grant: HeldGrant, record: GrantRecord): Promise<void> {
    const { options } = this.#d;
    if (this.#saved.has(record)) return;
    this.#saved.add(record);
    options.logger.error(
      (await this.#write(grant, record))
        ? 'hq-oauth: a token pair that the store did not take was written down, sealed; the next start reads it'
        : 'hq-oauth: a token pair that the store did not take is lost with this process. Set HIGHQ_RESCUE_DIR to a folder that can be written and is read at start',
      { connectionId: grant.id, directory: options.rescueDir },
    );
  }

  async #write(grant: HeldGrant, record: GrantRecord): Promise<boolean> {
    const { clock, journals } = this.#d;
    const rescued = journals
      .rescue(grant.slot, record)
      .catch(() => false)
      .finally(() => {
        this.#answeredMono = clock.monotonic();
      });
    const over = new AbortController();
    const silent = this.#silence(over.signal).then(
      () => false,
      () => false,
    );
    return Promise.race([rescued, silent]).finally(() => over.abort());
  }

  /** Resolves when the place has answered nobody for too long: what it takes one after the other is waited for. */
  async #silence(signal: AbortSignal): Promise<void> {
    const { clock, options } = this.#d;
    const leftMs = (): number => this.#answeredMono + options.timings.persistBudgetMs - clock.monotonic();
    do await sleep(clock, Math.max(0, leftMs()), { signal });
    while (leftMs() > 0);
  }
}
