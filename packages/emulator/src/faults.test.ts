import { describe, expect, it } from 'vitest';
import {
  Browser,
  CALLBACK,
  call,
  control,
  hiddenField,
  jsonOf,
  LIMITED,
  postRefresh,
  refresh,
  signIn,
  startEmulator,
  type Tokens,
  USER,
} from './emulator.fixture.ts';
import { FAULT_KINDS, type Fault, type FaultInput } from './faults.ts';

const TOKEN = { endpoint: 'token' };

/** The socket's error code that a fetch failed with. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => new Error('it was answered'),
    (reason: unknown) => reason,
  );
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(error);
}

describe('faults before a request is processed', () => {
  it.each([
    [{ kind: 'status' }, 503, null],
    [
      { kind: 'status', status: 504, retryAfter: 'Sat, 21 Nov 2026 00:00:00 GMT', body: '<html>' },
      504,
      'Sat, 21 Nov 2026 00:00:00 GMT',
    ],
    [{ kind: 'rate-limit' }, 429, '1'],
    [{ kind: 'rate-limit', retryAfter: 120 }, 429, '120'],
    [{ kind: 'html' }, 200, null],
    [{ kind: 'forbid' }, 403, null],
  ] as const)('%o answers %d and spends nothing', async (fault, status, retryAfter) => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, times: 1, ...fault });
    const response = await postRefresh(emulator, tokens.refresh_token);
    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBe(retryAfter);
    expect(emulator.ledger.entries.at(-1)).toMatchObject({
      kind: 'presented',
      verdict: 'unprocessed',
      answered: true,
    });
    await refresh(emulator, tokens.refresh_token);
    expect(emulator.ledger.presentedTwice()).toBe(0);
  });

  it('sets headers, and a page that asks to sign in', async () => {
    const emulator = await startEmulator();
    emulator.faults.add({
      kind: 'status',
      status: 302,
      headers: { location: 'http://127.0.0.1:9/' },
      body: '',
      times: 1,
    });
    const moved = await fetch(`${emulator.instanceUrl}/api/6/sites`, { redirect: 'manual' });
    expect([moved.status, moved.headers.get('location')]).toEqual([302, 'http://127.0.0.1:9/']);
    emulator.faults.add({ kind: 'html' });
    const page = await fetch(`${emulator.instanceUrl}/api/6/sites`);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('type="password"');
  });

  it('reset-before resets the connection and spends nothing', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'reset-before', times: 1 });
    expect(await failureOf(postRefresh(emulator, tokens.refresh_token))).toBe('ECONNRESET');
    expect(emulator.requests.entries.at(-1)).toMatchObject({ status: 0, faults: ['reset-before'] });
    expect(emulator.ledger.refreshes()).toBe(0);
    await refresh(emulator, tokens.refresh_token);
  });
});

describe('faults after a request was processed', () => {
  it('reset-after-commit has rotated and answers nobody', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'reset-after-commit', times: 1 });
    expect(await failureOf(postRefresh(emulator, tokens.refresh_token))).toBe('ECONNRESET');
    expect(emulator.ledger.refreshes()).toBe(1);
    expect(emulator.ledger.unread()).toMatchObject([{ generation: 2, answered: false }]);
    expect((await postRefresh(emulator, tokens.refresh_token)).status).toBe(400);
  });

  it('status and html can come after processing', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'status', status: 504, when: 'after', times: 1 });
    expect((await postRefresh(emulator, tokens.refresh_token)).status).toBe(504);
    expect(emulator.ledger.refreshes()).toBe(1);
    emulator.faults.add({ match: TOKEN, kind: 'html', when: 'after' });
    const { access_token } = await signIn(emulator).catch(() => ({ access_token: null }));
    expect(access_token).toBeNull();
    expect(emulator.ledger.filter({ kind: 'issued', grantType: 'authorization_code' })).toHaveLength(4);
  });

  it.each([
    ['application/json', /^\{"access_token":.*"useremail":"user@clientname.com"$/],
    ['application/xml', /<useremail>user@clientname\.com<\/useremail>$/],
  ])('malformed-xml leaves %s without its end', async (accept, shape) => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'malformed-xml' });
    const response = await postRefresh(emulator, tokens.refresh_token, { accept });
    expect(response.status).toBe(200);
    expect(await response.text()).toMatch(shape);
  });

  it('wrap-root puts another root around the answer', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'wrap-root', root: 'Envelope' });
    const json = await postRefresh(emulator, tokens.refresh_token);
    const second = await jsonOf<{ Envelope: Tokens }>(json);
    expect(second).toMatchObject({ Envelope: { token_type: 'bearer' } });
    const xml = await postRefresh(emulator, second.Envelope.refresh_token, { accept: 'application/xml' });
    expect(await xml.text()).toMatch(
      /^<\?xml [^>]*\?>\n<Envelope><TokenResponse>.*<\/TokenResponse><\/Envelope>$/,
    );
  });

  it('wrong-content-type swaps, names or leaves out the content type', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const add = (contentType?: string): unknown =>
      emulator.faults.add({
        kind: 'wrong-content-type',
        times: 1,
        ...(contentType === undefined ? {} : { contentType }),
      });
    add();
    const swapped = await call(emulator, access_token);
    expect(swapped.headers.get('content-type')).toBe('application/xml;charset=UTF-8');
    expect(await swapped.json()).toHaveProperty('site');
    add('text/plain');
    expect((await call(emulator, access_token)).headers.get('content-type')).toBe('text/plain');
    add('');
    const bare = await call(emulator, access_token);
    expect(bare.headers.has('content-type')).toBe(false);
    expect(await bare.json()).toHaveProperty('site');
  });

  it('omit-field leaves a member out', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'omit-field', field: 'access_token' });
    const json = await jsonOf<Tokens>(await postRefresh(emulator, tokens.refresh_token));
    expect(Object.keys(json)).toEqual(['expires_in', 'refresh_token', 'token_type', 'useremail']);
    const xml = await postRefresh(emulator, json.refresh_token, { accept: 'application/xml' });
    expect(await xml.text()).toMatch(/<TokenResponse><expires_in>/);
  });

  it('truncate announces more than it sends', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'truncate', times: 1 });
    const response = await postRefresh(emulator, tokens.refresh_token);
    expect(response.status).toBe(200);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(100);
    await expect(response.text()).rejects.toThrow();
    expect(emulator.ledger.unread()).toHaveLength(1);
  });

  it('forbid denies a good token, and leaves a dead one dead', async () => {
    const emulator = await startEmulator({ expiredAnswer: '401' });
    const { access_token } = await signIn(emulator);
    emulator.faults.add({ match: { endpoint: 'api' }, kind: 'forbid' });
    const denied = await call(emulator, access_token);
    expect(denied.status).toBe(403);
    expect(await denied.text()).toContain('permission');
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('ok');
    expect((await call(emulator, 'unknown')).status).toBe(401);
  });

  it('duplicate-callback sends the browser to the callback twice with one code', async () => {
    const emulator = await startEmulator();
    emulator.faults.add({ match: { endpoint: 'authorize' }, kind: 'duplicate-callback' });
    const browser = new Browser();
    const query = `response_type=code&client_id=1012&redirect_uri=${encodeURIComponent(CALLBACK)}`;
    await browser.post(`${emulator.instanceUrl}/login.action`, { query, email: USER, password: 'password' });
    const page = await (await browser.get(`${emulator.instanceUrl}/authorize.action?${query}`)).text();
    const key = hiddenField(page, 'key');
    const answer = await browser.post(`${emulator.instanceUrl}/authorize.action`, {
      query,
      key,
      decision: 'allow',
    });
    expect(answer.status).toBe(200);
    const targets = [
      ...(await answer.text()).matchAll(/http:\/\/127\.0\.0\.1:9\/highq\/callback\?code=[\w-]{32,}/g),
    ];
    expect(targets.length).toBeGreaterThanOrEqual(2);
    expect(new Set(targets.map(([target]) => target)).size).toBe(1);
  });
});

describe('statuses without a body', () => {
  it.each([204, 304])('%d', async (status) => {
    const emulator = await startEmulator();
    emulator.faults.add({ kind: 'status', status });
    const response = await fetch(`${emulator.instanceUrl}/api/6/sites`);
    expect([response.status, await response.text()]).toEqual([status, '']);
  });
});

describe('delay', () => {
  it('answers late on the emulator’s clock what it processed at once', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    const order: string[] = [];
    emulator.faults.add({ match: TOKEN, kind: 'delay', delayMs: 25_000, times: 1 });
    const seen = nextEntry(emulator.url, 'issued');
    const answer = postRefresh(emulator, tokens.refresh_token).then((response) => {
      order.push('answered');
      return response.status;
    });
    await seen;
    expect(emulator.ledger.unread()).toHaveLength(1);
    emulator.clock.advance(24_999);
    expect((await control(emulator, 'health')).status).toBe(200);
    order.push('advanced');
    emulator.clock.advance(1);
    expect(await answer).toBe(200);
    expect(order).toEqual(['advanced', 'answered']);
    expect(emulator.ledger.unread()).toHaveLength(0);
  });

  it('before: nothing has happened while it waits', async () => {
    let fire: (() => void) | undefined;
    let armed = (): void => {};
    const waiting = new Promise<void>((resolve) => {
      armed = resolve;
    });
    const clock = {
      now: () => 1_800_000_000_000,
      setTimer(fn: () => void, delayMs: number) {
        expect(delayMs).toBe(5000);
        fire = fn;
        armed();
        return () => {};
      },
    };
    const emulator = await startEmulator({ clock });
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'delay', when: 'before', delayMs: 5000 });
    const answer = postRefresh(emulator, tokens.refresh_token);
    await waiting;
    expect(emulator.ledger.refreshes()).toBe(0);
    fire?.();
    expect((await answer).status).toBe(200);
    expect(emulator.ledger.refreshes()).toBe(1);
  });
});

/** Resolves when the event feed tells of a ledger entry of this kind. */
async function nextEntry(url: string, kind: string): Promise<void> {
  const response = await fetch(`${url}/_emulator/events`);
  return (async () => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes(`"kind":"${kind}"`)) return;
    }
    throw new Error('the feed ended');
  })();
}

