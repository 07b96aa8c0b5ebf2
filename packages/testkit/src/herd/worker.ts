import { createTokenManager, type TokenStore } from '@hq-oauth/core';
import { type CasEvent, raceOnCounters } from '../stores/cas-history.ts';
import { onVirtualTime } from './virtual-time.ts';

/** What a herd's parent tells one of its processes. */
export type HerdOrder =
  | { readonly kind: 'call'; readonly callers: number }
  | { readonly kind: 'race'; readonly wins: number; readonly worker: string }
  | { readonly kind: 'end' };

/** What it answers. */
export interface HerdReport {
  /** Of the token that callers were handed, once for each different one. */
  readonly fingerprints: readonly string[];
  readonly failures: readonly string[];
  readonly events: readonly CasEvent[];
}

/** Of the rows that the processes of a herd write without a manager. */
export const HERD_REGISTRATION = '5f1c0de5';
export const HERD_COUNTERS: readonly string[] = ['one', 'two'];
export const HERD_CONNECTION = 'shared';

const NOTHING: HerdReport = { fingerprints: [], failures: [], events: [] };

/**
 * Makes this process one of a herd: it takes orders from its parent, answers each, and ends with the last. The
 * manager is set up by the environment that the parent gives. `end`: frees what the store was opened with.
 *
 * @example
 * const [path = ''] = process.argv.slice(2);
 * workInHerd(sqliteStore({ path }));
 */
export function workInHerd(store: TokenStore, end: () => Promise<void> | void = () => {}): void {
  const manager = createTokenManager({ store: onVirtualTime(store) });
  const connection = manager.connection(HERD_CONNECTION);

  const call = async (callers: number): Promise<HerdReport> => {
    const results = await Promise.allSettled(
      Array.from({ length: callers }, () => connection.getAccessToken()),
    );
    const tokens = new Set<string>();
    const failures: string[] = [];
    for (const result of results) {
      if (result.status === 'fulfilled') tokens.add(result.value);
      else failures.push(String(result.reason));
    }
    const { access } = await connection.status();
    return { ...NOTHING, fingerprints: [...tokens].map(() => access?.fingerprint ?? ''), failures };
  };

  const carryOut = async (order: HerdOrder): Promise<HerdReport> => {
    switch (order.kind) {
      case 'call':
        return call(order.callers);
      case 'race': {
        const { wins, worker } = order;
        const workload = {
          registration: HERD_REGISTRATION,
          counters: HERD_COUNTERS,
          until: { wins },
          worker,
        };
        return { ...NOTHING, events: await raceOnCounters(store, workload) };
      }
      case 'end':
        await manager.close();
        await store.close();
        await end();
        return NOTHING;
      default:
        return order satisfies never;
    }
  };

  process.on('message', (order: HerdOrder) => {
    carryOut(order)
      .catch((error: unknown): HerdReport => ({ ...NOTHING, failures: [String(error)] }))
      .then((report) => {
        process.send?.(report);
        if (order.kind === 'end') process.disconnect();
      });
  });
  process.send?.(NOTHING);
}
