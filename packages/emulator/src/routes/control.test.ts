import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Emulator } from '../create-emulator.ts';
import {
  call,
  control,
  jsonOf,
  postCode,
  postRefresh,
  refresh,
  signIn,
  startEmulator,
  USER,
} from '../emulator.fixture.ts';
import type { LedgerEntry } from '../ledger.ts';

const HOUR_MS = 3_600_000;

describe('clock', () => {
  it('is read and moved', async () => {
    const emulator = await startEmulator();
    const reading = await jsonOf<{ at: number }>(await control(emulator, 'clock'));
    expect(reading).toEqual({ at: emulator.clock.now(), mode: 'virtual', rate: 0 });
    const moved = await control(emulator, 'clock', { advanceMs: 5 * HOUR_MS });
    expect(await moved.json()).toEqual({ at: reading.at + 5 * HOUR_MS, mode: 'virtual', rate: 0 });
    const at = Date.UTC(2027, 0, 1);
    expect(await (await control(emulator, 'clock', { at })).json()).toMatchObject({ at });
    expect(emulator.clock.now()).toBe(at);
    expect(await (await control(emulator, 'clock', { rate: 1 })).json()).toMatchObject({ rate: 1 });
  });

  it.each([
    { advanceMs: -1 },
    { advanceMs: '1' },
    { at: 'now' },
    { at: -1 },
    { rate: -1 },
    { rate: 1001 },
    { speed: 1 },
    {},
  ])('refuses %o', async (body) => {
    const emulator = await startEmulator();
    const before = emulator.clock.now();
    expect((await control(emulator, 'clock', body)).status).toBe(400);
    expect(emulator.clock.now()).toBe(before);
  });

  it('of the machine and of a shared source are not moved', async () => {
    for (const clock of ['real', { now: () => 5 }] as const) {
      const emulator = await startEmulator({ clock });
      expect((await control(emulator, 'clock', { advanceMs: 1 })).status).toBe(409);
      expect(await (await control(emulator, 'clock')).json()).toMatchObject({
        mode: clock === 'real' ? 'real' : 'shared',
      });
    }
  });
});

describe('ledger and requests', () => {
  it('can be read and filtered over HTTP', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    await refresh(emulator, tokens.refresh_token);
    emulator.clock.advance(24 * HOUR_MS);
    await call(emulator, tokens.access_token);
    const { counts, entries } = await jsonOf<{ counts: object; entries: LedgerEntry[] }>(
      await control(emulator, 'ledger'),
    );
    expect(counts).toEqual({
      refreshes: 1,
      presentedTwice: 0,
      unread: 0,
      apiCalls: 1,
      apiCallsAnswered403: 1,
      expiredAccessTokensPresented: 1,
    });
    expect(entries.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(entries[3]).toMatchObject({
      kind: 'issued',
      token: tokens.refresh_token,
      user: USER,
      clientId: '1012',
    });
    const later = await jsonOf<{ entries: LedgerEntry[] }>(
      await control(emulator, 'ledger?kind=presented&after=4'),
    );
    expect(later.entries.map(({ tokenType }) => tokenType)).toEqual(['refresh', 'access']);
  });

  it('name requests without codes or tokens', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    await call(emulator, access_token, '6/sites?name=a&code=secret-code');
    const { entries, total } = await jsonOf<{ entries: object[]; total: number }>(
      await control(emulator, 'requests'),
    );
    expect(total).toBe(2);
    expect(entries[1]).toMatchObject({ method: 'GET', status: 200, user: USER, endpoint: 'api', faults: [] });
    expect(JSON.stringify(entries)).not.toContain('secret-code');
    expect(JSON.stringify(entries)).not.toContain(access_token);
  });

  it('keep the newest 20,000 requests and count all', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const headers = { authorization: `Bearer ${access_token}` };
    for (let i = 0; i < 41_000; i += 1) await emulator.fetch('/acme/api/6/tasks/status', { headers });
    expect(emulator.requests.entries).toHaveLength(20_000);
    expect(emulator.requests.entries.at(-1)?.seq).toBe(41_001);
    expect(emulator.requests.count({ endpoint: 'api', status: 200 })).toBe(41_000);
    expect(emulator.ledger.count({ kind: 'presented', tokenType: 'access' })).toBe(41_000);
  });

  it('say that an answer was not handed over when its reader had gone', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: { endpoint: 'token' }, kind: 'delay', delayMs: 1000 });
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: '1012',
      client_secret: emulator.env.HIGHQ_CLIENT_SECRET,
      refresh_token: tokens.refresh_token,
    }).toString();
    const feed = await feedOf(emulator);
    const sent = request(`${emulator.instanceUrl}/api/oauth2/token`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length },
    });
    const closed = new Promise((resolve) => sent.once('close', resolve));
    sent.on('error', () => {});
    sent.end(body);
    await feed.until('"kind":"issued"');
    sent.destroy();
    await closed;
    // A request of its own goes after the hang-up has reached the server.
    await control(emulator, 'health');
    emulator.clock.advance(1000);
    await feed.until('event: request');
    expect(emulator.ledger.unread()).toMatchObject([{ generation: 2, answered: false }]);
  });
});

