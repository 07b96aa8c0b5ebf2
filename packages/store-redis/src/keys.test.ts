import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, NO_REDIS, newPrefix, type OpenClient, REDIS_URL } from './clients.fixture.ts';
import type { IoredisClient } from './redis-client.ts';
import { redisStore } from './redis-store.ts';
import { GRANTS, grant, login, REGISTRATION, value } from './rows.fixture.ts';

const KIB_256 = 256 * 1024;

describe.skipIf(NO_REDIS)('keys of a Redis store', () => {
  let opened: OpenClient;
  let raw: Redis;
  beforeAll(async () => {
    opened = await connect('node-redis');
    raw = new Redis(REDIS_URL);
  });
  afterAll(() => {
    opened.close();
    raw.disconnect();
  });

  async function keysOf(prefix: string): Promise<string[]> {
    return (await raw.keys('*')).filter((key) => key.startsWith(prefix)).sort();
  }

  it('F79 hold nothing of a hostile id but its digits', async () => {
    const prefix = newPrefix();
    const store = redisStore({ client: opened.client, prefix });
    const hostile = ["'; FLUSHALL", '*', '{}', '}{other}', '\r\nDEL x\r\n', ':row:', 'x'.repeat(10_240)];
    for (const text of hostile) {
      await store.cas(grant(text), null, value({ dueAt: 1 }));
      await store.cas({ ...grant(text), registration: text }, null, value());
    }
    const keys = await keysOf(prefix);
    expect(keys.length).toBeGreaterThan(hostile.length * 2);
    for (const key of keys)
      expect(key.slice(prefix.length)).toMatch(/^:=?[0-9a-f]+:grant:(row:[0-9a-f]*|ids(:connected)?|due)$/);
  });

  it('a page is full although rows stop matching while it is put together', async () => {
    const prefix = newPrefix();
    const { client } = opened;
    const plain = redisStore({ client, prefix });
    const ids = Array.from({ length: 30 }, (_, index) => `u${String(index).padStart(2, '0')}`);
    for (const id of ids) await plain.cas(grant(id), null, value());
    let scripts = 0;
    // Between the script that finds ids and the one that reads rows, somebody disconnects the second of them.
    const between = new Proxy(client, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return async (...args: unknown[]) => {
          scripts += name === 'evalSha' || name === 'eval' ? 1 : 0;
          if (scripts === 3) {
            scripts += 1;
            const { row } = await plain.read(grant('u01'));
            await plain.cas(grant('u01'), row?.rev ?? null, value({ state: 'disconnected' }));
          }
          return Reflect.apply(method, target, args);
        };
      },
    });
    const store = redisStore({ client: between, prefix });
    const page = await store.list({
      registration: REGISTRATION,
      kind: 'grant',
      state: 'connected',
      limit: 10,
    });
    expect(page.map(({ id }) => id)).toEqual(ids.filter((id) => id !== 'u01').slice(0, 10));
  });

  it('F47 have no time to live unless they are of a login that ends', async () => {
    const prefix = newPrefix();
    const store = redisStore({ client: opened.client, prefix });
    const now = await store.now();
    await store.cas(grant('u'), null, value({ dueAt: now, expiresAt: now + 1000 }));
    await store.cas(
      { registration: REGISTRATION, kind: 'registration', id: 'r' },
      null,
      value({ expiresAt: now }),
    );
    await store.cas(login('ends'), null, value({ expiresAt: now + 3_600_000 }));
    await store.cas(login('stays'), null, value({ expiresAt: now + 3_600_000 }));
    const { row } = await store.read(login('stays'));
    await store.cas(login('stays'), row?.rev ?? null, value());
    const ttls: Record<string, number> = {};
    for (const key of await keysOf(prefix)) ttls[key] = await raw.pttl(key);
    const ending = `${prefix}:${REGISTRATION}:login:row:${Buffer.from('ends').toString('hex')}`;
    expect(ttls[ending]).toBeGreaterThan(3_500_000);
    expect(Object.entries(ttls).filter(([key, ttl]) => ttl !== -1 && key !== ending)).toEqual([]);
    expect(Object.keys(ttls).length).toBeGreaterThan(6);
  });

  it('of logins that were given up are removed by later logins, a few at a time', async () => {
    const prefix = newPrefix();
    const store = redisStore({ client: opened.client, prefix });
    const now = await store.now();
    const base = `${prefix}:${REGISTRATION}:login`;
    const abandoned = Array.from({ length: 50 }, (_, index) => `given up ${index}`);
    for (const id of abandoned) {
      await store.cas(login(id), null, value({ expiresAt: now + 3_600_000, dueAt: 1 }));
    }
    // Their time is over without anybody having waited for it.
    for (const id of abandoned) await raw.zadd(`${base}:exp`, 1, Buffer.from(id).toString('hex'));
    for (const left of [31, 12, 3, 4]) {
      await store.cas(login(`later ${left}`), null, value({ state: 'pending' }));
      // What was over, and the later ones.
      expect(await raw.zcard(`${base}:ids`)).toBe(left);
    }
    expect(await raw.exists(`${base}:exp`, `${base}:due`, `${base}:ids:connected`)).toBe(0);
    expect((await keysOf(prefix)).filter((key) => key.includes(':row:'))).toHaveLength(4);
  });

  it('that an index still names after Redis has removed the row are passed over', async () => {
    const prefix = newPrefix();
    const store = redisStore({ client: opened.client, prefix });
    for (const id of ['a', 'b', 'c']) await store.cas(login(id), null, value({ dueAt: 1 }));
    await raw.del(`${prefix}:${REGISTRATION}:login:row:${Buffer.from('b').toString('hex')}`);
    const all = { registration: REGISTRATION, kind: 'login', limit: 2 } as const;
    for (const query of [all, { ...all, dueBefore: 1 }, { ...all, state: 'connected' as const }]) {
      expect((await store.list(query)).map(({ id }) => id)).toEqual(['a', 'c']);
    }
    expect(await store.cas(login('b'), null, value({ state: 'pending' }))).toMatchObject({
      ok: true,
    });
    const connected = await store.list({ ...all, limit: 9, state: 'connected' });
    expect(connected.map(({ id }) => id)).toEqual(['a', 'c']);
    expect((await store.list({ ...all, state: 'pending' })).map(({ id }) => id)).toEqual(['b']);
    expect((await store.list({ ...all, limit: 9, dueBefore: 1 })).map(({ id }) => id)).toEqual(['a', 'c']);
  });

  it('list rows with large bodies whole and in order, in several replies', async () => {
    const replies: number[] = [];
    const client: IoredisClient = {
      async evalsha(...args) {
        const reply = await raw.evalsha(...args);
        replies.push(JSON.stringify(reply).length);
        return reply;
      },
      eval: (...args) => raw.eval(...args),
    };
    const store = redisStore({ client, prefix: newPrefix() });
    const ids = Array.from({ length: 30 }, (_, index) => String(index).padStart(3, '0'));
    const bodyOf = (id: string): string => id.padEnd(KIB_256, '.');
    for (const [index, id] of ids.entries()) {
      await store.cas(grant(id), null, value({ body: bodyOf(id), dueAt: 1000 - index }));
    }
    const listed = await store.list(GRANTS);
    expect(listed.map(({ id }) => id)).toEqual(ids);
    // A script stops all of Redis while it runs.
    expect(Math.max(...replies)).toBeGreaterThan(KIB_256);
    expect(Math.max(...replies)).toBeLessThan(6 * KIB_256);
    expect(listed.every(({ id, body }) => body === bodyOf(id))).toBe(true);
    const due = await store.list({ ...GRANTS, dueBefore: 990, limit: 7 });
    expect(due.map(({ id }) => id)).toEqual(ids.slice(10).toReversed().slice(0, 7));
  });
});
