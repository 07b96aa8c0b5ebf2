/**
 * One received pair, written down before the store has it, so that a crash or a store that is away loses nothing.
 */
export interface JournalEntry {
  /** Hash of instance URL and client id. */
  readonly registration: string;
  readonly connectionId: string;
  /** Of the record in `body`: the generation that the pair makes. */
  readonly epoch: number;
  readonly generation: number;
  /** When it was written, epoch ms by the store's clock. */
  readonly at: number;
  /** The whole grant record as JSON, tokens sealed. */
  readonly body: string;
}

/**
 * A second place for new pairs, beside the store. One that every process can read (a second store, a shared volume)
 * also saves a pair whose process is gone; a private one saves it when that process starts again.
 */
export interface Journal {
  /** For messages: `file`, `store`. */
  readonly name: string;
  /** Resolves when the entry survives a crash of process and machine. A rejection: it may or may not be there. */
  append(entry: JournalEntry): Promise<void>;
  /** The entries of one grant that can be read, in the order of `(epoch, generation)`. Damaged ones are left out. */
  read(registration: string, connectionId: string): Promise<readonly JournalEntry[]>;
  /**
   * Entries of this grant below `(epoch, generation)` are not needed any more. The newest entry is kept until the next
   * one is written, since a store may forget what it acknowledged.
   */
  forget(
    registration: string,
    connectionId: string,
    below: { readonly epoch: number; readonly generation: number },
  ): Promise<void>;
  /**
   * Ids of the connections of `registration` that have an entry. Without it, `reseal()` finds only those that the store has
   * a row of, and an old key must stay for the others.
   */
  connections?(registration: string): Promise<readonly string[]>;
  /** Waits for what is under way. For whoever made it: a manager leaves open what it was given. */
  close(): Promise<void>;
}
