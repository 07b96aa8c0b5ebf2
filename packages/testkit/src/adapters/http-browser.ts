import { request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of the last request, after redirects. */
  readonly url: URL;
}

/** A browser over real HTTP: cookies per host and port, redirects, and the headers that browsers send with them. */
export class HttpBrowser {
  readonly cookies: Map<string, Map<string, string>>;
  /** Every address it was sent to, in order. */
  readonly trail: string[] = [];
  #at: URL | null = null;

  /** Tabs of one browser share their cookies. */
  constructor(cookies = new Map<string, Map<string, string>>()) {
    this.cookies = cookies;
  }

  /** Goes to an address and follows redirects up to the first answer that is none. */
  async open(url: string | URL): Promise<Answer> {
    return this.#follow(new URL(url), 'GET', null);
  }

  /** Sends a form from the page it is on. */
  async submit(url: string | URL, fields: Record<string, string>): Promise<Answer> {
    return this.#follow(new URL(url, this.#at ?? undefined), 'POST', new URLSearchParams(fields).toString());
  }

  /** One request without redirects, and with other headers where they are given. */
  send(
    url: string | URL,
    method = 'GET',
    body: string | null = null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const target = new URL(url);
    const jar = this.#jar(target);
    const site =
      this.#at === null ? 'none' : this.#at.origin === target.origin ? 'same-origin' : 'cross-site';
    const all: Record<string, string> = {
      accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': site,
      ...(jar.size > 0 && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }),
      ...(body !== null && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headers,
    };
    this.trail.push(target.href);
    return new Promise((resolve, reject) => {
      const sent = request(target, { method, headers: all, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const received = new Headers();
          for (const [name, values] of Object.entries(response.headersDistinct)) {
            for (const value of values ?? []) received.append(name, value);
          }
          for (const line of received.getSetCookie()) keep(jar, line);
          resolve({
            status: response.statusCode ?? 0,
            headers: received,
            text: Buffer.concat(chunks).toString('utf8'),
            url: target,
          });
        });
      });
      sent.on('error', reject);
      sent.end(body ?? undefined);
    });
  }

  async #follow(target: URL, method: string, body: string | null): Promise<Answer> {
    let answer = await this.send(target, method, body);
    for (let hops = 0; answer.status >= 301 && answer.status <= 308; hops += 1) {
      if (hops > 10) throw new Error('more than ten redirects');
      answer = await this.send(new URL(answer.headers.get('location') ?? '', answer.url));
    }
    this.#at = answer.url;
    return answer;
  }

  #jar({ host }: URL): Map<string, string> {
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    return jar;
  }
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split('; ');
  const cut = pair.indexOf('=');
  if (attributes.some((attribute) => attribute.toLowerCase() === 'max-age=0')) jar.delete(pair.slice(0, cut));
  else jar.set(pair.slice(0, cut), pair.slice(cut + 1));
}

/** The hidden fields of a page's form, by the form's action. */
export function hiddenFields(page: string, action?: string): Record<string, string> {
  const form = [...page.matchAll(/<form[^>]*action="([^"]*)"[^>]*>(.*?)<\/form>/gs)].find(
    ([, to]) => action === undefined || to === action,
  );
  const fields = [...(form?.[2] ?? '').matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
  return Object.fromEntries(fields.map(([, name, value]) => [unescaped(name), unescaped(value)]));
}

function unescaped(text = ''): string {
  const named: Record<string, string> = { amp: '&', quot: '"', lt: '<', gt: '>' };
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&(amp|quot|lt|gt);/g, (_, name: string) => named[name] ?? '');
}
