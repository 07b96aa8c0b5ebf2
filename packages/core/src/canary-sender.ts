import { apiUrl } from './api-call.ts';
import { type Clock, sleep } from './clock.ts';

/** A canary that is not answered by then proves nothing, milliseconds. */
const CANARY_MS = 10_000;

export interface CanaryReply {
  readonly status: number;
  readonly contentType: string | null;
}

/** Makes the canary's call. `null`: it failed, or took too long. Its answer is not read. */
export function canarySender(settings: {
  /** The API's root. */
  readonly base: URL;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}): (path: string, token: string) => Promise<CanaryReply | null> {
  const { base, fetch, clock } = settings;
  return async (path, token) => {
    const over = new AbortController();
    const late = new AbortController();
    const timer = sleep(clock, CANARY_MS, { signal: over.signal }).then(
      () => late.abort(),
      () => undefined,
    );
    try {
      const response = await fetch(apiUrl(base, path), {
        headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
        redirect: 'manual',
        signal: late.signal,
      });
      await response.body?.cancel().catch(() => undefined);
      return { status: response.status, contentType: response.headers.get('content-type') };
    } catch {
      return null;
    } finally {
      over.abort();
      await timer;
    }
  };
}
