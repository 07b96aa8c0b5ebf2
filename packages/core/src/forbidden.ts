/**
 * What a 403 means. HighQ answers 403 to an expired token and to a call that the user may not make alike, so the answer
 * itself proves nothing: this decides by evidence, strongest first, and asks for the next piece when it needs one. Pure.
 */

/** No guess, and no canary that is believed, on a token that is younger than this, milliseconds. */
export const YOUNG_TOKEN_MS = 5 * 60_000;
/** One guess per connection and this long, whatever the generation, over all processes. */
export const GUESS_EVERY_MS = 60 * 60_000;

/** - `forbidden`: a 403 of the API. - `unauthorized`: a 401. - `page`: a 403 in HTML, as gateways answer. */
export type Refusal = 'forbidden' | 'unauthorized' | 'page';

/**
 * What a cheap call that this user may always make was answered, sent after the refusal was received.
 *
 * - `allowed`: 2xx, the token lives.
 * - `refused`: 403 or 401, and the same call has been answered 2xx on this grant before.
 * - `page`: 403 in HTML.
 * - `inconclusive`: anything else, or there is no such call.
 */
export type CanaryAnswer = 'allowed' | 'refused' | 'page' | 'inconclusive';

export interface Evidence {
  readonly refusal: Refusal;
  /** The store has a newer grant or generation than the call used, and the call may be made again with it. */
  readonly newer: boolean;
  /** Either clock says that the token of the call has ended. */
  readonly expired: boolean;
  /** Since the token was issued, by the store's clock. */
  readonly tokenAgeMs: number;
  /** This call was found to be a denial a short while ago, and nothing has changed since. */
  readonly remembered: boolean;
  readonly canary: CanaryAnswer | 'unasked';
  /** `ours`: the hour's one guess is on this generation, and its refresh has not come about yet. */
  readonly guess: 'free' | 'ours' | 'spent' | 'unasked';
}

/**
 * - `replay`: a newer token is there. - `renew`: this token is dead. - `pass`: the caller gets the answer as it is.
 * - `ask_canary`, `take_guess`: evidence is missing.
 */
export type Verdict =
  | { readonly kind: 'replay' }
  | { readonly kind: 'renew'; readonly because: 'expired' | 'canary' | 'guess' }
  | {
      readonly kind: 'pass';
      readonly because: 'denied' | 'denied_before' | 'gateway' | 'young_token' | 'guess_spent';
    }
  | { readonly kind: 'ask_canary' }
  | { readonly kind: 'take_guess' };

export function verdictOn(evidence: Evidence): Verdict {
  const { refusal, canary } = evidence;
  if (evidence.newer) return { kind: 'replay' };
  if (evidence.expired) return { kind: 'renew', because: 'expired' };
  if (evidence.remembered) return { kind: 'pass', because: 'denied_before' };
  switch (canary) {
    case 'unasked':
      return { kind: 'ask_canary' };
    case 'allowed':
      return { kind: 'pass', because: refusal === 'page' ? 'gateway' : 'denied' };
    case 'refused':
      return { kind: 'renew', because: 'canary' };
    case 'page':
    case 'inconclusive':
      return withoutCanary(evidence);
    default:
      return canary satisfies never;
  }
}

function withoutCanary({ refusal, canary, tokenAgeMs, guess }: Evidence): Verdict {
  // A page says something about a gateway. Only when the canary is answered by one, too, may it be about the token.
  if (refusal === 'page' && canary !== 'page') return { kind: 'pass', because: 'gateway' };
  if (tokenAgeMs < YOUNG_TOKEN_MS) return { kind: 'pass', because: 'young_token' };
  switch (guess) {
    case 'unasked':
      return { kind: 'take_guess' };
    case 'free':
    case 'ours':
      return { kind: 'renew', because: 'guess' };
    case 'spent':
      return { kind: 'pass', because: 'guess_spent' };
    default:
      return guess satisfies never;
  }
}

/** Whether the hour's guess is free at `now` (store's clock). One that is dated ahead was made by a clock set back. */
export function guessOf(
  record: {
    readonly generation: number;
    readonly guessAt: number | null;
    readonly guessedGeneration: number | null;
  },
  now: number,
): 'free' | 'ours' | 'spent' {
  const { guessAt, guessedGeneration, generation } = record;
  if (guessAt === null || guessAt > now + GUESS_EVERY_MS || guessAt <= now - GUESS_EVERY_MS) return 'free';
  return guessedGeneration === generation ? 'ours' : 'spent';
}

/** What a response is about, or `null`: nothing that a token could be the cause of. */
export function refusalOf(status: number, contentType: string | null): Refusal | null {
  if (status === 401) return 'unauthorized';
  if (status !== 403) return null;
  return /^\s*text\/html\b|^\s*application\/xhtml\+xml\b/i.test(contentType ?? '') ? 'page' : 'forbidden';
}
