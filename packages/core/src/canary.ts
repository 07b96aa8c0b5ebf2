import type { CallMemory } from './call-memory.ts';
import type { CanaryAnswer } from './forbidden.ts';
import { refusalOf, YOUNG_TOKEN_MS } from './forbidden.ts';

/** What a canary is chosen by. */
export interface CanaryContext {
  readonly connectionId: string;
  readonly userEmail: string | null;
  /** The API version of the call that was refused, such as `6`. */
  readonly version: string;
}

/**
 * A cheap call that this user may always make: its path below `{instanceUrl}/api/`, a function that gives it (`null`:
 * none for this user; what it throws counts as none, and as an anomaly), or `false`: none at all.
 */
export type CanaryOption = false | string | ((context: CanaryContext) => string | null);

/** The user's own record: the one call of which it is known that whoever signed in may make it. */
export function canaryPath(option: CanaryOption | undefined, context: CanaryContext): string | null {
  if (option === false) return null;
  if (typeof option === 'string') return option;
  if (typeof option === 'function') return option(context);
  const { userEmail, version } = context;
  return userEmail === null ? null : `${version}/users/${encodeURIComponent(userEmail)}?type=email`;
}

export interface CanaryToken {
  readonly epoch: number;
  readonly generation: number;
  /** By the store's clock. */
  readonly ageMs: number;
}

/**
 * One canary at a time per connection. Its answer serves every refusal of the same token that was received before it was
 * sent; what it said earlier, or of another token, proves nothing. `send`: makes the call and gives status and content type, `null` if it failed.
 */
export async function askCanary(
  memory: CallMemory,
  received: number,
  token: CanaryToken,
  shell: {
    readonly send: () => Promise<{ readonly status: number; readonly contentType: string | null } | null>;
    readonly struckOff: () => void;
  },
): Promise<CanaryAnswer> {
  const place = `${token.epoch}.${token.generation}`;
  for (;;) {
    if (memory.struckOffOn === place) return 'inconclusive';
    const running = memory.canary;
    if (running === null) break;
    const answer = await running.answer;
    if (running.sent > received && running.place === place) return answer;
    if (memory.canary === running) memory.canary = null;
  }
  const answer = (async (): Promise<CanaryAnswer> => {
    const result = await shell.send();
    if (result === null) return 'inconclusive';
    if (result.status >= 200 && result.status < 300) {
      memory.trustedOn = token.epoch;
      return 'allowed';
    }
    const refusal = refusalOf(result.status, result.contentType);
    if (refusal === null) return 'inconclusive';
    if (refusal === 'page') return memory.trustedOn === token.epoch ? 'page' : 'inconclusive';
    // Also of a fresh token: a call that was allowed on this grant says what it says.
    if (memory.trustedOn === token.epoch) return 'refused';
    // A fresh token is good, as a rule: this user may not make this call. The next token shows whether that was so.
    if (token.ageMs < YOUNG_TOKEN_MS) strikeOff(memory, token, shell.struckOff);
    return 'inconclusive';
  })();
  memory.canary = { sent: memory.next(), place, answer };
  return answer;
}

/** It is not believed again before it was answered again. Told of once per grant. */
export function strikeOff(
  memory: CallMemory,
  { epoch, generation }: Pick<CanaryToken, 'epoch' | 'generation'>,
  tell: () => void,
): void {
  memory.struckOffOn = `${epoch}.${generation}`;
  if (memory.trustedOn === epoch) memory.trustedOn = null;
  if (memory.struckOffTold !== epoch) tell();
  memory.struckOffTold = epoch;
}