describe('matching', () => {
  it('goes by grant type, user and path prefix', async () => {
    const emulator = await startEmulator();
    const [user, limited] = [await signIn(emulator), await signIn(emulator, LIMITED)];
    emulator.faults.add({
      match: { endpoint: 'token', grantType: 'refresh_token', connection: LIMITED },
      kind: 'status',
    });
    await signIn(emulator, LIMITED);
    await refresh(emulator, user.refresh_token);
    expect((await postRefresh(emulator, limited.refresh_token)).status).toBe(503);
    emulator.faults.clear();
    emulator.faults.add({ match: { endpoint: '/api/6/sites' }, kind: 'status' });
    emulator.faults.add({ match: { endpoint: '/acme/api/7' }, kind: 'status', status: 500 });
    expect((await call(emulator, user.access_token, '6/sites')).status).toBe(503);
    expect((await call(emulator, user.access_token, '5/sites')).status).toBe(200);
    expect((await call(emulator, user.access_token, '7/organisations')).status).toBe(500);
  });

  it('lets the first `after` requests pass and strikes `times` times', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const { id } = emulator.faults.add({ match: { endpoint: 'api' }, kind: 'status', after: 1, times: 2 });
    const seen: number[] = [];
    for (let i = 0; i < 4; i += 1) seen.push((await call(emulator, access_token)).status);
    expect(seen).toEqual([200, 503, 503, 200]);
    expect(emulator.faults.list()).toMatchObject([{ id, seen: 4, struck: 2 }]);
  });

  it('applies several faults to one request', async () => {
    const emulator = await startEmulator();
    const tokens = await signIn(emulator);
    emulator.faults.add({ match: TOKEN, kind: 'omit-field', field: 'expires_in' });
    emulator.faults.add({ match: TOKEN, kind: 'wrap-root' });
    const answer = await jsonOf<{ response: Tokens }>(await postRefresh(emulator, tokens.refresh_token));
    expect(Object.keys(answer.response)).toEqual([
      'access_token',
      'refresh_token',
      'token_type',
      'useremail',
    ]);
  });

  it('leaves clock and control surface alone', async () => {
    const emulator = await startEmulator();
    emulator.faults.add({ kind: 'reset-before' });
    expect((await control(emulator, 'clock')).status).toBe(200);
    expect(emulator.requests.entries).toHaveLength(0);
  });
});

