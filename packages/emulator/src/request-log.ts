import type { Endpoint } from './faults.ts';
import type { GrantType } from './ledger.ts';

/** The oldest are dropped beyond this, so that a load test does not fill the memory. Totals go on counting. */
const MOST_ENTRIES = 20_000;

export interface RequestEntry {
  seq: number;
  /** Epoch ms, by the emulator's clock. */
  at: number;
  method: string;
  /** With query, the values of `code` left out. */
  path: string;
  endpoint: Endpoint;
  grantType: GrantType | null;
  /** 0: the connection was reset without an answer. */
  status: number;
  user: string | null;
  /** Fingerprint of the token or code that came with it. */
  fingerprint: string | null;
  /** Kinds of the faults that struck. */
  faults: readonly string[];
}

export interface RequestFilter {
  readonly endpoint?: Endpoint;
  readonly status?: number;
  readonly method?: string;
}

/** What was asked of the provider's surface; the control surface is left out. */
export class RequestLog {
  #entries: RequestEntry[] = [];
  #seq = 0;
  #totals = new Map<string, { endpoint: Endpoint; status: number; method: string; times: number }>();
  readonly #onEntry: (entry: RequestEntry) => void;

  constructor(onEntry: (entry: RequestEntry) => void) {
    this.#onEntry = onEntry;
  }

  /** The newest 20,000. */
  get entries(): readonly Readonly<RequestEntry>[] {
    return this.#entries.slice(-MOST_ENTRIES);
  }

  add(entry: Omit<RequestEntry, 'seq'>): void {
    this.#seq += 1;
    const numbered = { seq: this.#seq, ...entry };
    this.#entries.push(numbered);
    if (this.#entries.length > 2 * MOST_ENTRIES) this.#entries = this.#entries.slice(-MOST_ENTRIES);
    const key = `${entry.endpoint} ${entry.method} ${entry.status}`;
    const total = this.#totals.get(key);
    if (total) total.times += 1;
    else {
      const { endpoint, status, method } = entry;
      this.#totals.set(key, { endpoint, status, method, times: 1 });
    }
    this.#onEntry(numbered);
  }

  /** Counts all requests since the start or the last reset, also those no longer in `entries`. */
  count(filter: RequestFilter = {}): number {
    let times = 0;
    for (const total of this.#totals.values()) {
      if (filter.endpoint !== undefined && filter.endpoint !== total.endpoint) continue;
      if (filter.status !== undefined && filter.status !== total.status) continue;
      if (filter.method !== undefined && filter.method !== total.method) continue;
      times += total.times;
    }
    return times;
  }

  clear(): void {
    this.#entries = [];
    this.#totals = new Map();
  }
}
