import type { Clock } from './clock.ts';
import { isHighQError, RecordUnreadableError, StoreUnavailableError } from './errors.ts';
import type { EventTime, Snapshot } from './flight.ts';
import {
  compareGrants,
  type GrantRecord,
  parseRecord,
  type RecordTokens,
  storedState,
  type TokenPair,
} from './record.ts';
import { safeError } from './redact.ts';
import type { SealBinding, Sealer } from './sealer.ts';
import { type LeaseSight, type StoreTime, sightLease } from './store-time.ts';
import type { Timings } from './timings.ts';
import type { ListedRow, ListQuery, StoreKey, StoreRow, StoreValue, TokenStore } from './token-store.ts';

/** An answer that took longer than this by either clock is too old to tell the time by. */
const SLOW_ANSWER_MS = 2_000;
/** A store that is slow is asked the time this often before its answer is taken for what it is. */
const CLOCK_TRIES = 3;
const TOO_OLD_MS = 30_000;
/** Codes of errors that say themselves what is to be done. */
const TELLING: ReadonlySet<string> = new Set(['store_unavailable', 'configuration', 'record_unreadable']);

/** What is remembered about one connection between two answers of the store. */
export class GrantSlot {
  readonly id: string;
  /** The sealed text opened last, so that reading an unchanged row costs no decryption. */
  opened: { readonly sealed: string; readonly pair: TokenPair } | null = null;
  lease: LeaseSight | null = null;
  /** Of the row that was seen last, also where it cannot be opened here. */
  epoch = 0;

  constructor(id: string) {
    this.id = id;
  }
}

export interface Found {
  readonly snapshot: Snapshot | null;
  readonly leaseLeftMs: number;
  readonly time: EventTime;
  /** On the monotonic clock: what was found is no older than this. */
  readonly asOfMono: number;
}

interface Dependencies {
  readonly store: TokenStore;
  readonly sealer: Sealer;
  readonly registration: string;
  readonly clock: Clock;
  readonly storeTime: StoreTime;
  readonly timings: Timings;
}

/** Grants in the store: sealing and opening, the store's time, leases. The only place that touches `grant` rows. */
export class GrantRepository {
  readonly #d: Dependencies;

  constructor(dependencies: Dependencies) {
    this.#d = dependencies;
  }