async function feedOf(emulator: Emulator): Promise<{ until(text: string): Promise<void> }> {
  const response = await fetch(`${emulator.url}/_emulator/events`);
  const reader = response.body?.getReader();
  let seen = '';
  return {
    async until(text) {
      while (!seen.includes(text)) {
        const { value, done } = (await reader?.read()) ?? { done: true };
        if (done) throw new Error('the feed ended');
        seen += Buffer.from(value ?? []).toString();
      }
    },
  };
}

describe('events', () => {
  it('tell of tokens, requests and the clock, without tokens', async () => {
    const emulator = await startEmulator();
    const feed = await fetch(`${emulator.url}/_emulator/events`);
    expect(feed.headers.get('content-type')).toBe('text/event-stream');
    const tokens = await signIn(emulator);
    await control(emulator, 'clock', { advanceMs: HOUR_MS });
    const reader = feed.body?.getReader();
    let text = '';
    while ((text.match(/event: clock/g) ?? []).length < 2) {
      text += Buffer.from((await reader?.read())?.value ?? []).toString();
    }
    await reader?.cancel();
    expect(text).toContain('event: ledger');
    expect(text).toContain('event: request');
    expect(text).not.toContain(tokens.access_token);
    expect(text).not.toContain(tokens.refresh_token);
  });
});

describe('registrations, users and codes', () => {
  it('are made and changed over HTTP', async () => {
    const emulator = await startEmulator();
    const made = await control(emulator, 'registrations', { name: 'nightly', tokenExpirationMs: 1_800_000 });
    expect(made.status).toBe(201);
    const registration = await jsonOf<{ clientId: string; clientSecret: string }>(made);
    expect(registration).toMatchObject({ clientId: '1013', status: 'active', showAllowDeny: true });
    await control(emulator, 'users', { email: 'New@clientname.com' });
    const asked = await control(emulator, 'authorize', { clientId: '1013', user: 'new@clientname.com' });
    const { code } = await jsonOf<{ code: string }>(asked);
    expect(await (await postCode(emulator, code, registration)).json()).toMatchObject({
      expires_in: 1800,
      useremail: 'new@clientname.com',
    });
    await control(emulator, 'registrations', { clientId: '1013', status: 'archived' });
    expect((await control(emulator, 'authorize', { clientId: '1013' })).status).toBe(409);
    expect((await control(emulator, 'authorize', { user: 'nobody@clientname.com' })).status).toBe(404);
    expect((await control(emulator, 'users', { email: 'no address' })).status).toBe(400);
    expect(await (await control(emulator, 'registrations')).json()).toMatchObject({
      registrations: [{}, { clientId: '1013' }],
    });
    expect(await (await control(emulator, 'revoke', { user: 'new@clientname.com' })).json()).toEqual({
      ended: 1,
    });
  });

  it('refuse what is not JSON, or too large, or unknown', async () => {
    const emulator = await startEmulator();
    const post = (body: string): Promise<Response> =>
      fetch(`${emulator.url}/_emulator/users`, { method: 'POST', body });
    for (const body of [
      '{',
      '[]',
      '1',
      '{"email":1}',
      '{"email":"a@b.example","role":"admin"}',
      ' '.repeat(5_000_000),
    ]) {
      expect((await post(body)).status).toBe(400);
    }
    expect((await control(emulator, 'nothing')).status).toBe(404);
  });
});

