import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { MAX_BODY_BYTES } from './token-response-text.ts';
import { Client, type Dispatcher } from './undici.ts';

/** A complete answer: its length or terminator was satisfied. The body is empty where the status decides alone. */
export interface TokenAnswer {
  readonly status: number;
  readonly contentType: string | null;
  /** `''`: none. */
  readonly contentEncoding: string;
  readonly retryAfter: string | null;
  readonly date: string | null;
  /** Secret. */
  readonly body: Buffer;
}

export type Exchanged =
  | { readonly kind: 'answer'; readonly answer: TokenAnswer }
  /** No byte left: `maySend` said no, or the connection was found closed. */
  | { readonly kind: 'not_sent'; readonly reason: 'lease_too_short' | 'connect_failed' }
  /** A byte may have left, and no complete answer came back. */
  | {
      readonly kind: 'lost';
      readonly reason: 'timeout' | 'reset' | 'too_large';
      readonly status: number | null;
    };

export interface ExchangeOptions {
  /** Connected, TLS included, and never used. Is closed in the end. */
  readonly socket: Socket;
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly maySend: () => boolean;
  readonly decidedByStatus: (status: number) => boolean;
  readonly clock: Clock;
  readonly responseMs: number;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** Interim answers have no end of their own: this many are waited through. */
const MAX_INFORMATIONAL = 100;
/** How often a socket that still delivers is given another turn after the deadline. */
const MAX_LATE_TURNS = 16;

/** One request and one answer over `socket`: no retry, no redirect, nothing kept alive. Never rejects. */
export function exchange(options: ExchangeOptions): Promise<Exchanged> {
  const { socket, url, headers, body, clock } = options;
  let handedOut = false;
  const client = new Client(url.origin, {
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    pipelining: 1,
    // A second connection would be a second request.
    connect(_options, callback) {
      if (handedOut) return callback(new Error('the connection of this request is gone'), null);
      handedOut = true;
      // Not in the same call: the client is still busy with the request that asks for the connection.
      queueMicrotask(() => callback(null, socket));
    },
  });

  return new Promise((resolve) => {
    let sent = false;
    let settled = false;
    let events = 0;
    let status: number | null = null;
    let cancelDeadline = (): void => {};

    const settle = (result: Exchanged): void => {
      if (settled) return;
      settled = true;
      cancelDeadline();
      resolve(result);
      // Not while the client is in the middle of a callback.
      queueMicrotask(() => void client.destroy().catch(() => {}));
    };
    const lose = (reason: 'timeout' | 'reset' | 'too_large'): void =>
      settle({ kind: 'lost', reason, status });

    /**
     * After a stop of the process the deadline fires although the answer lies in the socket's buffer: what is there is
     * read first (F115). A peer that goes on sending gets a few turns, not an endless number. One quiet turn proves
     * nothing: the first may end without a look at the sockets, depending on where in the event loop it began.
     */
    const expire = (turnsLeft: number, quietLeft: number): void => {
      const before = events + socket.bytesRead;
      clock.afterIo(() => {
        if (settled) return;
        const quiet = events + socket.bytesRead === before;
        if (turnsLeft === 0 || (quiet && quietLeft === 1)) lose('timeout');
        else expire(turnsLeft - 1, quiet ? quietLeft - 1 : 2);
      });
    };

    try {
      client.dispatch(
        { method: 'POST', path: url.pathname + url.search, headers, body, reset: true, idempotent: false },
        {
          onRequestStart(controller) {
            if (!allowed(options.maySend)) {
              settle({ kind: 'not_sent', reason: 'lease_too_short' });
              controller.abort(new Error('not sent'));
              return;
            }
            sent = true;
            // Counted from after the first byte: a process that is stopped right before it must not find its deadline
            // over when the request has only just left.
            clock.afterIo(() => {
              if (!settled)
                cancelDeadline = clock.setTimer(() => expire(MAX_LATE_TURNS, 2), options.responseMs);
            });
          },
          ...responseHandler({
            seen: () => {
              events += 1;
            },
            head: (code) => {
              status = code;
              return options.decidedByStatus(code);
            },
            end: (answer) => {
              // A reset right behind a body without a length looks like its end.
              if (socket.errored) lose('reset');
              else settle({ kind: 'answer', answer });
            },
            tooLarge: () => lose('too_large'),
            failed: () => (sent ? lose('reset') : settle({ kind: 'not_sent', reason: 'connect_failed' })),
          }),
        },
      );
    } catch {
      if (sent) lose('reset');
      else settle({ kind: 'not_sent', reason: 'connect_failed' });
    }
  });
}

function allowed(maySend: () => boolean): boolean {
  try {
    return maySend();
  } catch {
    return false;
  }
}

interface ResponseSink {
  /** Something arrived. */
  seen(): void;
  /** The final status; true: the body need not be read. */
  head(status: number): boolean;
  end(answer: TokenAnswer): void;
  tooLarge(): void;
  failed(): void;
}

/** Collects one response within the caps. */
function responseHandler(sink: ResponseSink): Dispatcher.DispatchHandler {
  const chunks: Buffer[] = [];
  let size = 0;
  let informational = 0;
  let head: Omit<TokenAnswer, 'body'> | null = null;
  return {
    onResponseStart(controller, status, headers) {
      sink.seen();
      if (status < 200) {
        informational += 1;
        if (informational <= MAX_INFORMATIONAL) return;
        sink.tooLarge();
        controller.abort(new Error('too many interim answers'));
        return;
      }
      const header = (name: string): string | null => {
        const value = headers[name];
        return value === undefined ? null : String(value);
      };
      head = {
        status,
        contentType: header('content-type'),
        contentEncoding: header('content-encoding') ?? '',
        retryAfter: header('retry-after'),
        date: header('date'),
      };
      if (!sink.head(status)) return;
      sink.end({ ...head, body: Buffer.alloc(0) });
      controller.abort(new Error('the body is not needed'));
    },
    onResponseData(controller, chunk) {
      sink.seen();
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) {
        chunks.push(Buffer.from(chunk));
        return;
      }
      sink.tooLarge();
      controller.abort(new Error('the body is too large'));
    },
    onResponseEnd() {
      if (head) sink.end({ ...head, body: Buffer.concat(chunks) });
    },
    onResponseError(_controller, error) {
      if ('code' in error && error.code === 'UND_ERR_HEADERS_OVERFLOW') sink.tooLarge();
      else sink.failed();
    },
  };
}
