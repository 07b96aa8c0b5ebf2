import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { Pool } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { postgresStore } from './postgres-store.ts';

/** `type`, length and text of a message of PostgreSQL's protocol. */
function message(type: string, ...parts: readonly (string | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const AUTHENTICATED = message('R', Buffer.alloc(4));
const READY = message('Z', 'I');
const KILLED = message(
  'E',
  'SFATAL\0',
  'C57P01\0',
  'Mterminating connection due to unexpected postmaster exit\0\0',
);

const cleanups: Array<() => Promise<unknown>> = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

describe('a server that is killed while a connection to it is made', () => {
  it.each([
    ['', 2000, false],
    [', nor when both come after the store has given up', 20, true],
  ])(
    'ends no program when its farewell comes in one piece with its welcome%s',
    async (_, timeoutMs, late) => {
      const speak = Promise.withResolvers<void>();
      if (!late) speak.resolve();
      const sockets: Socket[] = [];
      const server = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => {});
        const answer = (): void => void socket.end(Buffer.concat([AUTHENTICATED, READY, KILLED]));
        socket.once('data', () => void speak.promise.then(answer));
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      cleanups.push(async () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
      const address = server.address();
      const port = typeof address === 'object' ? address?.port : undefined;
      const pool = new Pool({ host: '127.0.0.1', port, user: 'hq', ssl: false });
      pool.on('error', () => {});
      cleanups.push(() => pool.end());
      const uncaught: unknown[] = [];
      const note = (error: unknown): void => void uncaught.push(error);
      const others = process.listeners('uncaughtException');
      process.removeAllListeners('uncaughtException').on('uncaughtException', note);
      try {
        const store = postgresStore({ pool, timeoutMs });
        const asked = Array.from({ length: 20 }, () => store.now());
        // More than ten would be taken for a leak, and warned of.
        await expect.poll(() => pool.listenerCount('connect')).toBe(1);
        for (const result of await Promise.allSettled(asked)) {
          expect(result).toMatchObject({ reason: { name: 'StoreUnavailableError' } });
        }
        speak.resolve();
        await expect.poll(() => [pool.listenerCount('connect'), pool.totalCount]).toEqual([0, 0]);
      } finally {
        process.removeListener('uncaughtException', note);
        for (const other of others) process.on('uncaughtException', other);
      }
      expect(uncaught).toEqual([]);
    },
  );
});
