import { describe, expect, it } from 'vitest';
import { withConnection } from './connection.ts';
import { Deadline } from './deadline.ts';
import type { PgClient, PgPool } from './postgres-pool.ts';

/** A pool that notes down how its one connection comes back, and `true` where it is to be closed. */
function onePool(more: Partial<PgClient> = {}): { pool: PgPool; returned: unknown[]; give: () => void } {
  const returned: unknown[] = [];
  const gate = Promise.withResolvers<void>();
  const client: PgClient = {
    query: () => Promise.reject(new Error('is not asked')),
    release: (destroy) => void returned.push(destroy ?? false),
    on: () => client,
    removeListener: () => client,
    ...more,
  };
  return { pool: { connect: () => gate.promise.then(() => client) }, returned, give: gate.resolve };
}

const answer = (severity: string, code: string): Error => Object.assign(new Error('no'), { severity, code });

describe('a connection of the pool', () => {
  it.each([
    ['is kept after a refusal', answer('ERROR', '40001'), false],
    ['is closed after a goodbye of the server or of a proxy before it', answer('FATAL', '57P01'), true],
    ['is closed where a transaction of somebody else has failed', answer('ERROR', '25P02'), true],
    ['is closed after an error of the network', Object.assign(new Error('no'), { code: 'ECONNRESET' }), true],
  ])('F49 F51 %s', async (_, error, closed) => {
    const { pool, returned, give } = onePool();
    give();
    await expect(withConnection(pool, null, () => Promise.reject(error))).rejects.toBe(error);
    expect(returned).toEqual([closed]);
  });

  it.each<[string, () => string, boolean]>([
    ['is closed, unused, where a transaction is open', () => 'T', true],
    ['is used where none is', () => 'I', false],
    [
      'is used where the driver cannot tell',
      () => {
        throw new TypeError('this.native.getTransactionStatus is not a function');
      },
      false,
    ],
  ])('F49 %s', async (_, getTransactionStatus, closed) => {
    const { pool, returned, give } = onePool({ getTransactionStatus });
    give();
    let asked = 0;
    const work = async (): Promise<void> => {
      asked += 1;
    };
    await withConnection(pool, null, work).catch(() => {});
    expect([asked, returned]).toEqual([closed ? 0 : 1, [closed]]);
  });

  it('F52 is closed when an operation gives up on it, and given back where it comes too late', async () => {
    const busy = onePool();
    busy.give();
    const silent = (): Promise<never> => new Promise(() => {});
    await expect(withConnection(busy.pool, new Deadline(5), silent)).rejects.toThrow('no answer within');
    expect(busy.returned).toEqual([true]);
    const late = onePool();
    await expect(withConnection(late.pool, new Deadline(5), silent)).rejects.toThrow('no answer within');
    expect(late.returned).toEqual([]);
    late.give();
    await expect.poll(() => late.returned).toEqual([false]);
  });
});
