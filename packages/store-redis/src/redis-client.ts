import { ConfigurationError, StoreUnavailableError } from '@hq-oauth/core';
import type { Script } from './scripts.ts';

/** What the store uses of a client, cluster or sentinel of `redis` (node-redis). */
export interface NodeRedisClient {
  evalSha(sha: string, options: ScriptArguments): Promise<unknown>;
  eval(source: string, options: ScriptArguments): Promise<unknown>;
}

interface ScriptArguments {
  keys: string[];
  arguments: string[];
}

/** What the store uses of an `ioredis` client or cluster. */
export interface IoredisClient {
  evalsha(sha: string, keyCount: number, ...rest: string[]): Promise<unknown>;
  eval(source: string, keyCount: number, ...rest: string[]): Promise<unknown>;
}

export type RedisClient = NodeRedisClient | IoredisClient;

/** Runs a script on one key. Rejects with what the driver rejects with. */
export type RunScript = (script: Script, key: string, args: readonly string[]) => Promise<unknown>;

/** Throws `ConfigurationError` for what is neither of the two clients. */
export function scriptRunner(client: RedisClient): RunScript {
  if (isNodeRedis(client)) {
    return (script, key, args) =>
      bySha(
        () => client.evalSha(script.sha, { keys: [key], arguments: [...args] }),
        () => client.eval(script.source, { keys: [key], arguments: [...args] }),
      );
  }
  if (isIoredis(client)) {
    return (script, key, args) =>
      bySha(
        () => client.evalsha(script.sha, 1, key, ...args),
        () => client.eval(script.source, 1, key, ...args),
      );
  }
  throw new ConfigurationError([
    { option: 'store.client', problem: 'is not a client of `redis` (node-redis) or `ioredis`.' },
  ]);
}

/** A Redis that does not know a script has not run it, so sending it in full is no second attempt. */
async function bySha(short: () => Promise<unknown>, full: () => Promise<unknown>): Promise<unknown> {
  try {
    return await short();
  } catch (error) {
    if (codeOf(error) !== 'NOSCRIPT') throw error;
    return full();
  }
}

function isNodeRedis(client: unknown): client is NodeRedisClient {
  return hasMethod(client, 'evalSha') && hasMethod(client, 'eval');
}

function isIoredis(client: unknown): client is IoredisClient {
  return hasMethod(client, 'evalsha') && hasMethod(client, 'eval');
}

function hasMethod(value: unknown, name: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'function';
}

/** The word that an answer of Redis begins with (`READONLY`), or a code of Node (`ECONNREFUSED`). */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : (/^[A-Z]+(?= )/.exec(error.message)?.[0] ?? '');
}

/**
 * What callers get. The driver's own error is not its cause: ioredis keeps the command with its arguments in there,
 * and Redis repeats arguments of a command that it refuses.
 */
export function unavailable(error: unknown): StoreUnavailableError {
  const message = messageOf(error);
  return new StoreUnavailableError(`The Redis store did not answer: ${explain(codeOf(error), message)}`, {
    cause: new Error(message),
  });
}

function messageOf(error: unknown): string {
  // Where a name has several addresses, and none of them can be reached, Node says so without a message of its own.
  const first: unknown = error instanceof AggregateError && error.message === '' ? error.errors[0] : error;
  const message = first instanceof Error ? first.message || first.name : 'unknown error';
  return message.split(/,? with args beginning with/)[0]?.slice(0, 300) ?? '';
}

function explain(code: string, message: string): string {
  switch (code) {
    case 'HQREPLICA':
    case 'READONLY':
      return 'this server is a replica. Connect to the primary: directly, or through a sentinel or cluster client.';
    case 'OOM':
      return 'its memory is used up (maxmemory). Give it more; nothing was written.';
    case 'MISCONF':
      return 'it cannot write to its disk, and takes no writes until it can. See its log.';
    case 'NOPERM':
      return `its user lacks a right (${message}). It needs EVAL, EVALSHA, INFO, TIME, and read and write on keys that begin with the prefix.`;
    case 'WRONGTYPE':
      return 'another program has keys of the same prefix. Give the tokens a prefix of their own.';
    default:
      return message;
  }
}
