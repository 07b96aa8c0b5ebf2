import { ConfigurationError } from '@hq-oauth/core';
import type { PgClient } from './postgres-pool.ts';

/** PostgreSQL cuts longer names off, so that two of them could be one. */
const LONGEST_NAME_BYTES = 63;

/** One for all stores: whoever migrates waits for whoever does, until that transaction has ended. */
const MIGRATION_LOCK = 0x48514f41;
const LOCK_TIMEOUT_MS = 30_000;

/**
 * How much of an id an index entry holds, which may not exceed a third of a page. Ids that begin with the same bytes
 * are sorted by the rest when they are read.
 */
export const HEAD = 'substring(id FROM 1 FOR 256)';

/** The statements that lead from version n to n + 1. A released entry is never changed, and each must leave programs of the version before working. */
const MIGRATIONS: ReadonlyArray<(schema: string) => readonly string[]> = [
  (schema) => [
    `CREATE TABLE ${schema}.hq_row (
       registration bytea NOT NULL,
       kind text COLLATE "C" NOT NULL,
       id bytea NOT NULL,
       rev bigint NOT NULL,
       state text COLLATE "C" NOT NULL,
       due_at double precision,
       expires_at double precision,
       body text NOT NULL
     ) WITH (fillfactor = 70)`,
    `CREATE UNIQUE INDEX hq_row_key ON ${schema}.hq_row (registration, kind, sha256(id))`,
    `CREATE INDEX hq_row_id ON ${schema}.hq_row (registration, kind, ${HEAD})`,
    `CREATE INDEX hq_row_state ON ${schema}.hq_row (registration, kind, state, ${HEAD})`,
    `CREATE INDEX hq_row_due ON ${schema}.hq_row (registration, kind, due_at, ${HEAD}) WHERE due_at IS NOT NULL`,
    `CREATE INDEX hq_row_expiry ON ${schema}.hq_row (expires_at) WHERE kind = 'login' AND expires_at IS NOT NULL`,
  ],
];

export const CURRENT_VERSION = MIGRATIONS.length;

/** `schema` as an identifier of SQL, quotes included. Throws `ConfigurationError` for what cannot be one. */
export function quoteSchema(schema: string): string {
  const bytes = typeof schema === 'string' ? Buffer.byteLength(schema) : 0;
  if (bytes === 0 || bytes > LONGEST_NAME_BYTES || schema.includes('\0') || !schema.isWellFormed()) {
    throw new ConfigurationError([
      {
        option: 'store.schema',
        problem: `is not the name of a schema: text of 1 to ${LONGEST_NAME_BYTES} bytes, without NUL.`,
      },
    ]);
  }
  return `"${schema.replaceAll('"', '""')}"`;
}

/**
 * Brings the tables to the current version, in one transaction on one connection; a second process waits for the first.
 * Rolls back and rejects when anything fails.
 */
export async function migrate(client: PgClient, name: string): Promise<void> {
  const run = async (text: string, ...values: unknown[]): Promise<readonly unknown[]> =>
    (await client.query({ text, values })).rows;
  const schema = quoteSchema(name);
  await run('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
  try {
    await run("SELECT set_config('lock_timeout', $1, true)", String(LOCK_TIMEOUT_MS));
    // Held by the transaction and not by the session, which a proxy would give to somebody else.
    await run('SELECT pg_advisory_xact_lock($1)', MIGRATION_LOCK);
    const [encoding] = await run('SHOW server_encoding');
    if (textOf(encoding, 'server_encoding') !== 'UTF8') {
      throw new ConfigurationError([
        { option: 'store.pool', problem: 'leads to a database whose encoding is not UTF8.' },
      ]);
    }
    // The right to create schemas is only needed where there is none.
    const schemas = await run('SELECT 1 AS found FROM pg_namespace WHERE nspname = $1', name);
    if (schemas.length === 0) await run(`CREATE SCHEMA ${schema}`);
    const version = await installedVersion(run, name, schema);
    for (const statements of MIGRATIONS.slice(version)) {
      for (const statement of statements(schema)) await run(statement);
    }
    if (version < CURRENT_VERSION) {
      await run(`DELETE FROM ${schema}.hq_schema`);
      await run(`INSERT INTO ${schema}.hq_schema (version) VALUES ($1)`, CURRENT_VERSION);
    }
    await run('COMMIT');
  } catch (error) {
    await run('ROLLBACK').catch(() => {});
    throw error;
  }
}

type Run = (text: string, ...values: unknown[]) => Promise<readonly unknown[]>;

async function installedVersion(run: Run, name: string, schema: string): Promise<number> {
  const tables = await run(
    "SELECT relname::text AS name FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relname IN ('hq_row', 'hq_schema')",
    name,
  );
  const names = new Set(tables.map((table) => textOf(table, 'name')));
  if (names.has('hq_row') && !names.has('hq_schema')) {
    throw new ConfigurationError([
      {
        option: 'store.schema',
        problem: `${schema} holds a table hq_row of another program. Give the tokens a schema of their own; nothing was changed.`,
      },
    ]);
  }
  if (!names.has('hq_schema')) {
    await run(`CREATE TABLE ${schema}.hq_schema (version integer NOT NULL)`);
    return 0;
  }
  const [row] = await run(`SELECT version::text AS version FROM ${schema}.hq_schema`);
  const version = Number(textOf(row, 'version'));
  assertNotLater(version, schema);
  return version;
}

/** Throws `ConfigurationError`: a program that does not know the tables must not write to them. */
export function assertNotLater(version: number, schema: string): void {
  if (version <= CURRENT_VERSION) return;
  throw new ConfigurationError([
    {
      option: 'store.schema',
      problem: `${schema} was written by a later version of @hq-oauth/store-postgres (schema ${version}, this one knows ${CURRENT_VERSION}). Update the package; nothing was changed.`,
    },
  ]);
}

function textOf(row: unknown, column: string): string {
  return typeof row === 'object' && row !== null ? String(Reflect.get(row, column)) : '';
}
