import { request } from 'node:http';

export interface Sent {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>>;
}

export interface Http {
  /** Follows no redirect. `cookie`: of an earlier answer, in the form of a `Cookie` header. */
  send(path: string, sent?: Sent): Promise<Response>;
  /** Signs somebody in to the firm. */
  login(
    fields?: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>;
  /** The `Cookie` header of somebody who is signed in. */
  session(): Promise<string>;
  /** A page, as a browser asks for it. */
  page(path: string, cookie: string): Promise<Response>;
}

/** `cookies` after an answer that sets some. */
export function withCookies(cookies: string, response: Response): string {
  const jar = new Map(
    [...cookies.split('; '), ...response.headers.getSetCookie().map((line) => line.split('; ')[0] ?? '')]
      .filter((pair) => pair !== '')
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair]),
  );
  return [...jar.values()].join('; ');
}

/**
 * Requests to an example at its own address. `acme.localhost` is a name that browsers know and this machine may not, so
 * each goes to 127.0.0.1 and carries the name, which `fetch` does not allow.
 */
export function httpTo(url: string): Http {
  const { host, port } = new URL(url);
  const send: Http['send'] = (path, { method = 'GET', headers = {}, form } = {}) =>
    new Promise((resolve, reject) => {
      const body = form && new URLSearchParams(form).toString();
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          path,
          method,
          agent: false,
          headers: {
            host,
            ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
            ...headers,
          },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () => {
            const received = new Headers();
            for (const [name, values] of Object.entries(answer.headersDistinct)) {
              for (const value of values ?? []) received.append(name, value);
            }
            resolve(
              new Response(Buffer.concat(chunks), { status: answer.statusCode ?? 0, headers: received }),
            );
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  const login: Http['login'] = (fields = {}, headers = {}) =>
    send('/login', {
      method: 'POST',
      form: { email: 'amara@hartwell-lyle.example', password: 'password', ...fields },
      headers: { origin: url, ...headers },
    });
  return {
    send,
    login,
    session: async () => withCookies('', await login()),
    page: (path, cookie) => send(path, { headers: { cookie, accept: 'text/html' } }),
  };
}
