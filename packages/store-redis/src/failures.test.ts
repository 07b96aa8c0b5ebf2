import { inspect } from 'node:util';
import { isHighQError, type StoreRow } from '@hq-oauth/core';
import { findRedisServer, RedisServer } from '@hq-oauth/testkit/servers';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { connect, DRIVERS, type Driver, newPrefix, type OpenClient } from './clients.fixture.ts';
import type { IoredisClient } from './redis-client.ts';
import { type RedisStoreOptions, redisStore } from './redis-store.ts';
import { GRANTS, grant, value } from './rows.fixture.ts';

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
      for (let round = 0; round < 3; round += 1) {
        const store = await open(server, driver);
        let stopped = false;
        const writer = (async () => {
          for (let rev = acknowledged; !stopped; rev += 1) {
            const result = await store
              .cas(grant('u'), rev === 0 ? null : rev, value({ body: String(rev + 1) }))
              .catch(() => null);
            if (!result) break;
            expect(result.ok).toBe(true);
            acknowledged = rev + 1;
            // Once some writes are through; others are under way.
            if (acknowledged % 40 === 20) void server.kill();
          }
        })();
        await writer;
        stopped = true;
        await server.start();
        const { row } = await (await open(server, driver)).read(grant('u'));
        // The last write may have been made without its answer having come.
        expect([acknowledged, acknowledged + 1]).toContain(row?.rev);
        expect(row?.body).toBe(String(row?.rev));
        acknowledged = row?.rev ?? 0;
        expect(acknowledged).toBeGreaterThan(40 * round);
      }
    },
  );

  it('F46 without an append-only file has no rows after it was killed, and says so by null', async () => {
    const server = await start({ appendOnly: false });
    const store = await open(server, 'node-redis', { durability: 'cache' });
    await store.cas(grant('u'), null, value());
    await server.kill();
    await expect(store.read(grant('u'))).rejects.toMatchObject({
      code: 'store_unavailable',
      retryable: true,
    });
    await server.start();
    const again = await open(server, 'node-redis', { durability: 'cache' });
    expect((await again.read(grant('u'))).row).toBeNull();
    expect(await again.list(GRANTS)).toEqual([]);
    expect(await again.cas(grant('u'), 1, value())).toMatchObject({ ok: false, row: null });
    expect(await again.cas(grant('u'), null, value())).toMatchObject({ ok: true, rev: 1 });
  });

  it.each(DRIVERS)(
    'F43 gives up on a Redis that is silent, and does not know the outcome, by %s',
    async (driver) => {
      const server = await start();
      const store = await open(server, driver, { timeoutMs: 300 });
      await store.cas(grant('u'), null, value());
      server.signal('SIGSTOP');
      const write = store.cas(grant('u'), 1, value({ body: SECRET }));
      await expect(write).rejects.toThrow('no answer within 300 ms');
      server.signal('SIGCONT');
      // It was on its way, so it lands after all; the next write expects what is read, not what was known.
      const { row } = await store.read(grant('u'));
      expect(row).toMatchObject({ rev: 2, body: SECRET });
    },
  );

  it.each(DRIVERS)('F45 takes what a promoted replica knows for the truth, by %s', async (driver) => {
    const primary = await start({ args: ['--repl-diskless-sync-delay', '0'] });
    const replica = await start({ args: ['--replicaof', '127.0.0.1', String(primary.port)] });
    const onPrimary = await open(primary, driver);
    await onPrimary.cas(grant('u'), null, value({ body: 'first' }));
    const replicaAdmin = await admin(replica);
    while ((await replicaAdmin.dbsize()) < 2);
    const onReplica = await open(replica, driver);

    // A replica lags behind, so it is never read from.
    for (const operation of [
      () => onReplica.read(grant('u')),
      () => onReplica.list(GRANTS),
      () => onReplica.now(),
      () => onReplica.cas(grant('u'), 1, value()),
    ]) {
      const failure = operation();
      await expect(failure).rejects.toMatchObject({ code: 'store_unavailable' });
      await expect(failure).rejects.toThrow('replica');
    }

    // The replica takes over without the last write, which the primary had acknowledged.
    await replicaAdmin.replicaof('NO', 'ONE');
    expect(await onPrimary.cas(grant('u'), 1, value({ body: 'second' }))).toMatchObject({ ok: true, rev: 2 });
    await primary.kill();
    expect(await onReplica.cas(grant('u'), 2, value())).toMatchObject({
      ok: false,
      row: { rev: 1, body: 'first' },
    });
    // Who knows the later one writes it again.
    expect(await onReplica.cas(grant('u'), 1, value({ body: 'second' }))).toMatchObject({ ok: true, rev: 2 });
  });

  it('goes on when Redis has forgotten the scripts', async () => {
    const server = await start();
    const client = await admin(server);
    for (const driver of DRIVERS) {
      const store = await open(server, driver, { prefix: newPrefix() });
      await client.script('FLUSH');
      expect(await store.cas(grant('u'), null, value())).toMatchObject({ ok: true, rev: 1 });
      await client.script('FLUSH');
      expect(await store.read(grant('u'))).toMatchObject({ row: { rev: 1 } });
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
    for (let rev = 0; rev < 3; rev += 1) {
      const result = await resending.cas(grant('u'), rev === 0 ? null : rev, value({ body: String(rev) }));
      expect(result).toMatchObject({ ok: true, rev: rev + 1 });
      row = (await once.read(grant('u'))).row;
      expect(row).toMatchObject({ rev: rev + 1, body: String(rev) });
    }
    // The same value by another call is another write.
    expect(await once.cas(grant('u'), 2, value({ body: '2' }))).toMatchObject({ ok: false, row });
  });

  it('F49 sends a write once, and rejects when its answer is lost', async () => {
    const client = await admin(await start());
    const store = redisStore({ client });
    await store.cas(grant('u'), null, value());
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
    const write = redisStore({ client: losing }).cas(grant('u'), 1, value({ body: SECRET }));
    await expect(write).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(sent).toBe(1);
    expect((await store.read(grant('u'))).row).toMatchObject({ rev: 2, body: SECRET });
  });

  it.each(DRIVERS)('F96 shows no body in an error, by %s', async (driver) => {
    const server = await start();
    const client = await admin(server);
    const prefix = newPrefix();
    const store = await open(server, driver, { prefix, timeoutMs: 300 });
    await store.check();
    const failures: unknown[] = [];
    const fail = async (): Promise<void> => {
      const write = store.cas(grant('u'), null, value({ body: SECRET }));
      failures.push(await write.catch((error: unknown) => error));
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
