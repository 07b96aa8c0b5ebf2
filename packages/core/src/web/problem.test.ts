import { describe, expect, it } from 'vitest';
import {
  ConfigurationError,
  NotConnectedError,
  PermissionDeniedError,
  ReauthorizationRequiredError,
  RefreshInProgressError,
  RotationUncertainError,
  StoreUnavailableError,
} from '../errors.ts';
import { createWebHandlers } from './handlers.ts';
import { problemResponse } from './problem.ts';
import { paperManager, type Visitor } from './web.fixture.ts';

const browser = (url = 'https://app.example/sites?page=2', init: RequestInit = {}): Request =>
  new Request(url, {
    ...init,
    headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'sec-fetch-mode': 'navigate' },
  });
const program = (headers: Record<string, string> = {}): Request =>
  new Request('https://app.example/sites', { headers });

const handlers = createWebHandlers<Visitor>({
  manager: paperManager(),
  connectionId: (req) => req.user,
  statuses: { notConnected: 409 },
});

describe('problem', () => {
  it('gives programs problem+json with where to sign in', async () => {
    const error = new ReauthorizationRequiredError('The sign-in of 3 March has ended.', {
      connectionId: 'ann',
      reason: 'revoked_or_expired',
    });
    const response = await handlers.problem(error, program(), {});
    expect(response?.status).toBe(401);
    expect(response?.headers.get('content-type')).toBe('application/problem+json');
    expect(await response?.json()).toEqual({
      type: error.docsUrl,
      title: 'Your HighQ sign-in has ended',
      status: 401,
      detail: 'The sign-in of 3 March has ended.',
      code: 'reauthorization_required',
      reason: 'revoked_or_expired',
      retryable: false,
      connectUrl: '/highq/connect',
    });
  });

  it('gives a browser the connect page, which leads back to where it was', async () => {
    const error = new NotConnectedError('Nobody has signed in on this connection.', { connectionId: 'ann' });
    const response = await handlers.problem(error, browser(), {});
    expect(response?.status).toBe(409);
    const page = (await response?.text()) ?? '';
    expect(page).toContain('<form method="post" action="/highq/connect">');
    expect(page).toContain('name="returnTo" value="/sites?page=2"');
    expect(page).toContain('acme.highq.com');
  });

  it('offers a sign-in to those only who may connect, and asks nobody where none is offered', async () => {
    const asked: string[] = [];
    const shared = createWebHandlers<Visitor>({
      manager: paperManager(),
      connectionId: 'firm',
      authorize: (req, action) => {
        asked.push(action);
        if (req.user === 'broken') throw new Error('of the application');
        return req.user === 'admin';
      },
    });
    const error = new ReauthorizationRequiredError('It has ended.', {
      connectionId: 'firm',
      reason: 'revoked_or_expired',
    });
    for (const user of ['admin', 'ann', 'broken']) {
      const page = await (await shared.problem(error, browser(), { user }))?.text();
      expect([user, page?.includes('<form')]).toEqual([user, user === 'admin']);
      const json = await (await shared.problem(error, program(), { user }))?.json();
      expect(json).toHaveProperty('code', 'reauthorization_required');
      expect(Reflect.get(json as object, 'connectUrl')).toBe(user === 'admin' ? '/highq/connect' : undefined);
    }
    expect(new Set(asked)).toEqual(new Set(['connect']));
    asked.length = 0;
    await shared.problem(new PermissionDeniedError('No.', { connectionId: 'firm' }), browser(), {});
    expect(asked).toEqual([]);
  });

  it('F109 offers an anonymous visitor nothing to connect', async () => {
    const error = new NotConnectedError('Nobody is signed in.');
    expect(await (await handlers.problem(error, browser(), {}))?.text()).not.toContain('<form');
    const json = await (await handlers.problem(error, program(), {}))?.json();
    expect(json).not.toHaveProperty('connectUrl');
  });

  it.each([
    [{ accept: 'text/html', 'sec-fetch-mode': 'navigate' }, 'text/html'],
    [{ accept: 'text/html' }, 'text/html'],
    [{ accept: 'text/html', 'sec-fetch-mode': 'cors' }, 'application/problem+json'],
    [{ accept: '*/*' }, 'application/problem+json'],
    [{ accept: 'application/json', 'sec-fetch-mode': 'navigate' }, 'application/problem+json'],
    [{}, 'application/problem+json'],
  ])('tells browsers from programs: %j gets %s', (headers, type) => {
    const response = problemResponse(
      new PermissionDeniedError('No.'),
      program(headers as Record<string, string>),
    );
    expect(response?.headers.get('content-type')).toContain(type);
    expect(response?.status).toBe(403);
  });

  it.each([
    [15_000, '15'],
    [15_001, '16'],
    [1, '1'],
  ])('turns retryAfterMs %i into Retry-After %s', (retryAfterMs, header) => {
    const response = problemResponse(new RefreshInProgressError('Under way.', { retryAfterMs }), program());
    expect([response?.status, response?.headers.get('retry-after')]).toEqual([503, header]);
  });

  it('offers a sign-in while a rotation is in doubt, and keeps its Retry-After', async () => {
    const error = new RotationUncertainError('A refresh was sent.', {
      connectionId: 'ann',
      retryAfterMs: 60_000,
    });
    const response = await handlers.problem(error, browser(), {});
    expect(response?.headers.get('retry-after')).toBe('60');
    expect(await response?.text()).toContain('action="/highq/connect"');
  });

  it('offers none while only the store is down', async () => {
    const error = new StoreUnavailableError('The store did not answer.', { retryAfterMs: 5000 });
    expect(await (await handlers.problem(error, browser(), {}))?.text()).not.toContain('<form');
  });

  it('keeps the inside of the server to its log', async () => {
    const error = new ConfigurationError([{ option: 'clientSecret', problem: 'is missing on host-7' }]);
    for (const request of [browser(), program()]) {
      const response = await handlers.problem(error, request, {});
      expect(response?.status).toBe(500);
      expect(await response?.text()).not.toContain('host-7');
    }
  });

  it('leaves every other error alone', async () => {
    expect(await handlers.problem(new Error('x'), program(), {})).toBeNull();
    expect(await handlers.problem('x', browser(), {})).toBeNull();
  });

  it('F89 escapes what an error says', async () => {
    const error = new PermissionDeniedError('<img src=x onerror=alert(1)>');
    expect(await (await handlers.problem(error, browser(), {}))?.text()).not.toContain('<img');
  });

  it('is a page that loads nothing, runs nothing and cannot be framed', async () => {
    const error = new NotConnectedError('x', { connectionId: 'ann' });
    const response = await handlers.problem(error, browser(), {});
    const policy = response?.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'$/,
    );
    expect(response?.headers.get('cache-control')).toBe('no-store');
    const page = (await response?.text()) ?? '';
    expect(page).not.toMatch(/<script|\son\w+=|style=|src=/);
  });

  it('leads back to no route of its own', async () => {
    const error = new NotConnectedError('x', { connectionId: 'ann' });
    const response = await handlers.problem(error, browser('https://app.example/highq/callback?code=x'), {});
    expect(await response?.text()).toContain('name="returnTo" value="/"');
  });
});
