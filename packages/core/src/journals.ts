import { isHighQError, RecordUnreadableError } from './errors.ts';
import type { JournalledAnswer, JournalledPair } from './flight.ts';
import type { GrantRepository, GrantSlot } from './grant-repository.ts';
import type { Journal, JournalEntry } from './journal.ts';
import {
  type Above,
  areTwo,
  hasLeftSince,
  hasMoved,
  isPassed,
  mayHaveCrossed,
  type Place,
  standingOf,
} from './journal-standing.ts';
import { compareGrants, type GrantRecord } from './record.ts';

export interface Journalled {
  readonly entry: JournalledPair | null;
  readonly answer: JournalledAnswer | null;
  readonly pending: NonNullable<GrantRecord['pending']> | null;
  /** Of a sign-in below the one that stands: it may have crossed that, and live. */
  readonly crossed: JournalledPair | null;
  /** There is such a one, also if it does not open here. */
  readonly below: boolean;
  /** When somebody left last, as far as any entry tells. */
  readonly leftAt: number | null;
}

/** An entry that only somebody else can open. */
interface Closed extends JournalEntry {
  readonly error: RecordUnreadableError;
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

  /** There is a rescue folder: journals are not written to in its place. */
  get canRescue(): boolean {
    return this.#rescue !== null;
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
    const signIns: { readonly entry: JournalEntry; readonly parsed: GrantRecord }[] = [];
    const closed: Closed[] = [];
    const found = lists.flat().map((entry) => ({ entry, parsed: this.#parsed(slot, entry) }));
    // A store that fell back has forgotten who left, and a journal may not have: as a tombstone, or in what came after it.
    const departures = found.map(({ parsed }) => parsed?.leftAt ?? null).filter((leftAt) => leftAt !== null);
    const views: readonly Above[] = [
      above,
      ...[...new Set(departures)].map((leftAt) => ({ ...above, leftAt })),
    ];
    for (const { entry, parsed } of found) {
      // An account to be confirmed is beside the pair, in an entry of any position.
      const waits = parsed?.pending ?? null;
      const isLeft = (view: Above) => parsed !== null && hasLeftSince(parsed, waits?.begunAt, view);
      if (waits && !views.some(isLeft) && waits.epoch > (pending?.epoch ?? 0)) pending = waits;
      if (compareGrants(entry, above) === 0 && entry.at >= (answer?.at ?? 0)) {
        const quarantine = parsed?.quarantine;
        if (quarantine?.generation === entry.generation) answer = { quarantine, at: entry.at };
      }
      // Of one sign-in the later generation counts, whatever place it was written down under.
      const isBehind = found.some((other) => parsed && other.parsed && isLater(other.parsed, parsed));
      if (parsed && (isBehind || views.some((view) => isPassed(parsed, view)))) continue;
      const moved = parsed !== null && hasMoved(parsed, entry, above);
      const epoch = moved ? above.epoch : entry.epoch;
      const order = compareGrants({ ...entry, epoch }, newest?.record ?? above);
      if (parsed?.authorizationId) signIns.push({ entry, parsed });
      const isAnother = areTwo(parsed?.authorizationId ?? null, above.authorizationId ?? null);
      if (order < 0 || (order === 0 && (newest !== null || beside === null || isAnother))) continue;
      try {
        const { record, pair } = await this.#repository.openBody(slot, entry.body);
        const sound = (pair !== null || record.disconnectedAt !== null) && compareGrants(record, entry) === 0;
        if (sound && (order > 0 || record.refresh?.fingerprint !== beside))
          // Made before another had its turn, it proves nothing about those that have not.
          newest = {
            record: { ...record, epoch, ...(moved ? { gaveWay: above.gaveWay ?? [] } : {}) },
            pair,
            at: entry.at,
          };
      } catch (error) {
        if (!(error instanceof RecordUnreadableError)) throw error;
        if (order > 0 && (error.reason === 'unknown_key' || error.reason === 'later_schema'))
          closed.push({ ...entry, epoch, error });
      }
    }
    // There is a later pair, and only a process with that key or of that version can take it: nothing is sent without it.
    for (const entry of closed) if (!this.#isCopied(slot, entry, newest?.record ?? null)) throw entry.error;
    const standing = newest ? standingOf(newest.record) : above;
    const crossed = signIns
      .filter(({ parsed }) => mayHaveCrossed(parsed, standing))
      .sort((a, b) => compareGrants(a.entry, b.entry))
      .at(-1);
    const opened = crossed ? await this.#opened(slot, crossed.entry) : null;
    const leftAt = departures.length > 0 ? Math.max(...departures) : null;
    return { entry: newest, answer, pending, crossed: opened, below: crossed !== undefined, leftAt };
  }

  /** `newest` is above it, or the same pair: of what was sealed anew an older text may stay. */
  #isCopied(slot: GrantSlot, entry: JournalEntry, newest: GrantRecord | null): boolean {
    const order = newest ? compareGrants(newest, entry) : -1;
    if (order !== 0) return order > 0;
    const refresh = this.#parsed(slot, entry)?.refresh ?? null;
    return refresh !== null && refresh.fingerprint === newest?.refresh?.fingerprint;
  }

  async #opened(slot: GrantSlot, { body, at }: JournalEntry): Promise<JournalledPair | null> {
    try {
      const { record, pair } = await this.#repository.openBody(slot, body);
      return pair ? { record, pair, at } : null;
    } catch (error) {
      if (!(error instanceof RecordUnreadableError)) throw error;
      return null;
    }
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
    const entry = await this.#entryOf(slot, record);
    await Promise.any(places.map((journal) => journal.append(entry)));
  }

  async #entryOf(slot: GrantSlot, record: GrantRecord): Promise<JournalEntry> {
    const { epoch, generation } = record;
    const body = await this.#repository.sealedBody(slot, record);
    const at = this.#repository.time().store;
    return { registration: this.#registration, connectionId: slot.id, epoch, generation, at, body };
  }

  /** Ids of connections that have an entry somewhere, as far as the journals can tell. Rejects when one cannot be read. */
  async connections(): Promise<ReadonlySet<string>> {
    const lists = this.#all.map((journal) => journal.connections?.(this.#registration));
    return new Set((await Promise.all(lists)).flatMap((ids) => ids ?? []));
  }

  /**
   * `record`: as the store has it, opened. `false`: what there is of it is sealed with the first key, or there is nothing.
   * @throws RecordUnreadableError a journal has a pair of an older key that the store does not have
   */
  async reseal(slot: GrantSlot, record: GrantRecord): Promise<boolean> {
    const above = standingOf(record);
    let resealed = false;
    let left = false;
    for (const journal of this.#all) {
      const entries = await journal.read(this.#registration, slot.id);
      const isNew = ({ body }: JournalEntry): boolean => this.#isSealedAnew(slot, body);
      if (entries.every(isNew)) continue;
      const standing = entries.filter((entry) => compareGrants(entry, record) >= 0);
      if (journal !== this.#rescue && !standing.some(isNew)) {
        await journal.append(await this.#entryOf(slot, record));
        resealed = true;
      }
      const others = standing.filter((entry) => {
        const parsed = this.#parsed(slot, entry);
        return !(parsed && isPassed(parsed, above)) && !this.#isCopied(slot, entry, record);
      });
      left ||= !others.every(isNew);
      const isClosed = await this.#isClosedBelow(slot, entries, above);
      left ||= isClosed;
      // They may hold the next pair of one that is beside it.
      if (record.sibling?.authorizationId || isClosed) continue;
      const highest = [record, ...entries].sort(compareGrants).at(-1) ?? record;
      const below = journal === this.#rescue && others.length === 0 ? withNewest(highest) : record;
      await journal.forget(this.#registration, slot.id, below);
    }
    if (!left) return resealed;
    throw new RecordUnreadableError(
      'A journal holds another pair of this connection, sealed with an older key. Keep that key until the connection has been refreshed.',
      { connectionId: slot.id, reason: 'unknown_key' },
    );
  }

  /** Whether one of them may have crossed the one that stands, and only a process with another key can tell. */
  async #isClosedBelow(slot: GrantSlot, entries: readonly JournalEntry[], above: Above): Promise<boolean> {
    for (const entry of entries) {
      const parsed = this.#parsed(slot, entry);
      if (!parsed || isPassed(parsed, above) || !mayHaveCrossed(parsed, above)) continue;
      const isClosed = await this.#repository.openBody(slot, entry.body).then(
        () => false,
        (error: unknown) => error instanceof RecordUnreadableError && error.reason === 'unknown_key',
      );
      if (isClosed) return true;
    }
    return false;
  }

  /** A text that nobody can read is left to itself: no key brings it back. */
  #isSealedAnew(slot: GrantSlot, body: string): boolean {
    try {
      return this.#repository.isSealedAnew(slot, body);
    } catch (error) {
      if (!(error instanceof RecordUnreadableError)) throw error;
      return error.reason !== 'later_schema';
    }
  }

  /** Best effort: an entry that stays is dropped by the next replay. `rescued`: the same in the rescue folder. */
  async forget(slot: GrantSlot, below: Place, rescued: Place = below): Promise<void> {
    await Promise.allSettled([
      ...this.#journals.map((journal) => journal.forget(this.#registration, slot.id, below)),
      this.#rescue?.forget(this.#registration, slot.id, withNewest(rescued)),
    ]);
  }

  /** Those that were handed in stay open: another manager may have them, too. */
  async close(): Promise<void> {
    await this.#rescue?.close().catch(() => undefined);
  }
}

/** A rescue file is for one hand-over: what the store has, or has passed, must not come back from there. */
function withNewest({ epoch, generation }: Place): Place {
  return { epoch, generation: generation + 1 };
}

function isLater(a: GrantRecord, b: GrantRecord): boolean {
  return a.authorizationId !== null && a.authorizationId === b.authorizationId && a.generation > b.generation;
}
