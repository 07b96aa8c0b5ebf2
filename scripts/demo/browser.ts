import { request } from 'node:http';

export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of the last request, after redirects. */
  readonly url: URL;
}

/** A browser over real HTTP: cookies per host and port, redirects, and the headers that browsers send with them. */
export class Browser {
  readonly #jars = new Map<string, Map<string, string>>();
  #at: URL | null = null;

  open(url: string | URL): Promise<Page> {
    return this.#follow(new URL(url, this.#at ?? undefined), 'GET', null);
  }

  /** Sends the form of a page that leads to `action`, with its hidden fields. */
  submit(page: Page, action: string, fields: Record<string, string> = {}): Promise<Page> {
    const form = [...page.text.matchAll(/<form\b[^>]*\saction="([^"]*)"[^>]*>(.*?)<\/form>/gs)].find(
      ([, to, content = '']) =>
        to === action && Object.entries(fields).every(([name, value]) => mayHold(content, name, value)),
    );
    if (!form) throw new Error(`${page.url.pathname} (${page.status}) has no form that leads to ${action}`);
    const hidden = [...(form[2] ?? '').matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
      ([, name, value]) => [decoded(name), decoded(value)],
    );
    const body = new URLSearchParams({ ...Object.fromEntries(hidden), ...fields }).toString();
    return this.#follow(new URL(action, page.url), 'POST', body);
  }

  async #follow(target: URL, method: string, body: string | null): Promise<Page> {
    let page = await this.#send(target, method, body);
    for (let hops = 0; page.status >= 301 && page.status <= 308; hops += 1) {
      if (hops > 10) throw new Error(`more than ten redirects from ${target.pathname}`);
      page = await this.#send(new URL(page.headers.get('location') ?? '', page.url), 'GET', null);
    }
    this.#at = page.url;
    return page;
  }

  #send(target: URL, method: string, body: string | null): Promise<Page> {
    const jar = this.#jars.get(target.host) ?? new Map<string, string>();
    this.#jars.set(target.host, jar);
    const site =
      this.#at === null ? 'none' : this.#at.origin === target.origin ? 'same-origin' : 'cross-site';
    const headers = {
      accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': site,
      ...(jar.size > 0 && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') }),
      ...(body !== null && { 'content-type': 'application/x-www-form-urlencoded' }),
    };
    return new Promise((resolve, reject) => {
      const sent = request(target, { method, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const received = new Headers();
          for (const [name, values] of Object.entries(response.headersDistinct)) {
            for (const value of values ?? []) received.append(name, value);
          }
          for (const line of received.getSetCookie()) keep(jar, line);
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, headers: received, text, url: target });
        });
      });
      sent.on('error', reject);
      sent.end(body ?? undefined);
    });
  }
}

/** Whether a form takes this field: typed by a person, or with this very value as a hidden field or a button. */
function mayHold(form: string, name: string, value: string): boolean {
  const fixed = [
    ...form.matchAll(/<(?:button|input type="hidden")\b[^>]*\bname="([^"]*)" value="([^"]*)"/g),
  ].filter(([, other]) => other === name);
  return fixed.length === 0
    ? form.includes(`name="${name}"`)
    : fixed.some(([, , one]) => decoded(one) === value);
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split('; ');
  const cut = pair.indexOf('=');
  if (attributes.some((attribute) => attribute.toLowerCase() === 'max-age=0')) jar.delete(pair.slice(0, cut));
  else jar.set(pair.slice(0, cut), pair.slice(cut + 1));
}

function decoded(text = ''): string {
  const named: Record<string, string> = { amp: '&', quot: '"', lt: '<', gt: '>' };
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&(amp|quot|lt|gt);/g, (_, name: string) => named[name] ?? '');
}
