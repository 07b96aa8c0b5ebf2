import ky, { type Input, type KyInstance, type Options, type ResponsePromise } from 'ky';
import { permissionDenied } from './api-answer.ts';
import { isInMemory, type Replay } from './api-call.ts';
import { isDenial } from './api-client.ts';

/** ky's options, and which calls may be sent twice. */
export interface ClientOptions extends Options {
  /** As `replay` of `connection.fetch`. @default 'idempotent' */
  readonly replay?: Replay;
}

type Call = <T = unknown>(url: Input, options?: ClientOptions) => ResponsePromise<T>;

/** A ky instance for one connection's API calls. */
export interface HighQClient extends KyInstance {
  <T = unknown>(url: Input, options?: ClientOptions): ResponsePromise<T>;
  get: Call;
  post: Call;
  put: Call;
  patch: Call;
  head: Call;
  delete: Call;
}

/** What the hook below tells the fetch of the same call; ky hands on whatever it does not know. */
interface Told {
  readonly highq?: { readonly resendable: boolean; readonly returnsDenial: boolean };
}

export type ClientFetch = (
  input: Request,
  init: RequestInit & { readonly replay?: Replay },
  resendable: boolean,
) => Promise<Response>;

/**
 * ky on this connection's fetch. ky's own retries (5xx, 429 with `Retry-After`) ask for a token anew each time.
 * A denial is thrown as PermissionDeniedError, unless `throwHttpErrors` says that a 403 is to be returned.
 */
export function connectionClient(settings: {
  readonly prefix: string;
  readonly timeoutMs: number;
  readonly connectionId: string;
  readonly fetch: ClientFetch;
}): HighQClient {
  const { prefix, timeoutMs, connectionId, fetch } = settings;
  return ky.create({
    prefix,
    timeout: timeoutMs,
    hooks: {
      init: [
        (options) => {
          const streamed = options.body != null && options.json === undefined && !isInMemory(options.body);
          // ky copies a body that it may have to send again, and a copy of a stream grows in memory as long as it is
          // read. Nor can it tell a long upload from one that hangs.
          if (streamed) {
            options.retry = 0;
            if (options.timeout === timeoutMs) options.timeout = false;
          }
          const { throwHttpErrors: throws = true } = options;
          const returnsDenial = typeof throws === 'function' ? !throws(403) : !throws;
          Object.assign(options, { highq: { resendable: !streamed, returnsDenial } });
        },
      ],
    },
    async fetch(input, init) {
      const { highq, ...rest } = (init ?? {}) as RequestInit & Told & { readonly replay?: Replay };
      const request = input instanceof Request ? input : new Request(input);
      const response = await fetch(request, rest, highq?.resendable ?? false);
      if (isDenial(response) && !highq?.returnsDenial) throw await permissionDenied(response, connectionId);
      return response;
    },
  }) as HighQClient;
}
