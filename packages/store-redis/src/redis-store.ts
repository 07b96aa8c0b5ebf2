import {
  type CasResult,
  ConfigurationError,
  isHighQError,
  type ListedRow,
  type ListQuery,
  type ReadResult,
  type StoreKey,
  StoreUnavailableError,
  type StoreValue,
  systemClock,
  systemRandom,
  type TokenStore,
} from '@hq-oauth/core';
import { assertKeeps, type Durability, isDurability } from './durability.ts';
import { hexOf } from './id-hex.ts';
import { type RedisClient, type RunScript, scriptRunner, unavailable } from './redis-client.ts';
import { numberAt, rowAt, rowsIn, textsIn } from './replies.ts';
import { CAS, INFO, LIST_IDS, LIST_ROWS, NOW, READ, type Script } from './scripts.ts';

export interface RedisStoreOptions {
  /** Connected, of `redis` (node-redis: client, cluster or sentinel) or `ioredis`. It stays yours to close. */
  readonly client: RedisClient;
  /**
   * What every key begins with. Needs a hash tag (`{…}`), so that a cluster keeps all keys on one node.
   *
   * @default '{hq}'
   */
  readonly prefix?: string;
  /**
   * What stands behind an acknowledged write. `aof` is checked; the others say that Redis may forget.
   *
   * @default 'aof'
   */
  readonly durability?: Durability;
  /**
   * How long an operation may take, the wait of the client for its connection included. After that it rejects, and
   * its outcome is unknown.
   *
   * @default 5000
   */
  readonly timeoutMs?: number;
}

/** A `TokenStore`, and the check that its first operation makes. */
export interface RedisStore extends TokenStore {
  /**
   * Reads `INFO`. Call it at start to hear of a Redis that is not fit before anybody signs in.
   *
   * @throws ConfigurationError when Redis may evict tokens, or has no append-only file and `durability` is `aof`.
   * @throws StoreUnavailableError when Redis does not answer.
   */
  check(): Promise<void>;
}

/**
 * Rows in Redis 6.2 or later, or Valkey, for any number of processes and machines.
 *
 * Each operation is one script, so it is atomic, and goes by the clock of Redis. A **rejection** means that the outcome
 * is unknown: a `cas` may have been written, or may still be when the client sends it late. How long an acknowledged
 * write is kept is up to the append-only file and the replicas of Redis: see the README of this package.
 *
 * @example
 * const client = await createClient({ url, disableOfflineQueue: true }).connect();
 * const store = redisStore({ client });
 * await store.check();
 * @throws ConfigurationError when an option cannot be used.
 */
export function redisStore(options: RedisStoreOptions): RedisStore {
  const { client, prefix = '{hq}', durability = 'aof', timeoutMs = 5000 } = options;
  const run = scriptRunner(client);
  const problems = [
    ...(/^[^{]*\{[^}]+\}/.test(prefix)
      ? []
      : [{ option: 'store.prefix', problem: 'has no hash tag. Write it with braces: {hq}.' }]),
    ...(isDurability(durability)
      ? []
      : [{ option: 'store.durability', problem: "is none of 'aof', 'journal' and 'cache'." }]),
    ...(Number.isFinite(timeoutMs) && timeoutMs > 0
      ? []
      : [{ option: 'store.timeoutMs', problem: 'is not a positive number of milliseconds.' }]),
  ];
  if (problems.length > 0) throw new ConfigurationError(problems);
  return new ScriptedStore(run, prefix, durability, timeoutMs);
}

class ScriptedStore implements RedisStore {
  readonly name = 'redis';
  readonly needsJournal: boolean;
  readonly #runScript: RunScript;
  readonly #prefix: string;
  readonly #durability: Durability;
  readonly #timeoutMs: number;
  readonly #underWay = new Set<Promise<unknown>>();
  #checked: Promise<void> | null = null;
  #closed = false;

  constructor(runScript: RunScript, prefix: string, durability: Durability, timeoutMs: number) {
    this.#runScript = runScript;
    this.#prefix = prefix;
    this.#durability = durability;
    this.needsJournal = durability === 'journal';
    this.#timeoutMs = timeoutMs;
  }

