import type {
  CasResult,
  ListedRow,
  ReadResult,
  StoreKey,
  StoreRow,
  StoreValue,
  TokenStore,
} from '../token-store.ts';
import type { Fault, Point } from './faults.fixture.ts';
import type { Oracle } from './oracle.fixture.ts';
import type { VirtualQueue } from './queue.fixture.ts';
import { comesFrom, type RowView, viewOf } from './row-view.fixture.ts';
import { EPOCH, type SimProcess } from './sim-process.fixture.ts';

interface Change {
  readonly at: number;
  readonly id: string;
  readonly before: StoreRow | null;
}

/** One store for all processes: linearizable, with a clock of its own; it can be away and it can forget. */
export class SimStore {
  readonly rows = new Map<string, StoreRow>();
  readonly #changes: Change[] = [];
  #writes = 0;
  readonly #queue: VirtualQueue;
  readonly #aheadMs: number;
  /** In which order sealed texts first appeared, and who wrote them. */
  readonly #seals = new Map<string, { readonly serial: number; readonly writer: SimProcess }>();
  downUntil = 0;
  /** How long a driver waits for a store that is gone before it says so. */
  readonly lostAfterMs: number;

  constructor(queue: VirtualQueue, aheadMs: number, lostAfterMs: number) {
    this.#queue = queue;
    this.#aheadMs = aheadMs;
    this.lostAfterMs = lostAfterMs;
  }

  now(): number {
    return EPOCH + this.#queue.now + this.#aheadMs;
  }

  get seals(): number {
    return this.#seals.size;
  }

  cas(id: string, expectedRev: number | null, next: StoreValue): CasResult {
    const row = this.rows.get(id) ?? null;
    if ((row?.rev ?? null) !== expectedRev) return { ok: false, row, now: this.now() };
    // Never given twice, also after a fall-back: chance is a count here, so that runs repeat.
    this.#writes += 1;
    const rev = Math.max((row?.rev ?? 0) + 1, Math.floor(this.now()) * 1000) + (this.#writes % 1000);
    this.#changes.push({ at: this.#queue.now, id, before: row });
    this.rows.set(id, { ...next, rev });
    return { ok: true, rev, now: this.now() };
  }

  /** Shows the state of `ms` ago again, as a failover to a lagging replica does. */
  fallBack(ms: number): void {
    const since = this.#queue.now - ms;
    for (let change = this.#changes.at(-1); change && change.at >= since; change = this.#changes.at(-1)) {
      this.#changes.pop();
      if (change.before) this.rows.set(change.id, change.before);
      else this.rows.delete(change.id);
    }
  }

  loseRow(id: string): void {
    const before = this.rows.get(id);
    if (!before) return;
    this.#changes.push({ at: this.#queue.now, id, before });
    this.rows.delete(id);
  }

  noteSeals(view: RowView, process: SimProcess): void {
    for (const text of view.sealed) {
      if (!this.#seals.has(text)) this.#seals.set(text, { serial: this.#seals.size, writer: process });
    }
  }

  /** Sealed texts of a row that this process has no key for. */
  unopenable(view: RowView, reader: SimProcess): readonly string[] {
    const keylessAfter = reader.keylessAfter;
    if (keylessAfter === null) return [];
    return view.sealed.filter((text) => {
      const seal = this.#seals.get(text);
      return seal && seal.serial >= keylessAfter && seal.writer.index !== reader.index;
    });
  }
}

const HEADER = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid: 'newer', v: 1 })).toString(
  'base64url',
);
const SEALED_ELSEWHERE = new RegExp(`${HEADER}\\.\\.AAAA\\.([\\w-]+)\\.AAAA`, 'g');

/** What a process without the newer key sees in the place of these sealed texts, and may write back as it is. */
export function unopened(body: string, sealed: readonly string[]): string {
  return sealed.reduce(
    (text, one) => text.replaceAll(one, `${HEADER}..AAAA.${Buffer.from(one).toString('base64url')}.AAAA`),
    body,
  );
}

/** The same, as it is in the store. */
export function reopened(body: string): string {
  return body.replace(SEALED_ELSEWHERE, (_all, one: string) => Buffer.from(one, 'base64url').toString());
}

/** A write that nobody may make, whatever it was made from. */
function undoes(next: RowView, before: RowView): boolean {
  const step = next.epoch - before.epoch || next.generation - before.generation;
  return step < 0 || (step === 0 && before.refresh !== null && next.refresh !== before.refresh);
}

/** The other writes may replace a row by what a process or a journal knows. */
const MADE_FROM_WHAT_WAS_READ: ReadonlySet<Point> = new Set<Point>([
  'cas.intent',
  'cas.announce',
  'cas.probe',
  'cas.clear',
  'cas.death',
  'cas.sibling',
]);

export function rowId(key: StoreKey): string {
  return `${key.kind}:${key.id}`;
}

/** The store as one process reaches it. */
export class StoreView implements TokenStore {
  readonly name = 'simulated';
  readonly #process: SimProcess;
  readonly #store: SimStore;
  readonly #oracle: Oracle;
  readonly #queue: VirtualQueue;
  /** Which row this process saw under which `rev`. */
  readonly #seen = new Map<string, StoreRow[]>();

