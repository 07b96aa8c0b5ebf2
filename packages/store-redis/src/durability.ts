import { ConfigurationError, type ConfigurationProblem } from '@hq-oauth/core';

/**
 * What stands behind a write that Redis has acknowledged.
 *
 * - `aof`: Redis writes an append-only file.
 * - `journal`: Redis may forget, and the manager that uses this store has a `journal` on a disk that outlives it.
 * - `cache`: Redis may forget, and people sign in again when it does.
 */
export type Durability = 'aof' | 'journal' | 'cache';

export function isDurability(value: unknown): value is Durability {
  return value === 'aof' || value === 'journal' || value === 'cache';
}

/** Throws `ConfigurationError` with everything in `info` that lets Redis lose a token unasked. */
export function assertKeeps(info: string, durability: Durability): void {
  const facts = new Map<string, string>();
  for (const [, name = '', value = ''] of info.matchAll(/^([a-z_]+):(.*?)\r?$/gm)) facts.set(name, value);
  const problems: ConfigurationProblem[] = [];
  const policy = facts.get('maxmemory_policy') ?? '';
  // The `volatile-*` policies take only keys with a time to live, which no row with tokens has.
  if (policy.startsWith('allkeys-')) {
    problems.push({
      option: 'store.client',
      problem: `Redis drops any key when its memory is used up (maxmemory-policy ${policy}), tokens too. Set maxmemory-policy to noeviction, or use another Redis for tokens.`,
    });
  }
  if (durability === 'aof' && facts.get('aof_enabled') !== '1') {
    problems.push({
      option: 'store.durability',
      problem:
        "Redis writes no append-only file, so a restart brings back tokens that have been replaced, or none. Set appendonly to yes; or give the manager a `journal` and write durability: 'journal'; or write durability: 'cache' to have people sign in again after a loss.",
    });
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
}
