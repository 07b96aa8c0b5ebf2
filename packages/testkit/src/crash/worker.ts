import { flushCompileCache } from 'node:module';
import {
  createTokenManager,
  isHighQError,
  type Journal,
  storeJournal,
  type TokenManager,
  type TokenStore,
} from '@hq-oauth/core';
import { fileJournal } from '@hq-oauth/core/file-journal';
import { followClock } from '@hq-oauth/core/testing';
import { digestOf } from '../digest.ts';
import { onVirtualTime } from '../herd/virtual-time.ts';
import { trapFirstByte, trappedJournal, trappedStore } from './trapped.ts';
import { type Trap, Traps } from './traps.ts';

/** What a process of the crash suite is started with, as JSON in its environment. */
export interface CrashSetup {
  readonly traps: readonly Trap[];
  /** `file`: in `journalDir`; `store`: the worker's second store. */
  readonly journals: readonly ('file' | 'store')[];
  readonly journalDir: string;
  readonly timeScale: number;
  /** How long its calls wait for a refresh. */
  readonly waitMs: number;
}

/** Seldom: calls read the clock, and so does who is told to. */
const POLL_MS = 500;
export const SETUP_VARIABLE = 'HQ_CRASH_SETUP';

export type CrashOrder =
  | { readonly kind: 'call'; readonly connection: string }
  | { readonly kind: 'calls'; readonly connection: string; readonly count: number }
  | { readonly kind: 'go-on'; readonly connection: string }
  /** Reads the emulator's clock. */
  | { readonly kind: 'sync' }
  | { readonly kind: 'disconnect'; readonly connection: string }
  /** From now on, calls go to a second manager of the same process. */
  | { readonly kind: 'second-manager' }
  | { readonly kind: 'close' };

/** How one call ended. `digest`: of the access token. */
export type CallResult =
  | { readonly kind: 'token'; readonly digest: string }
  | {
      readonly kind: 'error';
      readonly code: string;
      readonly reason: string | null;
      readonly retryable: boolean;
      readonly retryAfterMs: number | null;
    };

export type CrashMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reached'; readonly connection: string }
  | { readonly kind: 'answer'; readonly id: number; readonly results: readonly CallResult[] };

export interface CrashWorkerOptions {
  readonly store: TokenStore;
  /** A second store beside `store`, for processes that keep a journal in one. */
  readonly journalStore: () => TokenStore;
  /** Frees what the stores were opened with. */
  readonly end?: () => Promise<void> | void;
}

/**
 * Makes this process one of the crash suite's: it takes orders from its parent and is taken down by it, or by itself.
 *
 * @example
 * const [path = ''] = process.argv.slice(2);
 * workInCrash({ store: sqliteStore({ path }), journalStore: () => sqliteStore({ path: `${path}.journal` }) });
 */
export function workInCrash(options: CrashWorkerOptions): void {
  const setup = JSON.parse(process.env[SETUP_VARIABLE] ?? '') as CrashSetup;
  const send = (message: CrashMessage): void => void process.send?.(message);
  const terminating = Promise.withResolvers<void>();
  const traps = new Traps(setup.traps, {
    tell: (connection) => send({ kind: 'reached', connection }),
    terminating: terminating.promise,
  });
  trapFirstByte(traps);
  const clock = followClock(process.env.HIGHQ_TEST_CLOCK ?? '', { pollMs: POLL_MS });
  const opened: TokenStore[] = [options.store];

  const openJournal = (kind: 'file' | 'store'): Journal => {
    if (kind === 'file') return trappedJournal(fileJournal({ dir: setup.journalDir }), traps);
    const store = options.journalStore();
    opened.push(store);
    return trappedJournal(storeJournal(store), traps);
  };
  const journal = setup.journals.map(openJournal);

  const openManager = (): TokenManager => {
    const manager = createTokenManager({
      store: trappedStore(onVirtualTime(options.store), traps),
      journal,
      clock,
      refresh: { timeScale: setup.timeScale, waitMs: setup.waitMs },
      http: { connectTimeoutMs: 5_000 },
    });
    manager.on('refreshed', ({ connectionId }) => void traps.reach(connectionId, 'listener'));
    return manager;
  };
  let manager = openManager();

  const call = async (connection: string): Promise<CallResult> => {
    try {
      const token = await manager.connection(connection).getAccessToken();
      return { kind: 'token', digest: digestOf(token) };
    } catch (error) {
      if (!isHighQError(error)) throw error;
      const { code, retryable, retryAfterMs = null } = error;
      const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : null;
      return { kind: 'error', code, reason, retryable, retryAfterMs };
    }
  };

  const close = async (): Promise<void> => {
    const closed = manager.close();
    terminating.resolve();
    await closed;
    for (const store of opened) await store.close();
    await options.end?.();
    clock.close();
  };

  const carryOut = async (order: CrashOrder): Promise<readonly CallResult[]> => {
    switch (order.kind) {
      case 'call':
        return [await call(order.connection)];
      case 'calls':
        return Promise.all(Array.from({ length: order.count }, () => call(order.connection)));
      case 'go-on':
        traps.goOn(order.connection);
        return [];
      case 'sync':
        await clock.sync();
        return [];
      case 'disconnect':
        await manager.connection(order.connection).disconnect();
        return [];
      case 'second-manager':
        manager = openManager();
        return [];
      case 'close':
        await close();
        return [];
      default:
        return order satisfies never;
    }
  };

  process.once('SIGTERM', () => void close().then(() => process.disconnect()));
  process.on('message', ({ id, order }: { id: number; order: CrashOrder }) => {
    void carryOut(order).then((results) => {
      send({ kind: 'answer', id, results });
      if (order.kind === 'close') process.disconnect();
    });
  });
  process.once('disconnect', () => process.exit());
  // A process that is killed would not do it.
  flushCompileCache();
  send({ kind: 'ready' });
}
