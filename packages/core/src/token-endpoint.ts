import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { isHighQError } from './errors.ts';
import type { Timings } from './timings.ts';
import { exchange } from './token-endpoint-exchange.ts';
import { decidedByStatus, outcomeOf, type RefusalShape } from './token-endpoint-outcome.ts';
import { type CertificateAuthorities, ConnectFailedError, dial } from './token-endpoint-socket.ts';
import type { TokenConnection, TokenEndpoint, TokenOutcome, TokenRequest } from './token-outcome.ts';

export type { RefusalShape } from './token-endpoint-outcome.ts';
export { ConnectFailedError, type ConnectFailure } from './token-endpoint-socket.ts';

export interface TokenEndpointOptions {
  /** `https://<host>/<instance>`; a slash at the end does not matter. */
  readonly instanceUrl: string;
  readonly clientId: string;
  /** Asked for each connection: secrets are generated again while a program runs. */
  readonly clientSecret: () => string | Promise<string>;
  readonly timings: Timings;
  readonly clock: Clock;
  /** Which format to ask for; both are read in any case. @default null, no `Accept` header */
  readonly accept?: 'xml' | 'json' | null;
  readonly http?: {
    /** URL of an HTTP proxy, credentials included; tunnelled by CONNECT. */
    readonly proxy?: string | undefined;
    /** PEM, trusted beside the usual authorities. */
    readonly ca?: CertificateAuthorities | undefined;
  };
  readonly refusals?: readonly RefusalShape[];
}

/**
 * `POST {instanceUrl}/api/oauth2/token`, one connection per request. `connect()` rejects with ConnectFailedError, or
 * with the HighQError that `clientSecret` threw. `close()` gives up what has sent nothing; a request that is under way
 * ends by itself, since its answer may hold the only live refresh token.
 */
export function createTokenEndpoint(options: TokenEndpointOptions): TokenEndpoint {
  const { clock, timings } = options;
  const url = new URL(`${options.instanceUrl.replace(/\/+$/, '')}/api/oauth2/token`);
  const refusals = new Set(options.refusals);
  /** Everything that has sent nothing yet: `close()` aborts it. */
  const unsent = new Set<AbortController>();
  let closed = false;

  const open = async (signal: AbortSignal): Promise<{ secret: string; socket: Socket }> => {
    const secret = await resolveSecret(options.clientSecret);
    const { proxy, ca } = options.http ?? {};
    return { secret, socket: await dial({ url, proxy, ca, signal }) };
  };

  const connectionOn = (socket: Socket, secret: string, idle: AbortController): TokenConnection => {
    const unguard = closeOnInput(socket);
    let used = false;
    const send = async (request: TokenRequest, maySend: () => boolean): Promise<TokenOutcome> => {
      // What the peer did while the intent was written, a close above all, is seen before anything is sent.
      await new Promise<void>((resolve) => clock.afterIo(() => clock.afterIo(resolve)));
      unguard();
      unsent.delete(idle);
      if (idle.signal.aborted) return notSent('closing', 'the token endpoint is closing');
      if (socket.destroyed || !socket.writable) {
        return notSent('connect_failed', 'the connection was closed before anything was sent');
      }
      const result = await exchange({
        socket,
        url,
        headers: headersFor(options.accept ?? null),
        body: bodyOf(request, options.clientId, secret),
        maySend,
        decidedByStatus,
        clock,
        responseMs: timings.responseMs,
      });
      switch (result.kind) {
        case 'answer':
          return outcomeOf(result.answer, refusals, clock.now());
        case 'not_sent':
          return notSent(
            result.reason,
            result.reason === 'lease_too_short'
              ? 'too little was left of the lease'
              : 'the connection was closed before anything was sent',
          );
        case 'lost':
          return { kind: 'unknown', reason: result.reason, status: result.status, retryAfterMs: null };
        default:
          return result satisfies never;
      }
    };
    return {
      async send(request, maySend = () => true) {
        if (used) return notSent('connect_failed', 'this connection was used before');
        used = true;
        return send(request, maySend);
      },
      close() {
        if (used) return;
        used = true;
        unsent.delete(idle);
        socket.destroy();
      },
    };
  };

  return {
    async connect() {
      if (closed) throw new ConnectFailedError('closing');
      const controller = new AbortController();
      const { signal } = controller;
      const cancelTimer = clock.setTimer(
        () => controller.abort(new ConnectFailedError('timeout')),
        timings.connectMs,
      );
      const givenUp = new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
      givenUp.catch(() => {});
      unsent.add(controller);
      try {
        const { secret, socket } = await Promise.race([open(signal), givenUp]);
        return connectionOn(socket, secret, controller);
      } catch (error) {
        unsent.delete(controller);
        controller.abort(error);
        throw error;
      } finally {
        cancelTimer();
      }
    },
    async close() {
      closed = true;
      for (const controller of unsent) controller.abort(new ConnectFailedError('closing'));
      unsent.clear();
    },
  };
}

function notSent(reason: 'closing' | 'connect_failed' | 'lease_too_short', detail: string): TokenOutcome {
  return { kind: 'not_sent', reason, retryAfterMs: null, detail };
}

/** What the function throws may quote the secret, so only an error of this library's own is passed on. */
async function resolveSecret(clientSecret: () => string | Promise<string>): Promise<string> {
  let secret: unknown;
  try {
    secret = await clientSecret();
  } catch (error) {
    throw isHighQError(error) ? error : new ConnectFailedError('secret_unavailable');
  }
  if (typeof secret !== 'string' || secret === '') throw new ConnectFailedError('secret_unavailable');
  return secret;
}

/**
 * A peer has nothing to say before it is asked. Without a reader, its close would go unnoticed until the request is
 * written, and the outcome would be in doubt without need. Returns what ends the watch.
 */
function closeOnInput(socket: Socket): () => void {
  const onReadable = (): void => {
    if (socket.read() !== null) socket.destroy();
  };
  const onEnd = (): void => {
    socket.destroy();
  };
  socket.on('readable', onReadable).on('end', onEnd);
  return () => {
    socket.off('readable', onReadable).off('end', onEnd);
  };
}

function headersFor(accept: 'xml' | 'json' | null): Record<string, string> {
  return {
    'content-type': 'application/x-www-form-urlencoded',
    // A compressed answer would have to be bounded twice.
    'accept-encoding': 'identity',
    'user-agent': 'hq-oauth',
    ...(accept === null ? {} : { accept: `application/${accept}` }),
  };
}

function bodyOf(request: TokenRequest, clientId: string, clientSecret: string): string {
  const client = { client_id: clientId, client_secret: clientSecret };
  const form = (members: Record<string, string>): string => new URLSearchParams(members).toString();
  switch (request.grantType) {
    case 'authorization_code': {
      const { grantType, code, codeVerifier } = request;
      const verifier = codeVerifier === undefined ? {} : { code_verifier: codeVerifier };
      return form({ grant_type: grantType, ...client, code, ...verifier });
    }
    case 'refresh_token':
      return form({ grant_type: request.grantType, ...client, refresh_token: request.refreshToken });
    default:
      return request satisfies never;
  }
}