  readonly #blind: boolean;

  constructor(process: SimProcess, store: SimStore, oracle: Oracle, queue: VirtualQueue, blind = false) {
    this.#process = process;
    this.#store = store;
    this.#oracle = oracle;
    this.#queue = queue;
    this.#blind = blind;
  }

  #ask<T>(point: Point, carryOut: (fault: Fault | null) => T, answered?: (value: T) => void): Promise<T> {
    return this.#process.ask(point, carryOut, {
      reachable: () =>
        this.#store.downUntil <= this.#queue.now && this.#process.storeCutUntil <= this.#queue.now,
      lost: () => new Error('the store did not answer'),
      lostAfterMs: this.#store.lostAfterMs,
      ...(answered ? { answered } : {}),
    });
  }

  #noteRow(id: string, row: StoreRow): void {
    const name = `${id} ${row.rev}`;
    this.#seen.set(name, [...(this.#seen.get(name) ?? []).filter((one) => one !== row), row]);
  }

  #shown(row: StoreRow | null): StoreRow | null {
    if (!row || this.#process.keylessAfter === null) return row;
    const view = viewOf(row.body);
    return { ...row, body: unopened(row.body, this.#store.unopenable(view, this.#process)) };
  }

  read(key: StoreKey): Promise<ReadResult> {
    const id = rowId(key);
    const grant = key.kind === 'grant';
    const mode = this.#process.mode.get(key.id);
    const point = grant ? (mode ? (`read.${mode}` as const) : 'read') : 'gate.read';
    const askedAt = this.#oracle.now;
    return this.#ask(
      point,
      () => {
        const row = this.#store.rows.get(id) ?? null;
        if (row) this.#noteRow(id, row);
        return { row: grant ? this.#shown(row) : row, now: this.#store.now() };
      },
      ({ row }) => {
        if (grant) this.#oracle.readAnswered(this.#process, key.id, row, askedAt);
      },
    );
  }

  cas(key: StoreKey, expectedRev: number | null, given: StoreValue): Promise<CasResult> {
    const id = rowId(key);
    const next = { ...given, body: reopened(given.body) };
    if (key.kind !== 'grant') return this.#ask('gate.cas', () => this.#store.cas(id, expectedRev, next));
    const current = this.#store.rows.get(id) ?? null;
    const view = viewOf(next.body);
    const point = this.#oracle.writePoint(current, view);
    if (point === 'cas.announce') this.#process.mode.set(key.id, 'settle');
    else if (point === 'cas.probe' || point === 'cas.intent') this.#process.mode.delete(key.id);
    return this.#ask(
      point,
      () => {
        const before = this.#store.rows.get(id) ?? null;
        const old = before && viewOf(before.body);
        const closed = old ? this.#store.unopenable(old, this.#process) : [];
        // A new sign-in takes the place of a grant that opens and of all that is beside it, and a person may leave, or turn an account
        // down; a grant that rotates has proved itself against the pair beside it. All others take along what they cannot open.
        const ends = point === 'cas.sign-in' || point === 'cas.disconnect';
        const over = [
          view.lastEvent.startsWith('rejected') ? old?.waiting : null,
          point === 'cas.pair' ? old?.beside : null,
        ];
        const spared = (text: string): boolean =>
          text !== old?.tokens && (ends || view.sealed.includes(text) || over.includes(text));
        const unreadable = closed.some((text) => !spared(text));
        const result = this.#store.cas(id, this.#blind ? (before?.rev ?? null) : expectedRev, next);
        if (result.ok) {
          const seen = this.#seen.get(`${id} ${expectedRev}`) ?? [];
          // The row seen last under this rev is another one, or an earlier one is what the write was made from.
          const foreign = MADE_FROM_WHAT_WAS_READ.has(point) && !comesFrom(view, before);
          const stale = seen.some((row) => row !== before) && (seen.at(-1) !== before || foreign);
          const undone =
            before !== null && seen.some((row) => row !== before) && undoes(view, viewOf(before.body));
          if (before && (stale || undone)) this.#oracle.reused(this.#process, key.id, before.rev);
          const landed = this.#store.rows.get(id);
          if (landed) this.#noteRow(id, landed);
          this.#store.noteSeals(view, this.#process);
          this.#oracle.written(this.#process, key.id, point, before, next.body, unreadable);
          return result;
        }
        if (result.row) this.#noteRow(id, result.row);
        return { ...result, row: this.#shown(result.row) };
      },
      (result) => {
        if (point === 'cas.pair' && result.ok) this.#process.mode.delete(key.id);
        if (result.ok) this.#oracle.writeAnswered(this.#process, key.id, point, view);
        else this.#oracle.readAnswered(this.#process, key.id, result.row);
      },
    );
  }

  async now(): Promise<number> {
    return this.#ask('read', () => this.#store.now());
  }

  async list(): Promise<readonly ListedRow[]> {
    return [];
  }

  async close(): Promise<void> {}
}
