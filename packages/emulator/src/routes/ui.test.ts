import { describe, expect, it } from 'vitest';
import type { Emulator } from '../create-emulator.ts';
import { Browser, call, refresh, signIn, startEmulator } from '../emulator.fixture.ts';

const DAY_MS = 86_400_000;

const FIELDS = {
  name: 'matter-sync',
  displayName: 'Matter <Sync>',
  description: '',
  redirectUrl: '',
  expiration: '30',
  expirationUnit: 'minutes',
  showAllowDeny: 'on',
};

async function pageOf(emulator: Emulator, path = ''): Promise<string> {
  const response = await fetch(`${emulator.url}/_emulator/ui${path}`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
  const page = await response.text();
  expect(page).not.toContain('<script');
  expect(page).not.toContain('[object');
  return page;
}

describe('registrations', () => {
  it('are created, shown, changed, archived and given a new secret', async () => {
    const emulator = await startEmulator();
    const browser = new Browser();
    const ui = `${emulator.url}/_emulator/ui`;
    const created = await browser.post(`${ui}/registrations`, FIELDS);
    expect([created.status, created.headers.get('location')]).toEqual([
      303,
      '/_emulator/ui/registrations/1013?done=created',
    ]);
    expect(emulator.registrations.get('1013')).toMatchObject({
      tokenExpirationMs: 1_800_000,
      redirectUrl: null,
      showAllowDeny: true,
    });
    expect(await pageOf(emulator)).toContain('Matter &lt;Sync&gt;');
    const page = await pageOf(emulator, '/registrations/1013?done=created');
    expect(page).toContain('The application was registered.');
    const secret = emulator.registrations.get('1013')?.clientSecret ?? '';
    expect(page).toContain(secret);
    const { showAllowDeny: _, ...hidden } = FIELDS;
    await browser.post(`${ui}/registrations/1013`, {
      ...hidden,
      expiration: '31',
      expirationUnit: 'days',
      redirectUrl: 'http://127.0.0.1:9/',
    });
    expect(emulator.registrations.get('1013')).toMatchObject({
      tokenExpirationMs: 31 * DAY_MS,
      showAllowDeny: false,
      redirectUrl: 'http://127.0.0.1:9/',
    });
    await browser.post(`${ui}/registrations/1013/secret`, {});
    expect(emulator.registrations.get('1013')?.clientSecret).not.toBe(secret);
    await browser.post(`${ui}/registrations/1013/status`, { status: 'archived' });
    expect(emulator.registrations.get('1013')?.status).toBe('archived');
    await browser.post(`${ui}/registrations/1013/status`, { status: 'active' });
    expect(emulator.registrations.get('1013')?.status).toBe('active');
    const missing = await browser.post(`${ui}/registrations/9999/secret`, {});
    expect(missing.status).toBe(404);
    expect(await missing.text()).toContain('<h1>');
  });

  it.each([
    ['29.99', 'minutes', 'between 30 minutes and 1 month'],
    ['31.00001', 'days', 'between 30 minutes and 1 month'],
    ['32', 'days', 'between 30 minutes and 1 month'],
    ['1e3', 'minutes', 'takes a number'],
    ['5', 'years', 'takes a number'],
  ])(
    'of %s %s are refused with a message, and what was typed is kept',
    async (expiration, expirationUnit, message) => {
      const emulator = await startEmulator();
      const browser = new Browser();
      for (const path of ['registrations', 'registrations/1012']) {
        const answer = await browser.post(`${emulator.url}/_emulator/ui/${path}`, {
          ...FIELDS,
          expiration,
          expirationUnit,
        });
        expect(answer.status).toBe(400);
        const page = await answer.text();
        expect(page).toContain(message);
        expect(page).toContain('role="alert"');
        expect(page).toContain(`value="${expiration}"`);
        expect(page).toContain('value="matter-sync"');
      }
      expect(emulator.registrations.list()).toHaveLength(1);
      expect(emulator.registrations.get('1012')?.name).toBe('matter-browser');
    },
  );
});

describe('the other pages', () => {
  it('show and move the clock', async () => {
    const emulator = await startEmulator();
    const before = emulator.clock.now();
    expect(await pageOf(emulator, '/clock')).toContain('Advance 30 days');
    const answer = await new Browser().post(`${emulator.url}/_emulator/ui/clock`, {
      advanceMs: String(30 * DAY_MS),
    });
    expect(answer.headers.get('location')).toBe('/_emulator/ui/clock?done=moved');
    expect(emulator.clock.now()).toBe(before + 30 * DAY_MS);
    await new Browser().post(`${emulator.url}/_emulator/ui/clock`, { rate: '1' });
    expect(emulator.clock.rate).toBe(1);
    expect((await new Browser().post(`${emulator.url}/_emulator/ui/clock`, { advanceMs: '-1' })).status).toBe(
      400,
    );
    expect(await pageOf(await startEmulator({ clock: 'real' }), '/clock')).toContain('cannot be moved');
  });

  it('show ledger and requests by fingerprint, never by token', async () => {
    const emulator = await startEmulator();
    const first = await signIn(emulator);
    const second = await refresh(emulator, first.refresh_token);
    await call(emulator, second.access_token);
    const [ledger, requests] = [await pageOf(emulator, '/ledger'), await pageOf(emulator, '/requests')];
    for (const page of [ledger, requests]) {
      for (const tokens of [first, second]) {
        expect(page).not.toContain(tokens.access_token);
        expect(page).not.toContain(tokens.refresh_token);
      }
    }
    expect(ledger).toContain(emulator.ledger.entries.at(-1)?.fingerprint);
    expect(requests).toContain('/acme/api/6/sites');
  });

  it('add and remove faults, set switches, save users, reset', async () => {
    const emulator = await startEmulator();
    const browser = new Browser();
    const ui = `${emulator.url}/_emulator/ui`;
    await browser.post(`${ui}/faults`, {
      kind: 'rate-limit',
      endpoint: 'token',
      times: '2',
      retryAfter: '9',
      status: '',
    });
    expect(emulator.faults.list()).toMatchObject([
      { kind: 'rate-limit', match: { endpoint: 'token' }, times: 2, retryAfter: '9' },
    ]);
    expect(await pageOf(emulator, '/faults')).toContain('0 of 2');
    await browser.post(`${ui}/faults/${emulator.faults.list()[0]?.id}/remove`, {});
    expect(emulator.faults.list()).toEqual([]);
    expect((await browser.post(`${ui}/faults`, { kind: 'delay' })).status).toBe(400);
    await browser.post(`${ui}/switches`, { reuse: 'grace', graceMs: '5' });
    expect(emulator.switches.get()).toMatchObject({ reuse: 'grace', graceMs: 5 });
    expect(await pageOf(emulator, '/switches')).toContain('<option selected>grace</option>');
    expect((await browser.post(`${ui}/switches`, { reuse: 'maybe' })).status).toBe(400);
    await browser.post(`${ui}/users`, {
      email: 'new@clientname.com',
      firstName: 'N',
      lastName: 'U',
      restricted: 'on',
      password: '',
    });
    expect(emulator.users.get('new@clientname.com')).toMatchObject({
      restricted: true,
      disabled: false,
      password: 'password',
    });
    expect(await pageOf(emulator, '/users')).toContain('new@clientname.com');
    expect((await browser.post(`${ui}/users`, { email: 'x', firstName: '', lastName: '' })).status).toBe(400);
    await browser.post(`${ui}/reset`, {});
    expect(emulator.users.get('new@clientname.com')).toBeUndefined();
  });

  it('are not sent by another site, and nothing of the address is shown', async () => {
    const emulator = await startEmulator();
    const answer = await new Browser().post(
      `${emulator.url}/_emulator/ui/reset`,
      {},
      { origin: 'https://evil.example' },
    );
    expect(answer.status).toBe(403);
    expect(await pageOf(emulator, '?done=%3Cb%3Ehello')).not.toContain('hello');
    const root = await fetch(emulator.url, { redirect: 'manual' });
    expect(root.headers.get('location')).toBe('/_emulator/ui');
  });
});
