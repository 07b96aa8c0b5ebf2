import { ConfigurationError } from '@hq-oauth/core';
import type { Pool } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { NO_POSTGRES, newSchema, openPool, POSTGRES_URL } from './pool.fixture.ts';
import type { PgPool } from './postgres-pool.ts';
import { postgresStore } from './postgres-store.ts';
import { GRANTS, grant, login, value, write } from './rows.fixture.ts';

describe.skipIf(NO_POSTGRES)('migrate', () => {
  let pool: Pool;
  beforeAll(() => {
    pool = openPool();
  });

  it('is the only thing that makes tables: without it every operation says so', async () => {
    const schema = newSchema();
    const store = postgresStore({ pool, schema });
    for (const operation of [
      () => store.check(),
      () => store.read(grant('u')),
      () => store.cas(grant('u'), null, value()),
      () => store.list(GRANTS),
      () => store.now(),
    ]) {
      const failure = operation();
      await expect(failure).rejects.toThrow(ConfigurationError);
      await expect(failure).rejects.toThrow('store.migrate()');
    }
    const { rowCount } = await pool.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    expect(rowCount).toBe(0);
    // Put right while the program runs.
    await postgresStore({ pool, schema }).migrate();
    expect(await store.cas(grant('u'), null, value())).toMatchObject({ ok: true });
  });

  it('can be run by 8 at once, 5 times, and again on tables with rows', async () => {
    for (let round = 0; round < 5; round += 1) {
      const schema = newSchema();
      const stores = Array.from({ length: 8 }, () => postgresStore({ pool, schema }));
      await Promise.all(stores.map((store) => store.migrate()));
      const [first] = stores;
      const rev = first && (await write(first, grant('u'), null));
      await Promise.all(stores.map((store) => store.migrate()));
      for (const store of stores) expect((await store.read(grant('u'))).row?.rev).toBe(rev);
    }
  });

  it('needs no right that its operations do not need either, once it has been run', async () => {
    const schema = newSchema();
    const role = newSchema();
    await postgresStore({ pool, schema }).migrate();
    await pool.query(`CREATE ROLE "${role}" LOGIN`);
    await pool.query(`GRANT USAGE ON SCHEMA "${schema}" TO "${role}"`);
    await pool.query(`GRANT SELECT ON "${schema}".hq_schema TO "${role}"`);
    await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON "${schema}".hq_row TO "${role}"`);
    const url = new URL(POSTGRES_URL);
    url.username = role;
    const store = postgresStore({ pool: openPool({ connectionString: url.href }), schema });
    await store.migrate();
    expect(await store.cas(login('u'), null, value({ expiresAt: 1 }))).toMatchObject({ ok: true });
    const rev = await write(store, grant('u'), null);
    expect(await write(store, grant('u'), rev)).toBeGreaterThan(rev);
    expect(await store.list(GRANTS)).toHaveLength(1);
    await expect(
      postgresStore({ pool: openPool({ connectionString: url.href }), schema: newSchema() }).migrate(),
    ).rejects.toThrow('lacks a right');
  });

  it('F79 takes a schema of any name for a name', async () => {
    for (const schema of ['"; DROP SCHEMA public; --', "it's", 'ÄÖ', 'a.b', 'SELECT', '$1', '{}'].map(
      (name) => `${name}${newSchema().slice(0, 20)}`,
    )) {
      const store = postgresStore({ pool, schema });
      await store.migrate();
      const rev = await write(store, grant('u'), null);
      expect((await store.read(grant('u'))).row?.rev).toBe(rev);
      const { rows } = await pool.query(
        'SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relkind = $2 ORDER BY 1',
        [schema, 'r'],
      );
      expect(rows).toEqual([{ relname: 'hq_row' }, { relname: 'hq_schema' }]);
    }
  });

  it.each(['', 'x'.repeat(64), 'é'.repeat(32), 'a\0b', '\ud800'])('F79 refuses the schema %j', (schema) => {
    expect(() => postgresStore({ pool, schema })).toThrow(ConfigurationError);
  });

  it('accepts the longest name', async () => {
    await expect(
      postgresStore({ pool, schema: newSchema().padEnd(63, 'x') }).migrate(),
    ).resolves.toBeUndefined();
  });

  it('refuses tables of another program and of a later version, and changes nothing', async () => {
    const foreign = newSchema();
    await pool.query(`CREATE SCHEMA "${foreign}" CREATE TABLE hq_row (theirs integer)`);
    const failure = postgresStore({ pool, schema: foreign }).migrate();
    await expect(failure).rejects.toThrow(ConfigurationError);
    await expect(failure).rejects.toThrow('another program');
    const { rows } = await pool.query('SELECT relname FROM pg_class WHERE relnamespace = $1::regnamespace', [
      `"${foreign}"`,
    ]);
    expect(rows).toEqual([{ relname: 'hq_row' }]);

    const later = newSchema();
    const store = postgresStore({ pool, schema: later });
    await store.migrate();
    await pool.query(`UPDATE "${later}".hq_schema SET version = 1000`);
    for (const handle of [store, postgresStore({ pool, schema: later })]) {
      await expect(handle.migrate()).rejects.toThrow('later version');
      await expect(handle.check()).rejects.toThrow(ConfigurationError);
      await expect(handle.cas(grant('u'), null, value())).rejects.toThrow('later version');
    }
    await pool.query(`UPDATE "${later}".hq_schema SET version = 0`);
    await expect(postgresStore({ pool, schema: later }).read(grant('u'))).rejects.toThrow('earlier version');
  });

  it('refuses a database that is not UTF-8', async () => {
    const name = newSchema();
    await pool.query(`CREATE DATABASE "${name}" TEMPLATE template0 ENCODING 'SQL_ASCII'`);
    const url = new URL(POSTGRES_URL);
    url.pathname = `/${name}`;
    const ascii = openPool({ connectionString: url.href });
    await expect(postgresStore({ pool: ascii }).migrate()).rejects.toThrow('UTF8');
  });

  it('refuses options that cannot work', () => {
    for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => postgresStore({ pool, timeoutMs })).toThrow(ConfigurationError);
    }
    for (const wrong of [null, undefined, {}, 'postgres://127.0.0.1']) {
      expect(() => postgresStore({ pool: wrong as PgPool })).toThrow('Pool');
    }
  });
});
