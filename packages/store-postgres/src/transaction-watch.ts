import type { PgClient } from './postgres-pool.ts';

/** What PostgreSQL says after each statement. `I`: no transaction is open; `T`: one is; `E`: one that has failed. */
type Status = string | null;

/**
 * Tells whether a connection is in a transaction that somebody has left open: what is written there is committed by
 * nobody, and what is read there may be past.
 */
export class TransactionWatch {
  readonly #client: PgClient;
  #seen: Status = null;

  constructor(client: PgClient) {
    this.#client = client;
    client.connection?.on?.('readyForQuery', this.#note);
  }

  /** After a statement that has failed it may be the one before. `false` also where the driver does not say. */
  get isOpen(): boolean {
    const status = this.#told() ?? this.#seen;
    return status === 'T' || status === 'E';
  }

  end(): void {
    this.#client.connection?.removeListener?.('readyForQuery', this.#note);
  }

  #told(): Status {
    try {
      return this.#client.getTransactionStatus?.() ?? null;
    } catch {
      // A native client passes the question on to a library that may be older, and not know it.
      return null;
    }
  }

  readonly #note = (message?: { readonly status?: Status }): void => {
    this.#seen = message?.status ?? null;
  };
}