  time(): EventTime {
    return { store: this.#d.storeTime.estimate(), mono: this.#d.clock.monotonic() };
  }

  /** The store's time, as late as it can be. */
  latest(): number {
    return this.#d.storeTime.latest();
  }

  /** Asks for the store's time, if it can be had. */
  async syncTime(): Promise<void> {
    await this.askTime().catch(() => undefined);
  }

  /** By a row: an embedded store tells the time also when its file cannot be read. Rejects as `askTime`. */
  async askRow(): Promise<void> {
    const { store, registration } = this.#d;
    await this.askTime(
      async () => (await store.read({ registration, kind: 'registration', id: 'breaker' })).now,
    );
  }

  /** Rejects as the store does, and where nobody can tell the time by its answers. */
  async askTime(ask = () => this.#d.store.now()): Promise<void> {
    const { clock, storeTime } = this.#d;
    for (let tries = 1; ; tries += 1) {
      const asked = clockReading(clock);
      const now = await ask();
      const tookMs = sinceReading(clock, asked);
      // What lay unread while this machine slept is past: by that time a token that has ended would live on.
      if (tookMs > SLOW_ANSWER_MS && tries < CLOCK_TRIES) continue;
      if (tookMs > TOO_OLD_MS) throw new Error('Nobody can tell the time by an answer that old.');
      storeTime.note(now);
      return;
    }
  }

  /** @throws StoreUnavailableError, RecordUnreadableError */
  async read(slot: GrantSlot): Promise<Found> {
    // A clock that follows an emulator's stands still until it is asked.
    const { clock } = this.#d;
    if (clock.sync) await clock.sync().catch(() => undefined);
    const read = () => this.#ask(slot, () => this.#d.store.read(this.#key(slot)));
    const first = await read();
    // What lay unread while this process was stopped shows a time that is past, and a row that may be.
    if (!first.late) return this.#found(slot, first.row, first.asOfMono);
    const second = await read();
    const found = await this.#found(slot, second.row, second.asOfMono);
    // Unless the store has fallen back since: then the first one is what this process knows.
    const earlier = first.row && parseRecord(first.row.body, slot.id);
    const fell = earlier && (!found.snapshot || compareGrants(found.snapshot.record, earlier) < 0);
    return fell ? this.#found(slot, first.row, second.asOfMono) : found;
  }

  /**
   * The row of the first answer, however late that is: for who has a pair in hand and needs to know what to write it over.
   * What it shows may be past; then its revision is, and nothing comes of the write.
   * @throws StoreUnavailableError, RecordUnreadableError
   */
  async glance(slot: GrantSlot): Promise<Found> {
    const { clock, store, storeTime } = this.#d;
    const asked = clockReading(clock);
    try {
      const { row, now } = await store.read(this.#key(slot));
      if (sinceReading(clock, asked) <= SLOW_ANSWER_MS) {
        storeTime.note(now);
      } else {
        // A machine that slept over the answer must learn how late it is, or what has ended would be handed out.
        const again = clockReading(clock);
        const later = await store.now();
        if (sinceReading(clock, again) > TOO_OLD_MS) throw new Error('Nobody can tell the time by that.');
        storeTime.note(later);
      }
      return await this.#found(slot, row, asked.mono);
    } catch (error) {
      throw this.#unavailable(error, slot.id);
    }
  }

  /**
   * Writes `record` if the row is still at `expectedRev` (`null`: absent).
   * @throws StoreUnavailableError when the outcome is unknown
   */
  async write(
    slot: GrantSlot,
    expectedRev: number | null,
    record: GrantRecord,
  ): Promise<{ readonly ok: boolean } & Found> {
    const sealed = await this.#sealed(slot, record);
    const value = toValue(sealed);
    // What nobody could read again must not take the place of what somebody can (I12).
    parseRecord(value.body, slot.id);
    const result = await this.#ask(slot, () => this.#d.store.cas(this.#key(slot), expectedRev, value));
    if (!result.ok) return { ok: false, ...(await this.#found(slot, result.row, result.asOfMono)) };
    const pair = await this.#pair(slot, record);
    if (typeof sealed.tokens === 'string' && pair) slot.opened = { sealed: sealed.tokens, pair };
    // A sibling stays open in memory: should the record's own token be refused, it is tried at once.
    const kept: GrantRecord = { ...sealed, sibling: record.sibling };
    return { ok: true, ...this.#view(slot, { rev: result.rev, record: kept, pair }, result.asOfMono) };
  }

  /** The pair that waits in `pending`, opened. */
  async openPending(slot: GrantSlot, record: GrantRecord): Promise<TokenPair | null> {
    const { pending } = record;
    if (!pending) return null;
    if (typeof pending.tokens !== 'string') return pending.tokens;
    return this.#open(pending.tokens, this.#binding(slot, pending.epoch, 0, 'pending'));
  }

  /** The record as it would be stored, tokens sealed. */
  async sealedBody(slot: GrantSlot, record: GrantRecord): Promise<string> {
    return JSON.stringify(await this.#sealed(slot, record));
  }

  /** Opens a record from elsewhere than the store. @throws RecordUnreadableError */
  async openBody(
    slot: GrantSlot,
    body: string,
  ): Promise<{ readonly record: GrantRecord; readonly pair: TokenPair | null }> {
    const record = parseRecord(body, slot.id);
    const { tokens, epoch, generation } = record;
    if (typeof tokens !== 'string') return { record, pair: tokens };
    return { record, pair: await this.#open(tokens, this.#binding(slot, epoch, generation, 'tokens')) };
  }

  /** The kept answer that could not be read. @throws RecordUnreadableError */
  async openQuarantine(slot: GrantSlot, record: GrantRecord): Promise<string | null> {
    const { quarantine } = record;
    if (!quarantine) return null;
    if (typeof quarantine.body !== 'string') return quarantine.body.text;
    const binding = this.#binding(slot, record.epoch, quarantine.generation, 'quarantine');
    return this.#d.sealer.open(quarantine.body, binding);
  }

  /** The record with everything opened, so that the next write seals it anew. @throws RecordUnreadableError */
  async opened(slot: GrantSlot, { record, pair }: Snapshot): Promise<GrantRecord> {
    const pending = await this.openPending(slot, record);
    const text = await this.openQuarantine(slot, record);
    return {
      ...record,
      tokens: pair,
      pending: record.pending && pending && { ...record.pending, tokens: pending },
      quarantine:
        record.quarantine && text !== null ? { ...record.quarantine, body: { text } } : record.quarantine,
    };
  }

  /** Whether everything in a row is sealed with the first key, or there is no row. */
  async sealedAnew(slot: GrantSlot): Promise<boolean> {
    const { row } = await this.#ask(slot, () => this.#d.store.read(this.#key(slot)));
    return !row || this.isSealedAnew(slot, row.body);
  }

  isSealedAnew(slot: GrantSlot, body: string): boolean {
    const { tokens, pending, sibling, quarantine } = parseRecord(body, slot.id);
    const { sealer } = this.#d;
    const texts = [tokens, pending?.tokens, sibling?.tokens, quarantine?.body].filter(
      (value) => typeof value === 'string',
    );
    return texts.every((text) => sealer.keyIdOf(text) === sealer.sealingKeyId);
  }

  /** One page of this registration's grants, in the order of their ids. @throws StoreUnavailableError */
  async page(query: Pick<ListQuery, 'limit' | 'state' | 'after'>): Promise<readonly ListedRow[]> {
    const { store, registration } = this.#d;
    try {
      await this.askTime();
      return await store.list({ registration, kind: 'grant', ...query });
    } catch (error) {
      throw this.#unavailable(error);
    }
  }

  /** Reads a listed row; a damaged one throws RecordUnreadableError. */
  parse(id: string, row: Pick<StoreRow, 'body'>): GrantRecord {
    return parseRecord(row.body, id);
  }

  #key(slot: GrantSlot): StoreKey {
    return { registration: this.#d.registration, kind: 'grant', id: slot.id };
  }

  /** `late`: it may be older than it looks. @throws StoreUnavailableError also where nobody can tell the time then */
  async #ask<T extends { readonly now: number }>(
    slot: GrantSlot,
    call: () => Promise<T>,
  ): Promise<T & { readonly late: boolean; readonly asOfMono: number }> {
    const { clock, store, storeTime } = this.#d;
    const reading = () => clockReading(clock);
    const since = (earlier: ReturnType<typeof reading>): number => sinceReading(clock, earlier);
    const asked = reading();
    try {
      const answer = await call();
      const late = since(asked) > SLOW_ANSWER_MS;
      let { now } = answer;
      let took = since(asked);
      // An answer that lay unread, or a machine that slept over it, tells a time that is past. By that time a token that
      // has ended would live on.
      for (let tries = 0; took > SLOW_ANSWER_MS && tries < CLOCK_TRIES; tries += 1) {
        const again = reading();
        now = await store.now();
        took = since(again);
      }
      if (took > TOO_OLD_MS) throw new Error('Nobody can tell the time by an answer that old.');
      storeTime.note(now);
      return { ...answer, late, asOfMono: clock.monotonic() - since(asked) };
    } catch (error) {
      throw this.#unavailable(error, slot.id);
    }
  }

  #unavailable(error: unknown, connectionId?: string): unknown {
    // A store that is set up wrongly says itself what to do.
    if (isHighQError(error) && TELLING.has(error.code)) return error;
    return new StoreUnavailableError(
      `The ${this.#d.store.name} store did not answer. Nothing was sent to the provider; valid tokens in memory go on being served.`,
      { connectionId, cause: safeError(error), retryAfterMs: 1_000 },
    );
  }

  async #found(slot: GrantSlot, row: StoreRow | null, asOfMono: number): Promise<Found> {
    slot.epoch = 0;
    if (!row) return this.#view(slot, null, asOfMono);
    let record = parseRecord(row.body, slot.id);
    slot.epoch = record.epoch;
    if (typeof record.sibling?.tokens === 'string') {
      const { epoch, sibling } = record;
      const binding = this.#binding(slot, epoch, sibling.generation, 'sibling');
      // One that cannot be opened here stays as it is: it must not stand in the way of the grant itself.
      const tokens = await this.#open(String(sibling.tokens), binding).catch(() => sibling.tokens);
      record = { ...record, sibling: { ...sibling, tokens } };
    }
    return this.#view(slot, { rev: row.rev, record, pair: await this.#pair(slot, record) }, asOfMono);
  }

  #view(slot: GrantSlot, snapshot: Snapshot | null, asOfMono: number): Found {
    const time = this.time();
    const intent = snapshot?.record.intent;
    if (!intent) {
      slot.lease = null;
      return { snapshot, leaseLeftMs: 0, time, asOfMono };
    }
    const { jumps, jump } = this.#d.storeTime;
    const at = { ...time, jumps, jump };
    const { sight, leftMs } = sightLease(intent, slot.lease, at, this.#d.timings);
    slot.lease = sight;
    return { snapshot, leaseLeftMs: leftMs, time, asOfMono };
  }

  async #pair(slot: GrantSlot, record: GrantRecord): Promise<TokenPair | null> {
    const { tokens, epoch, generation } = record;
    if (tokens === null) {
      slot.opened = null;
      return null;
    }
    if (typeof tokens !== 'string') return tokens;
    if (slot.opened?.sealed === tokens) return slot.opened.pair;
    const pair = await this.#open(tokens, this.#binding(slot, epoch, generation, 'tokens'));
    slot.opened = { sealed: tokens, pair };
    return pair;
  }

  async #open(sealed: string, binding: SealBinding): Promise<TokenPair> {
    const text = await this.#d.sealer.open(sealed, binding);
    const value: unknown = JSON.parse(text);
    if (isPair(value)) return { access: value.access, refresh: value.refresh };
    throw new RecordUnreadableError('The sealed tokens do not hold a pair. The record was left as it is.', {
      reason: 'malformed',
      connectionId: binding.connectionId,
    });
  }

  #binding(slot: GrantSlot, epoch: number, generation: number, field: SealBinding['field']): SealBinding {
    return { registration: this.#d.registration, connectionId: slot.id, epoch, generation, field };
  }

  async #sealed(slot: GrantSlot, record: GrantRecord): Promise<GrantRecord> {
    const { epoch, generation } = record;
    const seal = async (tokens: RecordTokens, at: SealBinding): Promise<string> =>
      typeof tokens === 'string' ? tokens : this.#d.sealer.seal(JSON.stringify(tokens), at);
    const { tokens, pending, sibling, quarantine } = record;
    return {
      ...record,
      tokens: tokens === null ? null : await seal(tokens, this.#binding(slot, epoch, generation, 'tokens')),
      pending: pending && {
        ...pending,
        tokens: await seal(pending.tokens, this.#binding(slot, pending.epoch, 0, 'pending')),
      },
      sibling: sibling && {
        ...sibling,
        tokens: await seal(sibling.tokens, this.#binding(slot, epoch, sibling.generation, 'sibling')),
      },
      quarantine: quarantine && {
        ...quarantine,
        body:
          typeof quarantine.body === 'string'
            ? quarantine.body
            : await this.#d.sealer.seal(
                quarantine.body.text,
                this.#binding(slot, epoch, quarantine.generation, 'quarantine'),
              ),
      },
    };
  }
}

function clockReading(clock: Clock): { readonly wall: number; readonly mono: number } {
  return { wall: clock.now(), mono: clock.monotonic() };
}

/** By whichever clock shows more: one of them stands still while a machine sleeps. */
function sinceReading(clock: Clock, { wall, mono }: ReturnType<typeof clockReading>): number {
  return Math.max(clock.now() - wall, clock.monotonic() - mono);
}

function isPair(value: unknown): value is TokenPair {
  if (typeof value !== 'object' || value === null) return false;
  const { access, refresh } = value as Record<string, unknown>;
  return (access === null || typeof access === 'string') && (refresh === null || typeof refresh === 'string');
}

function toValue(record: GrantRecord): StoreValue {
  return {
    body: JSON.stringify(record),
    state: storedState(record),
    dueAt: record.nextDueAt,
    expiresAt: null,
  };
}
