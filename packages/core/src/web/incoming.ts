/** What an adapter knows of a request that came to Node. */
export interface Incoming {
  /** As the framework tells it, which knows whether to trust a proxy: `http` or `https`. */
  readonly protocol: string;
  /** Path and query, as the visitor asked for them. */
  readonly address: string;
  readonly method: string;
  /** Names and values in turn, as Node gives them: those of HTTP/2 are among them, such as `:authority`. */
  readonly rawHeaders: readonly string[];
  /** What a body parser has left. Only the text fields of an object matter to the routes. */
  readonly parsed?: unknown;
  /** The body as it comes; `null`: it has been read. Asked for only where there is a body, and nobody has parsed it. */
  readonly stream?: () => NonNullable<RequestInit['body']> | null;
  readonly signal?: AbortSignal | undefined;
}

/** The standard request for one that came to Node, over HTTP/1 or HTTP/2. */
export function requestOf({
  protocol,
  address,
  method,
  rawHeaders,
  parsed,
  stream,
  signal,
}: Incoming): Request {
  const headers = new Headers();
  let authority = '';
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (!name.startsWith(':')) headers.append(name, value);
    else if (name === ':authority') authority = value;
  }
  const body = method === 'GET' || method === 'HEAD' ? null : (fieldsOf(parsed) ?? stream?.() ?? null);
  return new Request(urlOf(protocol, headers.get('host') ?? authority, address), {
    method,
    headers,
    ...(signal && { signal }),
    ...(body !== null && { body, duplex: 'half' as const }),
  });
}

/** A client chooses its Host header freely: an unusable one must not turn into an error of the server, or another path. */
function urlOf(protocol: string, host: string, address: string): string {
  const url = `${protocol}://${host}${address}`;
  return /^[^\s/?#@\\]+$/.test(host) && URL.canParse(url) ? url : `http://host.invalid${address}`;
}

function fieldsOf(parsed: unknown): URLSearchParams | null {
  if (typeof parsed !== 'object' || parsed === null) return null;
  return new URLSearchParams(
    Object.entries(parsed).filter((field): field is [string, string] => typeof field[1] === 'string'),
  );
}
