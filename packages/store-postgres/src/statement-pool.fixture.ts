import type { Pool, PoolClient } from 'pg';
import type { PgClient, PgPool, PgStatement } from './postgres-pool.ts';

/**
 * What a proxy makes of a pool when it hands out connections by transaction: each goes to another connection than the
 * one before, which has lost everything that its session knew.
 */
export function transactionPooling(
  pool: Pool,
  beforeStatement: (text: string) => Promise<void> | void = () => {},
): PgPool {
  return {
    async connect(): Promise<PgClient> {
      let held: PoolClient | null = null;
      return {
        async query({ text, values }: PgStatement) {
          await beforeStatement(text);
          const client = held ?? (await pool.connect());
          held = text.startsWith('BEGIN') ? client : held;
          try {
            return await client.query({ text, values });
          } finally {
            if (held === null || /^(COMMIT|ROLLBACK)/.test(text)) {
              held = null;
              await client.query('DISCARD ALL');
              // For good: the next one is a connection that has never seen us.
              client.release(true);
            }
          }
        },
        release() {},
        on() {},
        removeListener() {},
      };
    },
  };
}
