import type { DatabaseSync } from 'node:sqlite';

/** "HQOA", in the header of each file of this store. */
const APPLICATION_ID = 0x48514f41;

/** The statements that lead from version n to n + 1. A released entry is never changed. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE hq_row (
     registration BLOB NOT NULL,
     kind TEXT NOT NULL,
     id BLOB NOT NULL,
     rev INTEGER NOT NULL,
     state TEXT NOT NULL,
     due_at REAL,
     expires_at REAL,
     body TEXT NOT NULL,
     UNIQUE (registration, kind, id)
   ) STRICT;
   CREATE INDEX hq_row_due ON hq_row (registration, kind, due_at, id) WHERE due_at IS NOT NULL;
   CREATE INDEX hq_row_state ON hq_row (registration, kind, state, id);
   CREATE INDEX hq_row_expiry ON hq_row (expires_at) WHERE kind = 'login' AND expires_at IS NOT NULL;`,
];

/** What a file is, by its header. `empty`: nobody has written to it. */
export type SchemaState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'ours'; readonly version: number }
  | { readonly kind: 'later'; readonly version: number }
  | { readonly kind: 'foreign' };

export const CURRENT_VERSION = MIGRATIONS.length;

/** Throws what SQLite throws: locked, not a database. */
export function inspectSchema(database: DatabaseSync): SchemaState {
  const { applicationId, version, tables } =
    database
      .prepare(
        `SELECT (SELECT application_id FROM pragma_application_id) AS applicationId,
                (SELECT user_version FROM pragma_user_version) AS version,
                (SELECT count(*) FROM sqlite_schema) AS tables`,
      )
      .get() ?? {};
  if (applicationId === APPLICATION_ID && typeof version === 'number') {
    return { kind: version > CURRENT_VERSION ? 'later' : 'ours', version };
  }
  return applicationId === 0 && version === 0 && tables === 0 ? { kind: 'empty' } : { kind: 'foreign' };
}

/** Brings the schema from `version` to the current one. Only within a transaction that has checked `version`. */
export function migrate(database: DatabaseSync, version: number): void {
  for (const statements of MIGRATIONS.slice(version)) database.exec(statements);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${CURRENT_VERSION}`);
}
