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

/** What a call tells the hook below: its body comes in a request of the caller's. */
interface Given {
  readonly highqStream?: boolean;
}

interface Replays {
  readonly replay?: Replay;
}

export type ClientFetch = (
  input: Request,
  init: RequestInit & Replays,
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
  const client = ky.create({
    prefix,
    timeout: timeoutMs,
    hooks: {
      init: [
        (options) => {
          const { highqStream = false } = options as Given;
          const { body, json } = options;
          const streamed = json === undefined && (body == null ? highqStream : !isInMemory(body));
          // ky copies a body that it may have to send again, and a copy of a stream grows in memory as long as it is
          // read. Nor can it tell a long upload from one that hangs.
          if (streamed) {
            options.retry = 0;
            if (options.timeout === timeoutMs) options.timeout = false;
          }
          const { throwHttpErrors: throws = true } = options;
          const returnsDenial = typeof throws === 'function' ? !throws(403) : !throws;
          Object.assign(options, { highq: { resendable: !streamed, returnsDenial }, highqStream: undefined });
        },
      ],
    },
    async fetch(input, init) {
      const { highq, highqStream: _, ...rest } = (init ?? {}) as RequestInit & Told & Given & Replays;
      const request = input instanceof Request ? input : new Request(input);
      const response = await fetch(request, rest, highq?.resendable ?? false);
      if (isDenial(response) && !highq?.returnsDenial) throw await permissionDenied(response, connectionId);
      return response;
    },
  });
  return watched(client) as HighQClient;
}

/** The hook sees options only: the body of a request that is given as a whole may be a stream as well. */
function watched(client: KyInstance): KyInstance {
  const given = (input: Input, options?: Options): Options | undefined =>
    input instanceof Request && input.body !== null
      ? ({ ...options, highqStream: true } as Options & Given)
      : options;
  const call = (input: Input, options?: Options): ResponsePromise => client(input, given(input, options));
  const methods = ['get', 'post', 'put', 'patch', 'head', 'delete'] as const;
  return Object.assign(call, client, {
    ...Object.fromEntries(
      methods.map((name) => [
        name,
        (input: Input, options?: Options) => client[name](input, given(input, options)),
      ]),
    ),
    create: (options?: Options) => watched(client.create(options)),
    extend: (options: Parameters<KyInstance['extend']>[0]) => watched(client.extend(options)),
  }) as KyInstance;
}
