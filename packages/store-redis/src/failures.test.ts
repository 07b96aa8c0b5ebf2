import { inspect } from 'node:util';
import { type CasResult, isHighQError, type StoreRow } from '@hq-oauth/core';
import { findRedisServer, RedisServer } from '@hq-oauth/testkit/servers';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { connect, DRIVERS, type Driver, newPrefix, type OpenClient } from './clients.fixture.ts';
import type { IoredisClient } from './redis-client.ts';
import { type RedisStoreOptions, redisStore } from './redis-store.ts';
import { GRANTS, grant, value, write } from './rows.fixture.ts';

const SECRET = 'a-body-that-no-error-may-show';

describe.skipIf(findRedisServer() === null)('when Redis fails', () => {
  const cleanups: Array<() => unknown> = [];
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  async function start(...args: Parameters<typeof RedisServer.start>): Promise<RedisServer> {
    const server = await RedisServer.start(...args);
    cleanups.push(() => server.stop());
    return server;
  }

  async function open(
    server: RedisServer,
    driver: Driver,
    options: Omit<RedisStoreOptions, 'client'> = {},
  ): Promise<ReturnType<typeof redisStore>> {
    const opened: OpenClient = await connect(driver, server.url);
    cleanups.push(() => opened.close());
    return redisStore({ client: opened.client, ...options });
  }

  async function admin(server: RedisServer): Promise<Redis> {
    const client = new Redis(server.url);
    client.on('error', () => {});
    cleanups.push(() => client.disconnect());
    return client;
  }

  it.each(DRIVERS)(
    'F46 with an append-only file keeps what it acknowledged when it is killed, by %s',
    async (driver) => {
      const server = await start();
      let acknowledged = 0;
      let rev: number | null = null;
      for (let round = 0; round < 3; round += 1) {
        const store = await open(server, driver);
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
          if (acknowledged % 40 === 20) void server.kill();
        }
        await server.start();
        const { row } = await (await open(server, driver)).read(grant('u'));
        // The last write may have been made without its answer having come.
        expect([String(acknowledged), String(acknowledged + 1)]).toContain(row?.body);
        acknowledged = Number(row?.body);
        rev = row?.rev ?? null;
        expect(acknowledged).toBeGreaterThan(40 * round);
      }
    },
  );

  it('F46 without an append-only file has no rows after it was killed, and says so by null', async () => {
    const server = await start({ appendOnly: false });
    const store = await open(server, 'node-redis', { durability: 'cache' });
    const rev = await write(store, grant('u'), null);
    await server.kill();
    await expect(store.read(grant('u'))).rejects.toMatchObject({
      code: 'store_unavailable',
      retryable: true,
    });
    await server.start();
    const again = await open(server, 'node-redis', { durability: 'cache' });
    expect((await again.read(grant('u'))).row).toBeNull();
    expect(await again.list(GRANTS)).toEqual([]);
    expect(await again.cas(grant('u'), rev, value())).toMatchObject({ ok: false, row: null });
    expect(await write(again, grant('u'), null)).toBeGreaterThan(rev);
  });

  it.each(DRIVERS)(
    'F43 gives up on a Redis that is silent, and does not know the outcome, by %s',
    async (driver) => {
      const server = await start();
      const store = await open(server, driver, { timeoutMs: 300 });
      const rev = await write(store, grant('u'), null);
      server.signal('SIGSTOP');
      await expect(store.cas(grant('u'), rev, value({ body: SECRET }))).rejects.toThrow(
        'no answer within 300 ms',
      );
      server.signal('SIGCONT');
      // It was on its way, so it lands after all; the next write expects what is read, not what was known.
      const { row } = await store.read(grant('u'));
      expect(row?.body).toBe(SECRET);
      expect(row?.rev).toBeGreaterThan(rev);
    },
  );

  it.each(DRIVERS)('F45 takes what a promoted replica knows for the truth, by %s', async (driver) => {
    const primary = await start({ args: ['--repl-diskless-sync-delay', '0'] });
    const replica = await start({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    const onPrimary = await open(primary, driver);
    const first = await write(onPrimary, grant('u'), null, { body: 'first' });
    const replicaAdmin = await admin(replica);
    while ((await replicaAdmin.dbsize()) < 2);
    const onReplica = await open(replica, driver);

    // A replica lags behind, so it is never read from.
    for (const operation of [
      () => onReplica.read(grant('u')),
      () => onReplica.list(GRANTS),
      () => onReplica.now(),
      () => onReplica.cas(grant('u'), first, value()),
    ]) {
      const failure = operation();
      await expect(failure).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(failure).rejects.toThrow('replica');
    }

    // The replica takes over without the last write, which the primary had acknowledged.
    await replicaAdmin.replicaof('NO', 'ONE');
    const lost = await write(onPrimary, grant('u'), first, { body: 'second' });
    await primary.kill();
    expect(await onReplica.cas(grant('u'), lost, value())).toMatchObject({
      ok: false,
      row: { rev: first, body: 'first' },
    });
    // Who knows the later one writes it again, as another revision: who saw the lost one has to read again.
    const again = await write(onReplica, grant('u'), first, { body: 'second' });
    expect(again).not.toBe(lost);
    expect(await onReplica.cas(grant('u'), lost, value())).toMatchObject({ ok: false, row: { rev: again } });
  });

  it('F45 F72 redis: refuses who saw a write that is gone, after as many new ones', async () => {
    const client = await admin(await start());
    const prefix = newPrefix();
    const store = redisStore({ client, prefix });
    const kept = await write(store, grant('u'), null);
    const row = `${prefix}:5f1c0de5:grant:row:${Buffer.from('u').toString('hex')}`;
    const bytes = await client.dumpBuffer(row);
    const lost: number[] = [];
    for (let rev = kept; lost.length < 20; lost.push(rev)) rev = await write(store, grant('u'), rev);
    // A store does not fall back and go on within one millisecond.
    for (const now = await store.now(); (await store.now()) < now + 2; );
    await client.restore(row, 0, bytes, 'REPLACE');
    let rev = kept;
    for (const stale of lost) {
      rev = await write(store, grant('u'), rev);
      expect(lost).not.toContain(rev);
      expect(await store.cas(grant('u'), stale, value())).toMatchObject({ ok: false, row: { rev } });
    }
  });

  it('F45 F72 redis: counts on by chance from a row that is ahead of its clock', async () => {
    const client = await admin(await start());
    const prefix = newPrefix();
    const store = redisStore({ client, prefix });
    await write(store, grant('u'), null);
    const ahead = 8e15;
    await client.hset(`${prefix}:5f1c0de5:grant:row:${Buffer.from('u').toString('hex')}`, 'rev', `${ahead}`);
    const steps = new Set<number>();
    for (let rev = ahead, count = 0; count < 20; count += 1) {
      const next = await write(store, grant('u'), rev);
      steps.add(next - rev);
      rev = next;
    }
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(steps.size).toBeGreaterThan(5);
  });

  it.each([':ids', ':ids:connected', ':due'])(
    'writes nothing where another program has a key of the name that ends in %s',
    async (index) => {
      const server = await start();
      const client = await admin(server);
      const prefix = newPrefix();
      const store = await open(server, DRIVERS[0], { prefix });
      const rev = await write(store, grant('u'), null, { state: 'pending' });
      await client.del(`${prefix}:5f1c0de5:grant${index}`);
      await client.set(`${prefix}:5f1c0de5:grant${index}`, 'no set');
      await expect(store.cas(grant('v'), null, value({ dueAt: 1 }))).rejects.toThrow(
        'another program has keys',
      );
      expect((await store.read(grant('v'))).row).toBeNull();
      await expect(store.cas(grant('u'), rev, value({ dueAt: 1 }))).rejects.toThrow(
        'another program has keys',
      );
      expect((await store.read(grant('u'))).row).toMatchObject({ rev });
    },
  );

  it('keeps a login whose end is further off than Redis can count', async () => {
    const server = await start();
    const store = await open(server, DRIVERS[0], { prefix: newPrefix() });
    const login = { ...grant('u'), kind: 'login' } as const;
    expect(await store.cas(login, null, value({ expiresAt: 1e300 }))).toMatchObject({ ok: true });
    expect((await store.read(login)).row).toMatchObject({ expiresAt: 1e300 });
  });

  it('goes on when Redis has forgotten the scripts', async () => {
    const server = await start();
    const client = await admin(server);
    for (const driver of DRIVERS) {
      const store = await open(server, driver, { prefix: newPrefix() });
      await client.script('FLUSH');
      const rev = await write(store, grant('u'), null);
      await client.script('FLUSH');
      expect(await store.read(grant('u'))).toMatchObject({ row: { rev } });
    }
  });

  it('F49 tells a write that the client sent twice from a refusal', async () => {
    const client = await admin(await start());
    let row: StoreRow | null = null;
    const twice: IoredisClient = {
      async evalsha(sha, count, ...rest) {
        await client.evalsha(sha, count, ...rest);
        return client.evalsha(sha, count, ...rest);
      },
      eval: (source, count, ...rest) => client.eval(source, count, ...rest),
    };
    const once = redisStore({ client });
    const resending = redisStore({ client: twice });
    await once.cas(grant('warm'), null, value());
    let before: number | null = null;
    let rev: number | null = null;
    for (const body of ['0', '1', '2']) {
      before = rev;
      rev = await write(resending, grant('u'), before, { body });
      row = (await once.read(grant('u'))).row;
      expect(row).toMatchObject({ rev, body });
    }
    // The same value by another call is another write.
    expect(await once.cas(grant('u'), before, value({ body: '2' }))).toMatchObject({ ok: false, row });
  });

  it('F49 sends a write once, and rejects when its answer is lost', async () => {
    const client = await admin(await start());
    const store = redisStore({ client });
    const rev = await write(store, grant('u'), null);
    let sent = 0;
    const losing: IoredisClient = {
      async evalsha(sha, count, ...rest) {
        const reply = await client.evalsha(sha, count, ...rest);
        if (!rest.includes(SECRET)) return reply;
        sent += 1;
        throw new Error('Connection is closed.');
      },
      eval: (source, count, ...rest) => client.eval(source, count, ...rest),
    };
    const losingStore = redisStore({ client: losing });
    await expect(losingStore.cas(grant('u'), rev, value({ body: SECRET }))).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(sent).toBe(1);
    const { row } = await store.read(grant('u'));
    expect(row?.body).toBe(SECRET);
    expect(row?.rev).toBeGreaterThan(rev);
  });

  it.each(DRIVERS)('F96 shows no body in an error, by %s', async (driver) => {
    const server = await start();
    const client = await admin(server);
    const prefix = newPrefix();
    const store = await open(server, driver, { prefix, timeoutMs: 300 });
    await store.check();
    const failures: unknown[] = [];
    const fail = async (): Promise<void> => {
      const refusal = store.cas(grant('u'), null, value({ body: SECRET }));
      failures.push(await refusal.catch((error: unknown) => error));
    };
    await client.set(`${prefix}:5f1c0de5:grant:row:${Buffer.from('u').toString('hex')}`, 'no hash');
    await fail();
    await client.flushall();
    await client.config('SET', 'maxmemory', '1');
    await fail();
    await client.config('SET', 'maxmemory', '0');
    await client.acl('SETUSER', 'default', '-evalsha', '-eval');
    await fail();
    server.signal('SIGSTOP');
    await fail();
    server.signal('SIGCONT');
    await server.kill();
    await fail();
    const messages = failures.map((error) => (isHighQError(error) ? error.message : 'not ours'));
    expect(messages).toEqual([
      expect.stringContaining('another program has keys'),
      expect.stringContaining('memory is used up'),
      expect.stringContaining('lacks a right'),
      expect.stringContaining('no answer within 300 ms'),
      expect.stringContaining('did not answer'),
    ]);
    for (const error of failures) {
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
      expect(JSON.stringify(error)).not.toContain(SECRET);
    }
  });
});
