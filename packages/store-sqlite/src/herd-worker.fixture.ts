import { createTokenManager } from '@hq-oauth/core';
import { sqliteStore } from './index.ts';

/** One of several processes on one file. Takes its orders from its parent and answers each with what it saw. */
export type Order =
  | { readonly kind: 'call'; readonly callers: number }
  | { readonly kind: 'disconnect' }
  | { readonly kind: 'end' };
export interface Report {
  readonly fingerprints: readonly string[];
  readonly failures: readonly string[];
}

const [path = ''] = process.argv.slice(2);
const store = sqliteStore({ path });
const manager = createTokenManager({ store });
const connection = manager.connection('shared');

async function carryOut(order: Order): Promise<Report> {
  switch (order.kind) {
    case 'call': {
      const calls = Array.from({ length: order.callers }, () => connection.getAccessToken());
      const results = await Promise.allSettled(calls);
      const failures = results.flatMap((result) =>
        result.status === 'rejected' ? [String(result.reason)] : [],
      );
      const tokens = new Set(
        results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
      );
      const status = await connection.status();
      return { fingerprints: [...tokens].map(() => status.access?.fingerprint ?? ''), failures };
    }
    case 'disconnect':
      await connection.disconnect();
      return { fingerprints: [], failures: [] };
    case 'end':
      await manager.close();
      await store.close();
      return { fingerprints: [], failures: [] };
    default:
      return order satisfies never;
  }
}

process.on('message', (order: Order) => {
  carryOut(order).then(
    (report) => {
      process.send?.(report);
      if (order.kind === 'end') process.disconnect();
    },
    (error: unknown) => process.send?.({ fingerprints: [], failures: [String(error)] }),
  );
});
process.send?.({ fingerprints: [], failures: [] });
