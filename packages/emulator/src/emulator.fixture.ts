import { onTestFinished } from 'vitest';
import { createEmulator, type Emulator, type EmulatorOptions } from './create-emulator.ts';
import { DEFAULT_REGISTRATION } from './seed.ts';

export const USER = 'user@clientname.com';
export const LIMITED = 'limited@clientname.com';
export const CALLBACK = 'http://127.0.0.1:9/highq/callback';

export interface Tokens {
  access_token: string;
  refresh_token: string;
  expires_in?: number | string;
  refresh_token_expires_in?: number | string;
  token_type: string;
  useremail: string;
}

/** An emulator on a frozen clock, closed at the end of the test. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const tokenMarker = process.env.HQ_EMULATOR_TOKEN_MARKER ?? '';
  const emulator = await createEmulator({ tokenMarker, ...options });
  onTestFinished(() => emulator.close());
  if (emulator.clock.mode === 'virtual') emulator.clock.setRate(0);
  return emulator;
}

export interface PostOptions {
  accept?: string;
  clientId?: string;
  clientSecret?: string;
}

export function postToken(
  emulator: Emulator,
  members: Record<string, string>,
  options: PostOptions = {},
): Promise<Response> {
  const { accept = 'application/json', clientId, clientSecret } = options;
  const body = new URLSearchParams({
    client_id: clientId ?? DEFAULT_REGISTRATION.clientId,
    client_secret: clientSecret ?? DEFAULT_REGISTRATION.clientSecret,
    ...members,
  });
  return fetch(`${emulator.instanceUrl}/api/oauth2/token`, { method: 'POST', body, headers: { accept } });
}

export function postCode(emulator: Emulator, code: string, options?: PostOptions): Promise<Response> {
  return postToken(emulator, { grant_type: 'authorization_code', code }, options);
}

export function postRefresh(emulator: Emulator, token: string, options?: PostOptions): Promise<Response> {
  return postToken(emulator, { grant_type: 'refresh_token', refresh_token: token }, options);
}

export async function tokensOf(response: Response): Promise<Tokens> {
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
  return JSON.parse(await response.text());
}

/** The answer's JSON, as the type that the test expects. */
export async function jsonOf<T>(response: Response): Promise<T> {
  return JSON.parse(await response.text());
}

export async function signIn(emulator: Emulator, user = USER): Promise<Tokens> {
  const { code } = await emulator.authorize({ user });
  return tokensOf(await postCode(emulator, code));
}

export async function refresh(emulator: Emulator, token: string): Promise<Tokens> {
  return tokensOf(await postRefresh(emulator, token));
}

export function call(
  emulator: Emulator,
  token: string,
  path = '6/sites',
  init: { accept?: string; method?: string; body?: string | Uint8Array<ArrayBuffer>; type?: string } = {},
): Promise<Response> {
  const { accept = 'application/json', type, ...rest } = init;
  return fetch(`${emulator.instanceUrl}/api/${path}`, {
    ...rest,
    headers: { authorization: `Bearer ${token}`, accept, ...(type ? { 'content-type': type } : {}) },
  });
}

export async function control(
  emulator: Emulator,
  path: string,
  body?: object,
  method?: string,
): Promise<Response> {
  return fetch(`${emulator.url}/_emulator/${path}`, {
    method: method ?? (body ? 'POST' : 'GET'),
    ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
  });
}

/** A browser without JavaScript: keeps cookies, follows nothing by itself. */
export class Browser {
  readonly #cookies = new Map<string, string>();

  async get(url: string): Promise<Response> {
    return this.#keep(await fetch(url, { redirect: 'manual', headers: this.#headers() }));
  }

  async post(
    url: string,
    form: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const body = new URLSearchParams(form);
    return this.#keep(
      await fetch(url, {
        method: 'POST',
        body,
        redirect: 'manual',
        headers: { ...this.#headers(), ...headers },
      }),
    );
  }

  #headers(): Record<string, string> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return { accept: 'text/html', ...(cookie ? { cookie } : {}) };
  }

  #keep(response: Response): Response {
    for (const header of response.headers.getSetCookie()) {
      const [name, value] = (header.split(';')[0] ?? '').split('=');
      if (name) this.#cookies.set(name, value ?? '');
    }
    return response;
  }
}

/** The value of a hidden field of a page. */
export function hiddenField(page: string, name: string): string {
  const value = new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? '';
  return value.replaceAll('&amp;', '&').replaceAll('&quot;', '"');
}
