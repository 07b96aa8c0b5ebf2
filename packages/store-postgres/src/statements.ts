import type { ListQuery } from '@hq-oauth/core';
import { HEAD } from './schema.ts';

/**
 * The instant of a statement, epoch ms, taken once and before any wait for a lock: an end that is compared with it is
 * the end that the caller is told.
 */
const CLOCK =
  'clock AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::double precision AS now)';

/**
 * Bounds the wait for locks, and makes the commit wait for the disk where it would not; both for this transaction
 * alone, which is one statement. `guard` has to be asked for, or it is not evaluated.
 */
const GUARD = `guard AS MATERIALIZED (
  SELECT set_config('lock_timeout', $1, true) || CASE current_setting('synchronous_commit')
    WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL AS ready)`;

/** As text, because a program may have told `pg` to parse types in ways of its own. */
const COLUMNS = `r.rev::text AS rev, r.state, r.due_at::text AS due_at, r.expires_at::text AS expires_at, r.body`;
/** Greater than `after`, and taken when the row is written, after any wait for its lock. */
const revAfter = (after: string): string =>
  `greatest(${after} + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint * 1000) + floor(random() * 1000)::bigint`;
const NOW = 'clock.now::text AS now';

/** Only a login ends by time: whatever its writer says, a row that holds tokens stays. */
const ALIVE =
  "NOT (r.kind = 'login' AND r.expires_at IS NOT NULL AND r.expires_at <= (SELECT now FROM clock))";

const EXPIRED_PER_WRITE = 20;

/** The SQL of the store, on the tables of one schema. Values are bound, never written into a statement (F79). */
export interface Statements {
  /** `$1` registration, `$2` kind, `$3` id. One row: now, whether this is a standby, and the columns or nulls. */
  readonly read: string;
  /** `$1` lock timeout, `$2` registration, `$3` kind, `$4` id, `$5` state, `$6` due, `$7` end, `$8` body. A row if it wrote. */
  readonly insert: string;
  /** As `insert`, and `$9` the expected revision. */
  readonly update: string;
  readonly now: string;
  /** Removes a few logins that have ended, and passes over those that somebody works on. */
  readonly clean: string;
  readonly version: string;
  list(query: ListQuery): string;
}

export function statementsFor(schema: string): Statements {
  const table = `${schema}.hq_row`;
  const key = (first: number): string =>
    `r.registration = $${first} AND r.kind = $${first + 1} AND sha256(r.id) = sha256($${first + 2}) AND r.id = $${first + 2}`;
  return {
    read: `WITH ${CLOCK}
      SELECT ${NOW}, pg_is_in_recovery()::text AS standby, ${COLUMNS}
      FROM clock LEFT JOIN ${table} AS r ON ${key(1)} AND ${ALIVE}`,
    insert: `WITH ${CLOCK}, ${GUARD}
      INSERT INTO ${table} AS r (registration, kind, id, rev, state, due_at, expires_at, body)
      SELECT $2::bytea, $3::text, $4::bytea, ${revAfter('0')}, $5::text, $6::double precision, $7::double precision, $8::text
      FROM guard WHERE guard.ready
      ON CONFLICT (registration, kind, sha256(id)) DO UPDATE
      SET rev = ${revAfter('r.rev')}, state = excluded.state, due_at = excluded.due_at, expires_at = excluded.expires_at,
          body = excluded.body
      WHERE NOT (${ALIVE})
      RETURNING rev::text AS rev, (SELECT now::text FROM clock) AS now`,
    update: `WITH ${CLOCK}, ${GUARD}
      UPDATE ${table} AS r
      SET rev = ${revAfter('r.rev')}, state = $5::text, due_at = $6::double precision, expires_at = $7::double precision, body = $8::text
      FROM guard WHERE guard.ready AND ${key(2)} AND r.rev = $9::bigint AND ${ALIVE}
      RETURNING r.rev::text AS rev, (SELECT now::text FROM clock) AS now`,
    now: `WITH ${CLOCK} SELECT ${NOW}, pg_is_in_recovery()::text AS standby FROM clock`,
    clean: `WITH ${CLOCK}
      DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ${table} WHERE kind = 'login' AND expires_at <= (SELECT now FROM clock)
        LIMIT ${EXPIRED_PER_WRITE} FOR UPDATE SKIP LOCKED))`,
    version: `SELECT version::text AS version FROM ${schema}.hq_schema`,
    list: (query) => listStatement(table, query),
  };
}

/**
 * `$1` registration, `$2` kind, `$3` limit, then those of state, due before and after that the query has. One
 * statement for each combination, so that each uses its index.
 */
function listStatement(table: string, { state, dueBefore, after }: ListQuery): string {
  const conditions = [`r.registration = $1 AND r.kind = $2 AND ${ALIVE}`];
  let next = 4;
  if (state !== undefined) conditions.push(`r.state = $${next++}`);
  if (dueBefore !== undefined)
    conditions.push(`r.due_at IS NOT NULL AND r.due_at <= $${next++}::double precision`);
  const head = HEAD.replace('id', 'r.id');
  if (after !== undefined) {
    conditions.push(`(${head}, r.id) > (${HEAD.replace('id', `$${next}::bytea`)}, $${next}::bytea)`);
  }
  const [order, outerOrder] =
    dueBefore === undefined ? [`${head}, r.id`, 'r.id'] : [`r.due_at, ${head}, r.id`, 'r.due_at, r.id'];
  // Joined, so that a standby without a match still says what it is.
  return `WITH ${CLOCK}
    SELECT encode(r.id, 'hex') AS id, pg_is_in_recovery()::text AS standby, ${COLUMNS}
    FROM clock LEFT JOIN (
      SELECT * FROM ${table} AS r WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT $3::integer) AS r ON true
    ORDER BY ${outerOrder}`;
}
