import { isHighQError } from './errors.ts';
import type { JournalledPair } from './flight.ts';
import type { GrantRepository, GrantSlot } from './grant-repository.ts';
import type { Journal } from './journal.ts';
import { compareGrants, type GrantRecord } from './record.ts';

interface Place {
  readonly epoch: number;
  readonly generation: number;
}

/** All journals of a manager as one. */
export class Journals {
  readonly #journals: readonly Journal[];
  readonly #repository: GrantRepository;
  readonly #registration: string;

  constructor(journals: readonly Journal[], repository: GrantRepository, registration: string) {
    this.#journals = journals;
    this.#repository = repository;
    this.#registration = registration;
  }

  get present(): boolean {
    return this.#journals.length > 0;
  }

  /**
   * The newest pair above `above` that any journal holds. An entry that cannot be opened here is left for a process
   * that can. Rejects when a journal cannot be read: then nobody knows what is in it.
   */
  async newest(slot: GrantSlot, above: Place): Promise<JournalledPair | null> {
    const lists = await Promise.all(
      this.#journals.map((journal) => journal.read(this.#registration, slot.id)),
    );
    let newest: JournalledPair | null = null;
    for (const entry of lists.flat()) {
      if (compareGrants(entry, newest?.record ?? above) <= 0) continue;
      try {
        const { record, pair } = await this.#repository.openBody(slot, entry.body);
        if (pair && compareGrants(record, entry) === 0) newest = { record, pair, at: entry.at };
      } catch (error) {
        if (!isHighQError(error)) throw error;
      }
    }
    return newest;
  }

  /** Writes the record to every journal; resolves when one of them has it. Rejects when none has. */
  async append(slot: GrantSlot, record: GrantRecord): Promise<void> {
    const { epoch, generation } = record;
    const body = await this.#repository.sealedBody(slot, record);
    const at = this.#repository.time().store;
    const entry = { registration: this.#registration, connectionId: slot.id, epoch, generation, at, body };
    await Promise.any(this.#journals.map((journal) => journal.append(entry)));
  }

  /** Best effort: an entry that stays is dropped by the next replay. */
  async forget(slot: GrantSlot, below: Place): Promise<void> {
    await Promise.allSettled(
      this.#journals.map((journal) => journal.forget(this.#registration, slot.id, below)),
    );
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#journals.map((journal) => journal.close()));
  }
}
