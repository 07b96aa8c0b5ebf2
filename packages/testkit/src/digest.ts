import { createHash } from 'node:crypto';

/** What a process may tell of a token: enough to compare it by. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 16);
}
