import type { CasResult } from '@hq-oauth/core';
import { findPostgres, PostgresServer } from '@hq-oauth/testkit/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPool } from './pool.fixture.ts';
import { postgresStore } from './postgres-store.ts';
import { GRANTS, grant, value } from './rows.fixture.ts';

describe.skipIf(findPostgres() === null)('a PostgreSQL that is killed', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server.stop());

  const open = (): ReturnType<typeof postgresStore> =>
    postgresStore({ pool: openPool({ connectionString: server.url }), timeoutMs: 5000 });

  it('keeps what it acknowledged, and F50 as a standby is not read from', async () => {
    await open().migrate();
    const store = open();
    let acknowledged = 0;
    let killed: Promise<void> | null = null;
    let rev: number | null = null;
    for (;;) {
      const result: CasResult | null = await store
        .cas(grant('u'), rev, value({ body: String(acknowledged + 1) }))
        .catch(() => null);
      if (!result) break;
      if (!result.ok) throw new Error('nobody else writes');
      expect(result.rev).toBeGreaterThan(rev ?? 0);
      rev = result.rev;
      acknowledged += 1;
      // Once some writes are through; others are under way.
      if (acknowledged === 40) killed = server.kill();
    }
    await expect(store.read(grant('u'))).rejects.toMatchObject({
      code: 'store_unavailable',
      retryable: true,
    });
    await killed;
    await server.start();
    // By the same handle: its pool connects anew.
    const { row } = await store.read(grant('u'));
    // The last write may have been made without its answer having come.
    expect([String(acknowledged), String(acknowledged + 1)]).toContain(row?.body);
    expect(await store.cas(grant('u'), row?.rev ?? 0, value())).toMatchObject({ ok: true });

    await server.kill();
    await server.start({ standby: true });
    for (const operation of [
      () => store.read(grant('u')),
      () => store.now(),
      () => store.list(GRANTS),
      () => store.list({ ...GRANTS, registration: 'nobody' }),
      () => store.cas(grant('u'), null, value()),
    ]) {
      const failure = operation();
      await expect(failure).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(failure).rejects.toThrow('standby');
    }
  });
});