describe('adding', () => {
  it.each([
    { kind: 'frob' },
    { kind: 'delay' },
    { kind: 'omit-field' },
    { kind: 'status', status: 99 },
    { kind: 'status', times: 0 },
    { kind: 'status', colour: 'red' },
    { kind: 'status', match: { endpoint: 'nowhere' } },
    { kind: 'status', match: { grant: 'refresh_token' } },
    { kind: 'status', headers: { a: 'b\r\nc: d' } },
    { kind: 'rate-limit', retryAfter: 'x\n' },
  ])('refuses %o', async (body) => {
    const emulator = await startEmulator();
    expect((await control(emulator, 'faults', body)).status).toBe(400);
    expect(emulator.faults.list()).toEqual([]);
  });

  it('takes every kind over HTTP, lists and removes them', async () => {
    const emulator = await startEmulator();
    for (const kind of FAULT_KINDS) {
      const fault: FaultInput = { kind, delayMs: 1, field: 'x' };
      expect((await control(emulator, 'faults', fault)).status).toBe(201);
    }
    const { faults } = await jsonOf<{ faults: Fault[] }>(await control(emulator, 'faults'));
    expect(faults).toHaveLength(FAULT_KINDS.length);
    await control(emulator, `faults/${faults[0]?.id}`, undefined, 'DELETE');
    expect(emulator.faults.list()).toHaveLength(FAULT_KINDS.length - 1);
    expect((await control(emulator, 'faults/none', undefined, 'DELETE')).status).toBe(404);
    await control(emulator, 'faults', undefined, 'DELETE');
    expect(emulator.faults.list()).toEqual([]);
  });
});

describe('without a socket', () => {
  it('resets reject, and truncated bodies fail while they are read', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const get = (): Promise<Response> =>
      emulator.fetch('/acme/api/6/sites', { headers: { authorization: `Bearer ${access_token}` } });
    expect((await get()).status).toBe(200);
    expect(emulator.ledger.entries.at(-1)?.answered).toBe(true);
    emulator.faults.add({ kind: 'reset-after-commit', times: 1 });
    expect(await failureOf(get())).toBe('ECONNRESET');
    emulator.faults.add({ kind: 'truncate', times: 1 });
    await expect(get().then((response) => response.text())).rejects.toThrow('terminated');
    expect(emulator.ledger.entries.at(-1)?.answered).toBe(false);
  });
});
