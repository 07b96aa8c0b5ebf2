import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { apiFetch, apiUrl } from './api-client.ts';
import { ForeignOriginError } from './errors.ts';

const INSTANCE = 'https://acme.highq.com/acme';

describe('apiUrl', () => {
  it.each([
    ['6/sites', '/acme/api/6/sites'],
    ['/6/sites?name=a', '/acme/api/6/sites?name=a'],
    [`${INSTANCE}/api/6/sites`, '/acme/api/6/sites'],
    ['6/users/a%40b.example?type=email', '/acme/api/6/users/a%40b.example?type=email'],
    ['6/a/../sites', '/acme/api/6/sites'],
  ])('F93 takes %s', (target, path) => {
    const url = apiUrl(INSTANCE, target);
    expect(url.origin).toBe('https://acme.highq.com');
    expect(url.pathname + url.search).toBe(path);
  });

  it.each([
    'https://evil.example/acme/api/6/sites',
    '//evil.example/acme/api/6/sites',
    '/\\evil.example/x',
    '\\\\evil.example\\x',
    'https://acme.highq.com@evil.example/acme/api/6',
    'https://user:pw@acme.highq.com/acme/api/6/sites',
    'https://acme.highq.com.evil.example/acme/api/6',
    'http://acme.highq.com/acme/api/6/sites',
    'https://sub.acme.highq.com/acme/api/6/sites',
    'https://acme.highq.com:8443/acme/api/6/sites',
    'https://acme.highq.com/other/api/6/sites',
    'https://acme.highq.com/acme/login.action',
    '../oauth2/../../other',
    '%2e%2e/authorize.action',
    '..\\..\\other',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'https://',
  ])('F93 F94 refuses %s', (target) => {
    expect(() => apiUrl(INSTANCE, target)).toThrow(ForeignOriginError);
  });
});

describe('apiFetch', () => {
  const servers: Server[] = [];
  const seen: { readonly url: string; readonly authorization: string | undefined }[] = [];
  let here: string;
  let elsewhere: string;

  const listen = (answer: (url: string) => { status: number; location?: string }): Promise<string> =>
    new Promise((resolve) => {
      const server = createServer((request, response) => {
        const url = request.url ?? '';
        seen.push({ url, authorization: request.headers.authorization });
        const { status, location } = answer(url);
        response.writeHead(status, location ? { location } : {}).end('body');
      });
      servers.push(server);
      server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
      );
    });

  beforeEach(async () => {
    seen.length = 0;
    elsewhere = await listen(() => ({ status: 200 }));
    here = await listen((url) =>
      url.endsWith('/moved') ? { status: 302, location: `${elsewhere}/x` } : { status: 200 },
    );
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  const access = { getAccessToken: async (): Promise<string> => 'a-token', fetch };

  it('sends the bearer token, whatever else was set', async () => {
    const headers = { authorization: 'Basic x', 'x-own': '1' };
    const response = await apiFetch(`${here}/acme`, access, '6/sites', { headers });
    expect(await response.text()).toBe('body');
    const request = new Request(`${here}/acme/api/6/tasks`, { headers });
    await (await apiFetch(`${here}/acme`, access, request)).text();
    expect(seen).toEqual([
      { url: '/acme/api/6/sites', authorization: 'Bearer a-token' },
      { url: '/acme/api/6/tasks', authorization: 'Bearer a-token' },
    ]);
  });

  it('F94 follows no redirect: the other origin sees nothing', async () => {
    const response = await apiFetch(`${here}/acme`, access, '6/moved', { redirect: 'follow' });
    expect(response.status).toBe(302);
    expect(seen.map(({ url }) => url)).toEqual(['/acme/api/6/moved']);
  });

  it('F93 asks for no token when the address is foreign', async () => {
    let asked = 0;
    const counting = async (): Promise<string> => {
      asked += 1;
      return 'a-token';
    };
    await expect(
      apiFetch(`${here}/acme`, { getAccessToken: counting, fetch }, `${elsewhere}/acme/api/6`),
    ).rejects.toThrow(ForeignOriginError);
    expect(asked).toBe(0);
    expect(seen).toEqual([]);
  });
});
