/** What the store uses of a connection of `pg`. */
export interface PgClient {
  query(statement: PgStatement): Promise<{ readonly rows: readonly unknown[] }>;
  /** `true` closes the connection instead of keeping it for the next one. */
  release(destroy?: boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  /** Of newer versions: `I`, `T` or `E`. */
  getTransactionStatus?(): string | null;
  /** Where older versions tell the same. */
  readonly connection?: ReadyEvents;
}

interface ReadyEvents {
  on?(event: 'readyForQuery', listener: (message?: { status?: string | null }) => void): unknown;
  removeListener?(event: 'readyForQuery', listener: (message?: { status?: string | null }) => void): unknown;
}

/** A statement without a name, so that nothing is left on a connection that a proxy hands to others. */
export interface PgStatement {
  text: string;
  values: unknown[];
}

/** What the store uses of a `Pool` of `pg`. */
export interface PgPool {
  connect(): Promise<PgClient>;
  on?(event: 'connect', listener: (client: PgClient) => void): unknown;
  removeListener?(event: 'connect', listener: (client: PgClient) => void): unknown;
}

export function isPool(value: unknown): value is PgPool {
  return (
    typeof value === 'object' && value !== null && 'connect' in value && typeof value.connect === 'function'
  );
}
