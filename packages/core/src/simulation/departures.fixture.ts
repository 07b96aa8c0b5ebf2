import type { Family, Provider } from './provider.fixture.ts';
import type { RowView } from './row-view.fixture.ts';
import type { SimProcess } from './sim-process.fixture.ts';

interface World {
  readonly now: () => number;
  readonly storeNow: () => number;
}

/** Who has left, and who can know of it (T8). */
export class Departures {
  readonly #provider: Provider;
  readonly #world: World;
  /** The last tombstone of each that the store has not forgotten. */
  readonly #last = new Map<string, { readonly at: number; readonly epoch: number }>();
  /** Grants that their person has left, whatever the store remembers of it. */
  readonly #left = new Set<number>();
  readonly #stands = new Set<number>();
  readonly #ever = new Set<string>();
  /** What a process has read in journals, store's clock, and the store has not fallen back since. */
  readonly #told = new Map<string, Map<SimProcess, number>>();

  constructor(provider: Provider, world: World) {
    this.#provider = provider;
    this.#world = world;
  }

  last(id: string): { readonly at: number; readonly epoch: number } | null {
    return this.#last.get(id) ?? null;
  }

  ever(id: string): boolean {
    return this.#ever.has(id);
  }

  hasLeft({ id }: Family): boolean {
    return this.#left.has(id);
  }

  written(id: string, before: RowView | null, next: RowView): void {
    if (next.disconnectedAt === null || before?.disconnectedAt === next.disconnectedAt) return;
    this.#last.set(id, { at: this.#world.now(), epoch: next.epoch });
    this.#ever.add(id);
    // A repair may tell of it late.
    for (const family of this.#provider.families)
      if (family.user === id && this.#signedInAt(family) <= next.disconnectedAt) this.#left.add(family.id);
  }

  /**
   * Its person has left, and whoever reads this row can tell. Written over a row that has forgotten it, the grant stands, whatever
   * comes to light later.
   */
  isKnown(id: string, family: Family, row: RowView | null): boolean {
    if (!this.#left.has(family.id) || this.#stands.has(family.id)) return false;
    const isKnown = this.#last.has(id) || (row?.leftAt ?? 0) >= this.#signedInAt(family);
    if (!isKnown) this.#stands.add(family.id);
    return isKnown;
  }

  /** The new pair lets journals forget what this process has read there, and the row does not say. */
  isConcealed(process: SimProcess, id: string, { leftAt, disconnectedAt }: RowView): boolean {
    const told = this.#told.get(id)?.get(process) ?? 0;
    return disconnectedAt === null && told > (leftAt ?? 0) && told <= this.#world.storeNow();
  }

  told(process: SimProcess, id: string, found: readonly RowView[]): void {
    const all = this.#told.get(id) ?? new Map<SimProcess, number>();
    this.#told.set(id, all);
    all.set(process, Math.max(all.get(process) ?? 0, ...found.map(({ leftAt }) => leftAt ?? 0)));
  }

  forgot(id: string, after: RowView | null): void {
    const last = this.#last.get(id);
    if (last && (after?.epoch ?? 0) < last.epoch) this.#last.delete(id);
    this.#told.delete(id);
  }

  /** By the store's clock. */
  #signedInAt({ refreshTokens }: Family): number {
    return (refreshTokens[0]?.issuedAt ?? 0) + (this.#world.storeNow() - this.#world.now());
  }
}
