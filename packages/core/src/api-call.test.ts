import { describe, expect, it } from 'vitest';
import { apiCall, apiRoot, apiUrl } from './api-call.ts';
import { ForeignOriginError } from './errors.ts';

const INSTANCE = 'https://acme.highq.com/acme';

describe('apiUrl', () => {
  it.each([
    ['6/sites', '/acme/api/6/sites'],
    ['/6/sites?name=a', '/acme/api/6/sites?name=a'],
    [`${INSTANCE}/api/6/sites`, '/acme/api/6/sites'],
    ['6/users/a%40b.example?type=email', '/acme/api/6/users/a%40b.example?type=email'],
    ['6/a/../sites', '/acme/api/6/sites'],
    ['6/files/report..final.pdf?path=../x', '/acme/api/6/files/report..final.pdf?path=../x'],
    ['6/files/..a;b/.c/caf%C3%A9/100%25/%E0%A4%85', '/acme/api/6/files/..a;b/.c/caf%C3%A9/100%25/%E0%A4%85'],
  ])('F93 takes %s', (target, path) => {
    const url = apiUrl(apiRoot(INSTANCE), target);
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
    '6/%2e%2e%2f%2e%2e%2fauthorize.action',
    '6/..%2f..%2fauthorize.action',
    '6/..%5c..%5cauthorize.action',
    '..\\..\\other',
    '..;/login.action',
    '6/sites/..;/users',
    '6/sites/..;a=b/users',
    '6/.;/users',
    '6/%2e%2e;x/users',
    '6/%252e%252e%252flogin.action',
    '6/%252e%252e/login.action',
    '6/%25252e%25252e/login.action',
    '6/%2525252525252e/login.action',
    '6/%u002e%u002e/login.action',
    '6/a%u002fb',
    '6/%uff0e%uff0e/users',
    '6/%c0%ae%c0%ae/login.action',
    '6/%e0%80%ae./login.action',
    '6/a%252fb',
    '6/..%20/login.action',
    '6/a%00.pdf',
    '6/a%0d%0aX-Own: 1',
    '6/a%3b/%2e%2e%3bx/users',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'https://',
  ])('F93 F94 refuses %s', (target) => {
    expect(() => apiUrl(apiRoot(INSTANCE), target)).toThrow(ForeignOriginError);
  });
});

describe('which calls may be sent twice', () => {
  const stream = (): ReadableStream => new ReadableStream({ pull: (controller) => controller.close() });
  const repeats = (init: Parameters<typeof apiCall>[2]) =>
    apiCall(apiRoot(INSTANCE), '6/sites', init).mayRepeat;

  it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'get'])('F67 %s, as a rule', (method) => {
    expect(repeats({ method })).toBe(true);
    expect(repeats({ method, replay: 'always' })).toBe(true);
    expect(repeats({ method, replay: 'never' })).toBe(false);
  });

  it.each(['POST', 'PATCH'])('F67 %s, on request only', (method) => {
    expect(repeats({ method, body: '{}' })).toBe(false);
    expect(repeats({ method, body: '{}', replay: 'always' })).toBe(true);
  });

  it.each<[string, () => NonNullable<RequestInit['body']>]>([
    ['text', () => 'a'],
    ['bytes', () => new Uint8Array(2)],
    ['a buffer', () => new ArrayBuffer(2)],
    ['a form', () => new FormData()],
    ['parameters', () => new URLSearchParams({ a: '1' })],
    ['a blob', () => new Blob(['a'])],
  ])('F67 %s can be sent again', (_, body) => {
    expect(repeats({ method: 'PUT', body: body() })).toBe(true);
  });

  it('F67 a stream cannot, whatever is asked for', () => {
    expect(repeats({ method: 'PUT', body: stream() })).toBe(false);
    expect(repeats({ method: 'PUT', body: stream(), replay: 'always' })).toBe(false);
    const request = new Request(`${INSTANCE}/api/6/x`, { method: 'PUT', body: 'text' });
    expect(apiCall(apiRoot(INSTANCE), request, { replay: 'always' }).mayRepeat).toBe(false);
  });
});
