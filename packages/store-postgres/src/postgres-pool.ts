/** What the store uses of a connection of `pg`. */
export interface PgClient {
  query(statement: PgStatement): Promise<{ readonly rows: readonly unknown[] }>;
  /** `true` closes the connection instead of keeping it for the next one. */
  release(destroy?: boolean): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** A statement without a name, so that nothing is left on a connection that a proxy hands to others. */
export interface PgStatement {
  text: string;
  values: unknown[];
}

/** What the store uses of a `Pool` of `pg`. */
export interface PgPool {
  connect(): Promise<PgClient>;
}

export function isPool(value: unknown): value is PgPool {
  return (
    typeof value === 'object' && value !== null && 'connect' in value && typeof value.connect === 'function'
  );
}
