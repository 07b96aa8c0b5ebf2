import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../errors.ts';
import { createWebHandlers } from './handlers.ts';
import type { WebOptions } from './options.ts';
import { PaperBrowser, paperManager, type Visitor } from './web.fixture.ts';

const good = (): WebOptions<Visitor> => ({ manager: paperManager(), connectionId: (req) => req.user });

function problemsOf(options: WebOptions<Visitor>): string {
  try {
    createWebHandlers(options);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return 'none';
}

describe('web options', () => {
  it('accepts what is right', () => {
    expect(problemsOf(good())).toBe('none');
    expect(problemsOf({ ...good(), connectionId: 'firm', authorize: () => true })).toBe('none');
  });

  it('F92 names both paths when the redirect URI does not lead to the callback route', () => {
    const manager = paperManager({ redirectUri: 'https://app.example/oauth/return' });
    expect(problemsOf({ ...good(), manager })).toMatch(
      /redirectUri \(HIGHQ_REDIRECT_URI\).*\/oauth\/return.*\/highq\/callback/,
    );
    expect(problemsOf({ ...good(), manager, routes: { callback: '/oauth/return' } })).toBe('none');
    expect(problemsOf({ ...good(), basePath: '/legal' })).toMatch(
      /path \/highq\/callback.*\/legal\/callback/,
    );
  });

  it('wants a redirect URI where there are sign-ins, and none where there are not', () => {
    const manager = paperManager({ redirectUri: undefined });
    expect(problemsOf({ ...good(), manager })).toMatch(/redirectUri \(HIGHQ_REDIRECT_URI\): is missing/);
    expect(problemsOf({ ...good(), manager, routes: { connect: false, callback: false } })).toBe('none');
  });

  it('wants to know the account where nobody is asked for it, and a path to lead back to', () => {
    const routes = { confirm: false } as const;
    expect(problemsOf({ ...good(), routes })).toMatch(/routes.confirm: is off, so expectedUser must name/);
    expect(problemsOf({ ...good(), routes, expectedUser: () => 'ann@firm.example' })).toBe('none');
    const manager = paperManager({ redirectUri: undefined });
    const off = { connect: false, callback: false, confirm: false } as const;
    expect(problemsOf({ ...good(), manager, routes: off })).toBe('none');
    for (const statusBackTo of ['//evil.example', 'https://evil.example/', 'matters', '']) {
      expect(problemsOf({ ...good(), statusBackTo })).toMatch(/statusBackTo: must be a path/);
    }
  });

  it('wants authorize with a shared connection', () => {
    expect(problemsOf({ ...good(), connectionId: 'firm' })).toMatch(/authorize: is required with a shared/);
  });

  it('wants a guard where a status page is asked for, and names what to write', () => {
    const remedy = /authorize: 'unsafe-public'/;
    for (const asked of [{ routes: { status: 'status' } }, { statusActions: true }] as const) {
      expect(problemsOf({ ...good(), ...asked })).toMatch(remedy);
      expect(problemsOf({ ...good(), ...asked, authorize: () => true })).toBe('none');
      expect(problemsOf({ ...good(), ...asked, authorize: 'unsafe-public' })).toBe('none');
    }
    expect(problemsOf({ ...good(), routes: { status: false } })).toBe('none');
    expect(problemsOf({ ...good(), connectionId: 'firm', authorize: 'unsafe-public' })).toBe('none');
  });

  it('refuses an authorize that is neither, and actions on a page that is off', () => {
    expect(problemsOf({ ...good(), authorize: 'public' as never })).toMatch(/authorize: must be a function/);
    expect(
      problemsOf({ ...good(), authorize: () => true, statusActions: true, routes: { status: false } }),
    ).toMatch(/statusActions: has no effect while routes\.status is off/);
  });

  it('lists every problem at once', () => {
    const message = problemsOf({
      manager: paperManager(),
      connectionId: '',
      basePath: 'highq',
      returnTo: '//evil.example',
      signInTtlMs: 600_001,
      statuses: { notConnected: 200 },
      routes: { confirm: 'connect' },
    });
    expect(message).toMatch(/connectionId: is missing/);
    for (const option of [
      'basePath',
      'returnTo',
      'signInTtlMs',
      'statuses.notConnected',
      'routes.connect',
      'routes.confirm',
    ]) {
      expect(message).toContain(`- ${option}:`);
    }
  });

  it('checks the manager of each request where it is a function', async () => {
    const manager = paperManager({ redirectUri: 'https://app.example/elsewhere' });
    const handlers = createWebHandlers<Visitor>({ ...good(), manager: () => manager });
    const response = await new PaperBrowser(handlers).get('/highq/connect');
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('elsewhere');
  });

  it('refuses a connection id that is not text', async () => {
    const handlers = createWebHandlers<Visitor>({ ...good(), connectionId: () => 7 as never });
    await expect(handlers.connection({})).rejects.toThrow('yields a number');
  });
});
