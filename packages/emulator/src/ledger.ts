export type TokenType = 'access' | 'refresh' | 'code';
export type GrantType = 'authorization_code' | 'refresh_token';

/**
 * What became of a token that was presented.
 * `ok`: taken. `grace`: a replaced refresh token, taken within its grace period. `expired`: past its life.
 * `reused`: a refresh token that was replaced, or a code that was used. `revoked`: its grant was revoked.
 * `ended`: ended by itself, by a later refresh or by the control surface. `unknown`: never issued here.
 * `archived`: its registration is archived. `wrong-client`: issued to another registration. `wrong-verifier`: PKCE.
 * `disabled`: its user is disabled. `unprocessed`: a fault or wrong client credentials came first.
 */
export type Verdict =
  | 'ok'
  | 'grace'
  | 'expired'
  | 'reused'
  | 'revoked'
  | 'ended'
  | 'unknown'
  | 'archived'
  | 'wrong-client'
  | 'wrong-verifier'
  | 'disabled'
  | 'unprocessed';

export interface LedgerEntry {
  seq: number;
  /** Epoch ms, by the emulator's clock. */
  at: number;
  kind: 'issued' | 'presented';
  tokenType: TokenType;
  token: string;
  fingerprint: string;
  /** `null`: the token belongs to no grant (codes that were not exchanged, unknown tokens). */
  grantId: string | null;
  user: string | null;
  clientId: string | null;
  /** 1 for the pair that a code gives, one more with each refresh; `null` for codes and unknown tokens. */
  generation: number | null;
  /** Fingerprint of the refresh token or code that an issued token was given for. */
  parent: string | null;
  verdict: Verdict;
  /** Set at the token endpoint. */
  grantType: GrantType | null;
  /**
   * Were all bytes of the answer handed to the operating system? `null`: not a matter of a request (issued through
   * the control surface). `false` with an issued token: rotated, and nobody can have read it.
   */
  answered: boolean | null;
}

export type LedgerFilter = {
  readonly [Member in Exclude<keyof LedgerEntry, 'seq' | 'at'>]?: LedgerEntry[Member] | undefined;
};

/** Every token issued and presented, in order. It is never cut. */
export class Ledger {
  #entries: LedgerEntry[] = [];
  readonly #onEntry: (entry: LedgerEntry) => void;

  constructor(onEntry: (entry: LedgerEntry) => void) {
    this.#onEntry = onEntry;
  }

  get entries(): readonly Readonly<LedgerEntry>[] {
    return this.#entries;
  }

  add(entry: Omit<LedgerEntry, 'seq'>): LedgerEntry {
    const numbered = { seq: this.#entries.length + 1, ...entry };
    this.#entries.push(numbered);
    this.#onEntry(numbered);
    return numbered;
  }

  filter(filter: LedgerFilter): Readonly<LedgerEntry>[] {
    const wanted = Object.entries(filter).filter(([, value]) => value !== undefined);
    return this.#entries.filter((entry) => {
      const members: Readonly<Record<string, unknown>> = { ...entry };
      return wanted.every(([name, value]) => members[name] === value);
    });
  }

  count(filter: LedgerFilter = {}): number {
    return this.filter(filter).length;
  }

  /** Refresh requests that gave a new pair (grace included). */
  refreshes(): number {
    return this.#entries.filter(
      (entry) =>
        entry.kind === 'presented' &&
        entry.tokenType === 'refresh' &&
        (entry.verdict === 'ok' || entry.verdict === 'grace'),
    ).length;
  }

  /**
   * Refresh tokens and codes that were presented more than once. Presentations that the provider did not process
   * are left out unless `includeUnprocessed`.
   */
  repeats(
    options: { includeUnprocessed?: boolean } = {},
  ): { fingerprint: string; tokenType: TokenType; times: number }[] {
    const seen = new Map<string, { fingerprint: string; tokenType: TokenType; times: number }>();
    for (const entry of this.#entries) {
      if (entry.kind !== 'presented' || entry.tokenType === 'access') continue;
      if (entry.verdict === 'unprocessed' && !options.includeUnprocessed) continue;
      const known = seen.get(entry.token);
      if (known) known.times += 1;
      else seen.set(entry.token, { fingerprint: entry.fingerprint, tokenType: entry.tokenType, times: 1 });
    }
    return [...seen.values()].filter(({ times }) => times > 1);
  }

  /** How many refresh tokens and codes were presented more than once; see {@link repeats}. */
  presentedTwice(options: { includeUnprocessed?: boolean } = {}): number {
    return this.repeats(options).length;
  }

  /**
   * Refresh tokens that were issued and whose answer did not leave, or has not left yet: what no client can have
   * read. One that was given out again (grace) or presented since is not among them.
   */
  unread(): Readonly<LedgerEntry>[] {
    const read = new Set<string>();
    for (const entry of this.#entries) {
      if (entry.kind === 'presented' || entry.answered !== false) read.add(entry.token);
    }
    return this.filter({ kind: 'issued', tokenType: 'refresh' }).filter((entry) => !read.has(entry.token));
  }

  copy(): LedgerEntry[] {
    return this.#entries.map((entry) => ({ ...entry }));
  }

  replace(entries: readonly LedgerEntry[]): void {
    this.#entries = entries.map((entry) => ({ ...entry }));
  }
}
