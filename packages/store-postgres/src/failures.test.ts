import { inspect } from 'node:util';
import { isHighQError } from '@hq-oauth/core';
import { findViolations, raceOnCounters } from '@hq-oauth/testkit/stores';
import type { Pool } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { LossyProxy } from './lossy-proxy.fixture.ts';
import { NO_POSTGRES, newSchema, openPool, POSTGRES_URL } from './pool.fixture.ts';
import type { PgPool } from './postgres-pool.ts';
import { type PostgresStoreOptions, postgresStore } from './postgres-store.ts';
import { GRANTS, grant, login, REGISTRATION, value, write } from './rows.fixture.ts';
import { transactionPooling } from './statement-pool.fixture.ts';

const SECRET = 'a-body-that-no-error-may-show';

describe.skipIf(NO_POSTGRES)('when PostgreSQL gets in the way', () => {
  let admin: Pool;
  beforeAll(() => {
    admin = openPool();
  });

  async function open(
    options: Partial<PostgresStoreOptions> = {},
  ): Promise<{ store: ReturnType<typeof postgresStore>; schema: string }> {
    const schema = newSchema();
    await postgresStore({ pool: admin, schema }).migrate();
    return { store: postgresStore({ pool: admin, schema, ...options }), schema };
  }

  /** `when` refuses an update by an error of PostgreSQL's own kind, the first `times` times. */
  async function refuseUpdates(schema: string, sqlState: string, times: number): Promise<void> {
    // A sequence counts on when a transaction is rolled back.
    await admin.query(`CREATE SEQUENCE "${schema}".refusals`);
    await admin.query(`CREATE FUNCTION "${schema}".refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('"${schema}".refusals') <= ${times} THEN
        RAISE EXCEPTION 'refused by the test' USING ERRCODE = '${sqlState}';
      END IF;
      RETURN NEW; END $$`);
    await admin.query(
      `CREATE TRIGGER refuse BEFORE UPDATE ON "${schema}".hq_row FOR EACH ROW EXECUTE FUNCTION "${schema}".refuse()`,
    );
  }

  it.each(['40001', '40P01'])('F48 does again what PostgreSQL has rolled back with %s', async (sqlState) => {
    const { store, schema } = await open();
    const rev = await write(store, grant('u'), null);
    await refuseUpdates(schema, sqlState, 3);
    const next = await write(store, grant('u'), rev, { body: 'once' });
    expect((await store.read(grant('u'))).row).toMatchObject({ rev: next, body: 'once' });
  });

  it('F48 gives up in the end, and does nothing again that PostgreSQL has refused for another reason', async () => {
    const { store, schema } = await open({ timeoutMs: 400 });
    const rev = await write(store, grant('u'), null);
    await refuseUpdates(schema, '40001', 1_000_000);
    await expect(store.cas(grant('u'), rev, value())).rejects.toMatchObject({ code: 'store_unavailable' });
    const other = await open();
    const otherRev = await write(other.store, grant('u'), null);
    await refuseUpdates(other.schema, '53100', 1);
    await expect(other.store.cas(grant('u'), otherRev, value())).rejects.toThrow('disk is full');
    expect(await write(other.store, grant('u'), otherRev)).toBeGreaterThan(otherRev);
  });

  it('F48 loses nothing where every transaction is serializable', async () => {
    const pool = openPool({ options: '-c default_transaction_isolation=serializable' });
    const { store } = await open({ pool, timeoutMs: 20_000 });
    const counters = ['one', 'two'];
    const histories = await Promise.all(
      Array.from({ length: 8 }, (_, worker) =>
        raceOnCounters(store, {
          registration: REGISTRATION,
          counters,
          until: { wins: 25 },
          worker: String(worker),
        }),
      ),
    );
    const rows = new Map(
      await Promise.all(counters.map(async (id) => [id, (await store.read(grant(id))).row] as const)),
    );
    const events = histories.flat();
    expect(events.filter(({ kind }) => kind === 'won')).toHaveLength(200);
    expect(findViolations(events, rows).slice(0, 10)).toEqual([]);
  });

  it('F49 does not know the outcome when the answer to a commit is lost, and does not write again', async () => {
    const proxy = await LossyProxy.start(new URL(POSTGRES_URL));
    try {
      const pool = openPool({ connectionString: proxy.url });
      const { store } = await open({ pool });
      const rev = await write(store, grant('u'), null);
      proxy.loseAnswerTo(SECRET);
      await expect(store.cas(grant('u'), rev, value({ body: SECRET }))).rejects.toMatchObject({
        code: 'store_unavailable',
      });
      expect(proxy.lost).toBe(1);
      const { row } = await store.read(grant('u'));
      expect(row?.body).toBe(SECRET);
      expect(row?.rev).toBeGreaterThan(rev);
      expect(await write(store, grant('u'), row?.rev ?? null)).toBeGreaterThan(rev);
    } finally {
      await proxy.close();
    }
  });

  it('F49 rejects when its connection is ended before the commit, and goes on with another', async () => {
    const { store, schema } = await open();
    const rev = await write(store, grant('u'), null);
    const holder = await admin.connect();
    await holder.query(`BEGIN; SELECT 1 FROM "${schema}".hq_row FOR UPDATE`);
    const held = store.cas(grant('u'), rev, value({ body: 'never written' }));
    const outcome = held.then(
      () => 'written',
      (error: unknown) => (isHighQError(error) ? error.code : 'not ours'),
    );
    await terminateWaiting(admin, schema);
    expect(await outcome).toBe('store_unavailable');
    await holder.query('ROLLBACK');
    holder.release();
    expect((await store.read(grant('u'))).row).toEqual({ ...value(), rev });
    expect(await write(store, grant('u'), rev)).toBeGreaterThan(rev);
  });

  it('waits for a lock of another transaction with a bound, writes nothing, and reads meanwhile', async () => {
    const { store, schema } = await open({ timeoutMs: 600 });
    const rev = await write(store, grant('u'), null);
    const holder = await admin.connect();
    await holder.query(`BEGIN; UPDATE "${schema}".hq_row SET body = 'not committed'`);
    const held = store.cas(grant('u'), rev, value({ body: 'never written' }));
    const insert = store.cas(grant('v'), null, value());
    expect((await store.read(grant('u'))).row?.body).toBe(value().body);
    expect(await insert).toMatchObject({ ok: true });
    await expect(held).rejects.toThrow('another transaction keeps');
    await holder.query('ROLLBACK');
    holder.release();
    expect((await store.read(grant('u'))).row).toEqual({ ...value(), rev });
    expect(await write(store, grant('u'), rev)).toBeGreaterThan(rev);
  });

  it('writes also where its patience is longer than PostgreSQL waits for a lock', async () => {
    const { store } = await open({ timeoutMs: 10_000_000_000 });
    expect(await write(store, grant('u'), null)).toBeGreaterThan(0);
  });

  it('does not call it a refusal when what stood in the way is gone by the time it looks', async () => {
    const { store, schema } = await open();
    await store.cas(login('u'), null, value());
    await store.cas(grant('u'), null, value());
    let meddle = '';
    const pool = transactionPooling(openPool(), async (text) => {
      if (!text.includes('LEFT JOIN') || meddle === '') return;
      const statement = meddle;
      meddle = '';
      await admin.query(statement);
    });
    const late = postgresStore({ pool, schema });
    await late.check();
    meddle = `DELETE FROM "${schema}".hq_row WHERE kind = 'login'`;
    expect(await late.cas(login('u'), null, value({ body: 'new' }))).toMatchObject({ ok: true });
    meddle = `UPDATE "${schema}".hq_row SET rev = 5 WHERE kind = 'grant'`;
    expect(await write(late, grant('u'), 5, { body: 'new' })).toBeGreaterThan(5);
    meddle = `UPDATE "${schema}".hq_row SET rev = 7 WHERE kind = 'grant'`;
    expect(await late.cas(grant('u'), 5, value())).toMatchObject({ ok: false, row: { rev: 7 } });
  });

  it('F45 F72 postgres: refuses who saw a write that is gone, after as many new ones', async () => {
    const { store, schema } = await open();
    const kept = await write(store, grant('u'), null);
    const lost: number[] = [];
    for (let rev = kept; lost.length < 20; lost.push(rev)) rev = await write(store, grant('u'), rev);
    // A store does not fall back and go on within one millisecond.
    for (const now = await store.now(); (await store.now()) < now + 2; );
    // Another transaction makes the row what a restored backup would.
    await admin.query(`UPDATE "${schema}".hq_row SET rev = $1`, [kept]);
    let rev = kept;
    for (const stale of lost) {
      rev = await write(store, grant('u'), rev);
      expect(lost).not.toContain(rev);
      expect(await store.cas(grant('u'), stale, value())).toMatchObject({ ok: false, row: { rev } });
    }
  });

  it('F45 F72 postgres: counts on by chance from a row that is ahead of its clock', async () => {
    const { store, schema } = await open();
    await write(store, grant('u'), null);
    const ahead = 8e15;
    await admin.query(`UPDATE "${schema}".hq_row SET rev = $1`, [ahead]);
    const steps = new Set<number>();
    for (let rev = ahead, count = 0; count < 20; count += 1) {
      const next = await write(store, grant('u'), rev);
      steps.add(next - rev);
      rev = next;
    }
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(steps.size).toBeGreaterThan(5);
  });

  it('F51 works behind a proxy that hands out connections by transaction, and leaves nothing on them', async () => {
    const schema = newSchema();
    const statements = new Set<string>();
    const store = postgresStore({
      pool: transactionPooling(openPool(), (text) => void statements.add(text)),
      schema,
    });
    await store.migrate();
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const id = `u${index}`;
        const first = await write(store, grant(id), null, { dueAt: 1 });
        const rev = await write(store, grant(id), first, { dueAt: 1 });
        expect(await store.cas(grant(id), first, value())).toMatchObject({ ok: false, row: { rev } });
      }),
    );
    await store.cas(login('u'), null, value({ expiresAt: 1 }));
    expect(await store.list({ ...GRANTS, dueBefore: 1 })).toHaveLength(20);
    const text = [...statements].join('\n');
    expect(text).not.toMatch(
      /\bLISTEN\b|\bPREPARE\b|\bSET SESSION\b|pg_advisory_lock|pg_try_advisory_lock|\bDECLARE\b|TEMP/i,
    );
    expect(text).not.toMatch(/set_config\([^)]*false\)/);
  });

  it('F51 leaves settings of a connection as it found them', async () => {
    const pool = openPool({ max: 1 });
    const { store } = await open({ pool });
    const settings =
      "SELECT current_setting('lock_timeout') AS locks, current_setting('synchronous_commit') AS commits";
    await pool.query('SET synchronous_commit = off');
    const before = (await pool.query(settings)).rows;
    const rev = await write(store, grant('u'), null);
    await store.cas(grant('u'), rev, value());
    await store.migrate();
    expect((await pool.query(settings)).rows).toEqual(before);
    expect((await pool.query('SELECT * FROM pg_prepared_statements')).rows).toEqual([]);
    expect((await pool.query("SELECT * FROM pg_locks WHERE locktype = 'advisory'")).rows).toEqual([]);
  });

  it.each([
    ['that tells its state beforehand', true],
    ['of an older version, that tells it with an answer', false],
  ])('F49 acknowledges nothing in a transaction that was left open, by a driver %s', async (_, tells) => {
    const pool = openPool({ max: 1 });
    const { store, schema } = await open({ pool: tells ? pool : withoutStatus(pool) });
    const rev = await write(store, grant('u'), null);
    const leaveOpen = async (...statements: string[]): Promise<void> => {
      const client = await pool.connect();
      for (const statement of statements) await client.query(statement).catch(() => {});
      client.release();
    };
    const isolated = 'BEGIN ISOLATION LEVEL REPEATABLE READ';
    for (const operation of [
      () => store.cas(grant('u'), rev, value({ body: 'never committed' })),
      () => store.cas(grant('v'), null, value()),
      () => store.read(grant('u')),
      () => store.list(GRANTS),
    ]) {
      await leaveOpen(isolated, `SELECT 1 FROM "${schema}".hq_row`);
      await expect(operation()).rejects.toThrow('inside a transaction that is still open');
      // The next one gets a connection of its own.
      expect((await store.read(grant('u'))).row).toEqual({ ...value(), rev });
    }
    expect((await admin.query(`SELECT body FROM "${schema}".hq_row`)).rows).toEqual([{ body: value().body }]);
    await leaveOpen('BEGIN', 'SELECT 1/0');
    await expect(store.read(grant('u'))).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await write(store, grant('u'), rev)).toBeGreaterThan(rev);
  });

  it.each(['COMMIT', 'ROLLBACK'])(
    'F49 waits for a %s that its program sent and did not wait for, and goes on with the same connection',
    async (end) => {
      const pool = openPool({ max: 1 });
      const { store, schema } = await open({ pool });
      const rev = await write(store, grant('u'), null);
      const id = async () => (await pool.query('SELECT pg_backend_pid() AS id')).rows;
      const before = await id();
      for (const statement of [`SELECT 1 FROM "${schema}".hq_row`, 'SELECT 1/0']) {
        const client = await pool.connect();
        await client.query('BEGIN');
        await client.query(statement).catch(() => {});
        // A rejection that nobody handles would fail the run.
        void client.query(end);
        client.release();
        expect((await store.read(grant('u'))).row).toEqual({ ...value(), rev });
      }
      expect(await id()).toEqual(before);
    },
  );

  it('F54 waits for the disk even where the database has been told not to', async () => {
    const pool = openPool({ options: '-c synchronous_commit=off' });
    const { store, schema } = await open({ pool });
    await admin.query(`CREATE TABLE "${schema}".seen (setting text)`);
    await admin.query(`CREATE FUNCTION "${schema}".note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO "${schema}".seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$`);
    await admin.query(
      `CREATE TRIGGER note AFTER INSERT OR UPDATE ON "${schema}".hq_row FOR EACH ROW EXECUTE FUNCTION "${schema}".note()`,
    );
    const rev = await write(store, grant('u'), null);
    await store.cas(grant('u'), rev, value());
    expect((await admin.query(`SELECT setting FROM "${schema}".seen`)).rows).toEqual([
      { setting: 'on' },
      { setting: 'on' },
    ]);
  });

  it('F52 waits for a connection with a bound, and holds none beyond its statement', async () => {
    const pool = openPool({ max: 1 });
    const { store, schema } = await open({ pool });
    const hasty = postgresStore({ pool, schema, timeoutMs: 200 });
    await Promise.all([store.check(), hasty.check()]);
    const taken = await pool.connect();
    await expect(hasty.cas(grant('u'), null, value())).rejects.toThrow('no answer within 200 ms');
    await expect(hasty.read(grant('u'))).rejects.toMatchObject({
      code: 'store_unavailable',
      retryable: true,
    });
    const patient = store.cas(grant('v'), null, value());
    taken.release();
    expect(await patient).toMatchObject({ ok: true });
    expect((await store.read(grant('u'))).row).toBeNull();
    // More callers than connections, each of several statements.
    const results = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        await store.cas(grant(`w${index % 5}`), null, value());
        return store.cas(login(`${index}`), null, value({ expiresAt: 1 }));
      }),
    );
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect([pool.totalCount, pool.idleCount, pool.waitingCount]).toEqual([1, 1, 0]);
  });

  it('F96 shows no body in an error', async () => {
    const { store, schema } = await open();
    await admin.query(`ALTER TABLE "${schema}".hq_row ADD CHECK (body NOT LIKE '%show%')`);
    const error: unknown = await store
      .cas(grant('u'), null, value({ body: SECRET }))
      .catch((reason: unknown) => reason);
    expect(isHighQError(error) && error.code).toBe('store_unavailable');
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
    // The driver's own error does show it.
    const raw: unknown = await admin
      .query(`INSERT INTO "${schema}".hq_row VALUES ('', 'grant', '', 1, 'other', NULL, NULL, $1)`, [SECRET])
      .catch((reason: unknown) => reason);
    expect(inspect(raw)).toContain(SECRET);
  });

  it('removes logins that were given up with later logins, a few at a time', async () => {
    const { store, schema } = await open();
    const left = async (): Promise<number> =>
      Number((await admin.query(`SELECT count(*) AS count FROM "${schema}".hq_row`)).rows[0].count);
    const now = await store.now();
    for (let index = 0; index < 50; index += 1) {
      await store.cas(login(`given up ${index}`), null, value({ expiresAt: now + 3_600_000 }));
    }
    await admin.query(`UPDATE "${schema}".hq_row SET expires_at = 1`);
    const rev = await write(store, grant('u'), null, { expiresAt: 1 });
    expect(await left()).toBe(51);
    for (const expected of [32, 13, 4, 5]) {
      await store.cas(login(`later ${expected}`), null, value());
      expect(await left()).toBe(expected);
    }
    expect((await store.read(grant('u'))).row?.rev).toBe(rev);
  });

  it('reads numbers however the program has told its driver to parse them', async () => {
    const pool = openPool({ types: { getTypeParser: () => (text: string) => text } });
    const { store } = await open({ pool });
    const rev = await write(store, grant('u'), null, { dueAt: 1.5 });
    expect((await store.read(grant('u'))).row).toEqual({ ...value({ dueAt: 1.5 }), rev });
    expect(await store.list(GRANTS)).toHaveLength(1);
    expect(typeof (await store.now())).toBe('number');
  });

  it('F79 takes ids that are too long for an index, and orders them', async () => {
    const { store } = await open();
    // Random, because PostgreSQL would compress anything else to fit.
    const tail = (): string => Array.from({ length: 400 }, () => crypto.randomUUID()).join('');
    const head = 'x'.repeat(256);
    const ids = [
      `${head}a${tail()}`,
      `${head}b${tail()}`,
      head,
      `${head}b`,
      'x',
      `${head.slice(1)}y`,
      tail(),
    ];
    for (const id of ids) await store.cas(grant(id), null, value({ dueAt: 7 }));
    const ordered = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect((await store.list(GRANTS)).map(({ id }) => id)).toEqual(ordered);
    expect((await store.list({ ...GRANTS, dueBefore: 7 })).map(({ id }) => id)).toEqual(ordered);
    for (const [index, id] of ordered.entries()) {
      expect((await store.list({ ...GRANTS, after: id })).map((row) => row.id)).toEqual(
        ordered.slice(index + 1),
      );
    }
  });
});

/** As versions of `pg` were that did not tell the state of a connection. */
function withoutStatus(pool: Pool): PgPool {
  return {
    async connect() {
      const client = await pool.connect();
      return new Proxy(client, {
        get(target, name) {
          if (name === 'getTransactionStatus') return undefined;
          const member: unknown = Reflect.get(target, name);
          return typeof member === 'function' ? member.bind(target) : member;
        },
      });
    },
  };
}

/** Ends the connection that waits for a lock in `schema`, as soon as one does. */
async function terminateWaiting(admin: Pool, schema: string): Promise<void> {
  const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND position($1 IN query) > 0 AND pid <> pg_backend_pid()`;
  // Each time in a transaction of its own, within which activity would stand still.
  while ((await admin.query(terminate, [`UPDATE "${schema}"`])).rowCount === 0);
}