describe('snapshots and reset', () => {
  it('bring tokens, switches, faults and ledger back, not the clock', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    await control(emulator, 'snapshots/before', {});
    const ledger = emulator.ledger.entries.length;
    await refresh(emulator, tokens.refresh_token);
    emulator.switches.set({ refusal: '401' });
    emulator.faults.add({ kind: 'status' });
    emulator.clock.advance(HOUR_MS);
    const at = emulator.clock.now();
    expect((await control(emulator, 'snapshots/before/restore', {})).status).toBe(200);
    expect(emulator.ledger.entries).toHaveLength(ledger);
    expect(emulator.switches.get().refusal).toBe('json-400');
    expect(emulator.faults.list()).toEqual([]);
    expect(emulator.clock.now()).toBe(at);
    await refresh(emulator, tokens.refresh_token);
    emulator.restore('before');
    await refresh(emulator, tokens.refresh_token);
    expect(emulator.ledger.presentedTwice()).toBe(0);
    expect((await control(emulator, 'snapshots/never/restore', {})).status).toBe(404);
    expect(() => emulator.restore('never')).toThrow('no snapshot');
  });

  it('reset goes back to the seed', async () => {
    const emulator = await startEmulator({ refusal: 'xml-400' });
    const tokens = await signIn(emulator);
    emulator.registrations.archive('1012');
    emulator.switches.set({ refusal: '401' });
    emulator.faults.add({ kind: 'status' });
    await control(emulator, 'reset', {});
    expect(emulator.ledger.entries).toEqual([]);
    expect(emulator.requests.count()).toBe(0);
    expect(emulator.faults.list()).toEqual([]);
    expect(emulator.registrations.get('1012')?.status).toBe('active');
    expect((await postRefresh(emulator, tokens.refresh_token)).headers.get('content-type')).toContain('xml');
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('unknown');
  });

  it('state tells what there is, without tokens', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    const text = await (await control(emulator, 'state')).text();
    expect(JSON.parse(text)).toMatchObject({
      instance: 'acme',
      grants: [{ user: USER, generation: 1 }],
      requests: 1,
    });
    expect(text).not.toContain(tokens.access_token);
    expect(text).not.toContain(tokens.refresh_token);
    expect(await (await control(emulator, 'health')).json()).toEqual({ status: 'up', instance: 'acme' });
  });
});

describe('other sites', () => {
  it.each([
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('with %o cannot use the control surface', async (headers) => {
    const emulator = await startEmulator();
    const post = fetch(`${emulator.url}/_emulator/reset`, { method: 'POST', headers });
    expect((await post).status).toBe(403);
  });

  it('whose name points at this address are not served', async () => {
    const emulator = await startEmulator();
    const statusFor = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        request(`${emulator.url}/_emulator/ledger`, { headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
    expect(await statusFor('rebound.evil.example')).toBe(421);
    expect(await statusFor('localhost')).toBe(200);
    expect(await statusFor(new URL(emulator.url).host)).toBe(200);
  });
});

describe('closing', () => {
  it('ends open connections and may be asked twice', async () => {
    const emulator = await startEmulator();
    await fetch(`${emulator.url}/_emulator/events`);
    await emulator.close();
    await emulator.close();
    await expect(fetch(emulator.url)).rejects.toThrow();
  });
});
