import { isHighQError, RecordUnreadableError } from './errors.ts';
import type { JournalledAnswer, JournalledPair } from './flight.ts';
import type { GrantRepository, GrantSlot } from './grant-repository.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { compareGrants, type GrantRecord } from './record.ts';

export interface Place {
  readonly epoch: number;
  readonly generation: number;
}

/** What the store has. `authorizationId`: whose sign-in stands there. */
export interface Above extends Place {
  readonly authorizationId?: string | null;
  /** How far the sign-ins have come that stand there, or beside. */
  readonly reached?: readonly {
    readonly authorizationId: string | null;
    readonly generation: number;
    readonly fingerprint: string | undefined;
  }[];
  /** The account that its person rejected last. */
  readonly rejectedId?: string | null;
}

export interface Journalled {
  readonly entry: JournalledPair | null;
  readonly answer: JournalledAnswer | null;
  readonly pending: NonNullable<GrantRecord['pending']> | null;
}

/** All journals of a manager as one. */
export class Journals {
  readonly #journals: readonly Journal[];
  readonly #rescue: Journal | null;
  readonly #repository: GrantRepository;
  readonly #registration: string;

  /** `rescue`: read like a journal, and written only by `rescue()`; it forgets also the newest that it has. */
  constructor(
    journals: readonly Journal[],
    rescue: Journal | null,
    repository: GrantRepository,
    registration: string,
  ) {
    this.#journals = journals;
    this.#rescue = rescue;
    this.#repository = repository;
    this.#registration = registration;
  }

  get present(): boolean {
    return this.#all.length > 0;
  }

  /**
   * The newest pair, or word that the person has left, above `above` that any journal holds, and the newest answer to that very generation that could not
   * be read. Rejects when a journal cannot be read: then nobody knows what is in it; and with RecordUnreadableError when
   * there is a higher pair that only a process with another key, or a later version, can open.
   */
  async newest(slot: GrantSlot, above: Above, beside: string | null = null): Promise<Journalled> {
    const lists = await Promise.all(this.#all.map((journal) => journal.read(this.#registration, slot.id)));
    let newest: JournalledPair | null = null;
    let answer: JournalledAnswer | null = null;
    let pending: Journalled['pending'] = null;
    for (const entry of lists.flat()) {
      const parsed = this.#parsed(slot, entry);
      // An account to be confirmed is beside the pair, in an entry of any position.
      const waits = parsed?.pending ?? null;
      if (waits && waits.epoch > (pending?.epoch ?? 0)) pending = waits;
      if (compareGrants(entry, above) === 0 && entry.at >= (answer?.at ?? 0)) {
        const quarantine = parsed?.quarantine;
        if (quarantine?.generation === entry.generation) answer = { quarantine, at: entry.at };
      }
      if (parsed && isPassed(parsed, above)) continue;
      const epoch = parsed && hasMoved(parsed, entry, above) ? above.epoch : entry.epoch;
      const order = compareGrants({ ...entry, epoch }, newest?.record ?? above);
      if (order < 0 || (order === 0 && (newest !== null || beside === null))) continue;
      try {
        const { record, pair } = await this.#repository.openBody(slot, entry.body);
        const sound = (pair !== null || record.disconnectedAt !== null) && compareGrants(record, entry) === 0;
        if (sound && (order > 0 || record.refresh?.fingerprint !== beside))
          newest = { record: { ...record, epoch }, pair, at: entry.at };
      } catch (error) {
        if (!(error instanceof RecordUnreadableError)) throw error;
        // There is a later pair, and only a process with that key or of that version can take it: nothing is sent without it.
        if (order > 0 && (error.reason === 'unknown_key' || error.reason === 'later_schema')) throw error;
      }
    }
    return { entry: newest, answer, pending };
  }

  #parsed(slot: GrantSlot, { body }: JournalEntry): GrantRecord | null {
    try {
      return this.#repository.parse(slot.id, { body });
    } catch (error) {
      if (!isHighQError(error)) throw error;
      return null;
    }
  }

  /** Writes the record to every journal; resolves when one of them has it. Rejects when none has. */
  append(slot: GrantSlot, record: GrantRecord): Promise<void> {
    return this.#write(this.#journals, slot, record);
  }

  /** The last resort of a shutdown. `false`: there is no place for it. */
  async rescue(slot: GrantSlot, record: GrantRecord): Promise<boolean> {
    const places = this.#rescue ? [this.#rescue] : this.#journals;
    await this.#write(places, slot, record);
    return places.length > 0;
  }

  get #all(): readonly Journal[] {
    return this.#rescue ? [...this.#journals, this.#rescue] : this.#journals;
  }

  async #write(places: readonly Journal[], slot: GrantSlot, record: GrantRecord): Promise<void> {
    if (places.length === 0) return;
    const { epoch, generation } = record;
    const body = await this.#repository.sealedBody(slot, record);
    const at = this.#repository.time().store;
    const entry = { registration: this.#registration, connectionId: slot.id, epoch, generation, at, body };
    await Promise.any(places.map((journal) => journal.append(entry)));
  }

  /** Best effort: an entry that stays is dropped by the next replay. */
  async forget(slot: GrantSlot, below: Place): Promise<void> {
    const { epoch, generation } = below;
    // A rescue file is for one hand-over: what the store has, or has passed, must not come back from there.
    const handedOver = { epoch, generation: generation + 1 };
    await Promise.allSettled([
      ...this.#journals.map((journal) => journal.forget(this.#registration, slot.id, below)),
      this.#rescue?.forget(this.#registration, slot.id, handedOver),
    ]);
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#all.map((journal) => journal.close()));
  }
}

/** Of the sign-in that stands, and written before that took the place of one that it had crossed. */
function hasMoved(record: GrantRecord, { epoch, generation }: Place, above: Above): boolean {
  if (!above.authorizationId || epoch >= above.epoch || generation < above.generation) return false;
  return record.authorizationId === above.authorizationId;
}

/**
 * Written down by a sign-in under a place of its own, while the store had taken that under another, or its person had rejected
 * it: what was made of it since must not be undone.
 */
function isPassed({ authorizationId, generation, refresh }: GrantRecord, above: Above): boolean {
  if (authorizationId === null) return false;
  if (authorizationId === above.rejectedId) return true;
  return (above.reached ?? []).some(
    (reached) =>
      reached.authorizationId === authorizationId &&
      (generation < reached.generation ||
        (generation === reached.generation && refresh?.fingerprint === reached.fingerprint)),
  );
}
