import { createTokenManager, type TokenStore } from '@hq-oauth/core';
import { digestOf } from '../digest.ts';
import { type CasEvent, raceOnCounters } from '../stores/cas-history.ts';
import { onVirtualTime } from './virtual-time.ts';

/** What a herd's parent tells one of its processes. */
export type HerdOrder =
  | { readonly kind: 'call'; readonly callers: number }
  /** Calls to the API, all at once, with a canary to tell a dead token by or without one. */
  | { readonly kind: 'fetch'; readonly paths: readonly string[]; readonly canary: boolean }
  | { readonly kind: 'race'; readonly wins: number; readonly worker: string }
  | { readonly kind: 'end' };

/** What it answers. */
export interface HerdReport {
  /** Of the tokens that callers were handed, once for each different one. */
  readonly digests: readonly string[];
  /** Status and body of each answer of the API. */
  readonly answers: readonly string[];
  readonly failures: readonly string[];
  readonly events: readonly CasEvent[];
}

/** Of the rows that the processes of a herd write without a manager. */
export const HERD_REGISTRATION = '5f1c0de5';
export const HERD_COUNTERS: readonly string[] = ['one', 'two'];
export const HERD_CONNECTION = 'shared';
/** Of a user who may not do everything. */
export const HERD_LIMITED = 'limited';

const NOTHING: HerdReport = { digests: [], answers: [], failures: [], events: [] };

/**
 * Makes this process one of a herd: it takes orders from its parent, answers each, and ends with the last. The
 * manager is set up by the environment that the parent gives. `end`: frees what the store was opened with.
 *
 * @example
 * const [path = ''] = process.argv.slice(2);
 * workInHerd(sqliteStore({ path }));
 */
export function workInHerd(store: TokenStore, end: () => Promise<void> | void = () => {}): void {
  let hasCanary = true;
  const manager = createTokenManager({
    store: onVirtualTime(store),
    // The usual one, where it is on: a second manager without it would set the store's clock by its own.
    canary: ({ userEmail, version }) =>
      hasCanary && userEmail ? `${version}/users/${encodeURIComponent(userEmail)}?type=email` : null,
  });
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
    return { ...NOTHING, digests: [...tokens].map(digestOf), failures };
  };

  const fetchAll = async (paths: readonly string[], canary: boolean): Promise<HerdReport> => {
    hasCanary = canary;
    const limited = manager.connection(HERD_LIMITED);
    const results = await Promise.allSettled(
      paths.map(async (path) => {
        const response = await limited.fetch(path, { headers: { accept: 'application/json' } });
        return `${response.status} ${await response.text()}`;
      }),
    );
    return {
      ...NOTHING,
      answers: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
      failures: results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : [])),
    };
  };

  const carryOut = async (order: HerdOrder): Promise<HerdReport> => {
    switch (order.kind) {
      case 'call':
        return call(order.callers);
      case 'fetch':
        return fetchAll(order.paths, order.canary);
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