  check(): Promise<void> {
    return this.#operation(() => {
      this.#checked = this.#check();
      return this.#checked;
    });
  }

  read({ registration, kind, id }: StoreKey): Promise<ReadResult> {
    return this.#operation(async () => {
      const reply = await this.#send(READ, registration, kind, [hexOf(id)]);
      return Object.freeze({ row: rowAt(reply, 1), now: numberAt(reply, 0) });
    });
  }

  cas(
    { registration, kind, id }: StoreKey,
    expectedRev: number | null,
    next: StoreValue,
  ): Promise<CasResult> {
    return this.#operation(async () => {
      const { body, state, dueAt, expiresAt } = next;
      const reply = await this.#send(CAS, registration, kind, [
        hexOf(id),
        expectedRev === null ? '' : String(expectedRev),
        state,
        instantText(dueAt),
        instantText(expiresAt),
        body,
        systemRandom.id(),
        String(Math.floor(systemRandom.float() * 1000)),
      ]);
      const now = numberAt(reply, 1);
      return Object.freeze(
        numberAt(reply, 0) === 1
          ? { ok: true, rev: numberAt(reply, 2), now }
          : { ok: false, row: rowAt(reply, 2), now },
      );
    });
  }

  now(): Promise<number> {
    return this.#operation(async () => numberAt([await this.#send(NOW, '', 'registration', [])], 0));
  }

  list(query: ListQuery): Promise<readonly ListedRow[]> {
    return this.#operation(async () => {
      const { registration, kind, limit, state = '', after, dueBefore } = query;
      if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
        throw new RangeError(`list takes a limit from 1 to 1000, not ${limit}`);
      }
      if (after !== undefined && dueBefore !== undefined) {
        throw new RangeError('list takes either after or dueBefore, not both');
      }
      const due = instantText(dueBefore ?? null);
      const rows: ListedRow[] = [];
      let from = after === undefined ? '' : `(${hexOf(after)}`;
      for (;;) {
        const left = limit - rows.length;
        const found = await this.#send(LIST_IDS, registration, kind, [String(left), state, due, from]);
        const ids = textsIn(found);
        for (let at = 0; at < ids.length; ) {
          const reply = await this.#send(LIST_ROWS, registration, kind, [state, due, ...ids.slice(at)]);
          rows.push(...rowsIn(reply));
          at += Math.max(1, numberAt(reply, 0));
        }
        // Some may have stopped matching between the two scripts: a short page means that there are no more.
        if (dueBefore !== undefined || ids.length < left || rows.length >= limit) return Object.freeze(rows);
        from = `(${ids.at(-1)}`;
      }
    });
  }

  /** Operations that were accepted are carried out first: one of them may hold the only copy of a token. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }

  async #operation<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreUnavailableError('The Redis store was closed.');
    const operation = work();
    this.#underWay.add(operation);
    try {
      return await operation;
    } catch (error) {
      throw isHighQError(error) || error instanceof RangeError ? error : unavailable(error);
    } finally {
      this.#underWay.delete(operation);
    }
  }

  async #send(script: Script, registration: string, kind: string, args: string[]): Promise<unknown> {
    this.#checked ??= this.#check();
    await this.#checked;
    return this.#run(script, registration, kind, args);
  }

  /** Until it has succeeded once, each operation makes it again: Redis may be put right while we run. */
  async #check(): Promise<void> {
    try {
      const info = await this.#run(INFO, '', 'registration', []);
      assertKeeps(String(info), this.#durability);
    } catch (error) {
      this.#checked = null;
      throw error;
    }
  }

  /** Bounded: a client that waits for its connection, or whose connection is silent, would wait without end. */
  async #run(script: Script, registration: string, kind: string, args: string[]): Promise<unknown> {
    const key = `${this.#prefix}:${registrationPart(registration)}:${kind}`;
    const { promise, reject } = Promise.withResolvers<never>();
    const cancel = systemClock.setTimer(
      () => reject(new Error(`no answer within ${this.#timeoutMs} ms`)),
      this.#timeoutMs,
      { keepAlive: true },
    );
    try {
      return await Promise.race([this.#runScript(script, key, [kind, ...args]), promise]);
    } finally {
      cancel();
    }
  }
}

/** Readable as long as it is the hash that managers give; anything else is encoded, behind a mark that no hash has. */
function registrationPart(registration: string): string {
  return /^[0-9a-f]+$/.test(registration) ? registration : `=${hexOf(registration)}`;
}

function instantText(instant: number | null): string {
  if (instant === null) return '';
  if (!Number.isFinite(instant)) throw new RangeError(`an instant is a finite number, not ${instant}`);
  return String(instant);
}
