import { createHash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import { type Served, serve, userOf } from './app.fixture.ts';
import { highq, highqErrors, highqProxy, type ProxyOptions, requireHighQ } from './index.ts';

const MIB = 1024 * 1024;
const SAME = { 'sec-fetch-site': 'same-origin' };
let served: Served;
afterEach(() => served.close());

async function open(
  options: ProxyOptions & { before?: (app: Express) => void } = {},
  emulator: Parameters<typeof serve>[1] = {},
): Promise<void> {
  const { before, ...rest } = options;
  served = await serve(
    {},
    {
      ...emulator,
      prepare(app, manager) {
        app.use(highq({ manager, connectionId: userOf }));
        before?.(app);
        app.use('/highq-api', requireHighQ(), highqProxy(rest));
        app.get('/after', (_req, res) => res.send('after'));
        app.use(highqErrors());
      },
    },
  );
  const { code } = await served.emulator.authorize({ user: 'user@clientname.com' });
  await served.manager.connection('ann').exchangeCode(code);
}

interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Readable | string;
}

/** The bare answer: `fetch` would unpack and hide what is asked about here. */
async function send(
  path: string,
  { method = 'GET', headers = {}, body }: Sent = {},
): Promise<IncomingMessage> {
  const sent = request(served.url, {
    path,
    method,
    headers: { cookie: 'user=ann', ...headers },
    agent: false,
  });
  if (body instanceof Readable) body.pipe(sent);
  else sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

/** The request that reaches the API next at a path that ends like this. */
function apiCall(path: string): Promise<IncomingMessage> {
  return new Promise((resolve) => {
    const note = (message: unknown): void => {
      const { request: given } = message as { readonly request: IncomingMessage };
      if (!given.url?.startsWith('/acme/api/') || !given.url.split('?', 1)[0]?.endsWith(path)) return;
      unsubscribe('http.server.request.start', note);
      resolve(given);
    };
    subscribe('http.server.request.start', note);
  });
}

async function closing(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

describe('highqProxy()', () => {
  it('gives a browser what the API gives the application, below its mount path', async () => {
    await open();
    const response = await send('/highq-api/6/sites', { headers: { accept: 'application/json' } });
    expect(response.statusCode).toBe(200);
    const direct = await served.manager
      .connection('ann')
      .fetch('6/sites', { headers: { accept: 'application/json' } });
    expect(await textOf(response)).toBe(await direct.text());
    expect(response.headers).toMatchObject({ 'content-security-policy': 'sandbox' });
    expect(await textOf(await send('/after'))).toBe('after');
  });

  it('answers who is not signed in, and who is not connected, as every other route does', async () => {
    await open();
    expect((await send('/highq-api/6/sites', { headers: { cookie: '' } })).statusCode).toBe(401);
    const stranger = await send('/highq-api/6/sites', { headers: { cookie: 'user=bob' } });
    expect(JSON.parse(await textOf(stranger))).toMatchObject({
      code: 'not_connected',
      connectUrl: '/highq/connect',
    });
  });

  it('renews a token that has ended, and the call goes through', async () => {
    await open();
    served.emulator.clock.advance(6 * 3_600_000);
    expect((await send('/highq-api/6/sites')).statusCode).toBe(200);
    expect(served.emulator.ledger.refreshes()).toBe(1);
  });

  it('F113 refuses a form of another site, and takes one of its own page', async () => {
    await open({ allow: ['POST'] });
    const form = { 'content-type': 'application/json' };
    const body = '{"sitename":"Closing binder"}';
    const foreign = { ...form, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
    expect((await send('/highq-api/6/sites', { method: 'POST', headers: foreign, body })).statusCode).toBe(
      403,
    );
    expect((await send('/highq-api/6/sites', { method: 'GET' })).statusCode).toBe(405);
    const own = await send('/highq-api/6/sites', { method: 'POST', headers: { ...form, ...SAME }, body });
    expect(own.statusCode).toBe(201);
  });

  it('F113 says what is wrong when a body parser comes before it, and sends nothing', async () => {
    await open({ allow: ['POST'], before: (app) => app.use(express.json()) });
    const before = served.emulator.requests.entries.length;
    const headers = { 'content-type': 'application/json', ...SAME };
    const response = await send('/highq-api/6/sites', { method: 'POST', headers, body: '{"name":"x"}' });
    expect(response.statusCode).toBe(500);
    expect(JSON.parse(await textOf(response))).toMatchObject({ code: 'configuration' });
    expect(served.emulator.requests.entries).toHaveLength(before);
  });

  it('streams down: 64 MiB, byte for byte, while another caller renews the token', async () => {
    await open();
    const response = await send(`/highq-api/6/documents/1/content?size=${64 * MIB}`);
    expect(response.headers).toMatchObject({
      'content-length': String(64 * MIB),
      'content-disposition': 'attachment; filename="document.bin"',
    });
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of response) {
      if (bytes === 0) await served.manager.connection('ann').refresh({ force: true });
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).byteLength;
    }
    const direct = await served.manager.connection('ann').fetch(`6/documents/1/content?size=${64 * MIB}`);
    const expected = createHash('sha256');
    for await (const chunk of direct.body ?? []) expected.update(chunk);
    expect([bytes, hash.digest('hex')]).toEqual([64 * MIB, expected.digest('hex')]);
  });

  it('streams up: the API has the first bytes before the browser sends the last', async () => {
    await open({ allow: ['PUT'] });
    const block = Buffer.alloc(64 * 1024, 7);
    const expected = createHash('sha256');
    let sent = 0;
    const body = new Readable({
      async read() {
        if (sent === 0) await served.manager.connection('ann').refresh({ force: true });
        if (sent >= 32 * MIB) return void this.push(null);
        sent += block.byteLength;
        expected.update(block);
        this.push(block);
      },
    });
    const response = await send('/highq-api/6/documents/7/content', {
      method: 'PUT',
      headers: { ...SAME, 'content-type': 'application/octet-stream', accept: 'application/json' },
      body,
    });
    const answer = JSON.parse(await textOf(response)) as Record<string, unknown>;
    expect(JSON.stringify(answer)).toContain(expected.digest('hex'));
  });

  it('lets go of the API when the browser leaves in the middle', async () => {
    await open();
    const called = apiCall('/documents/1/content');
    const response = await send(`/highq-api/6/documents/1/content?size=${512 * MIB}`);
    await once(response, 'data');
    const { socket } = await called;
    response.destroy();
    await closing(socket);
    expect((await send('/highq-api/6/sites')).statusCode).toBe(200);
  });

  it.each(['GET', 'PUT'])(
    'a browser that leaves a %s before its answer is no error of the application',
    async (method) => {
      await open({ allow: ['GET', 'PUT'] });
      const errors: unknown[] = [];
      served.app.use(((error, _req, res, _next) => {
        errors.push(error);
        res.destroy();
      }) as ErrorRequestHandler);
      served.emulator.faults.add({ match: { endpoint: '/api/6/documents' }, kind: 'delay', delayMs: 60_000 });
      const called = apiCall('/documents/1/content');
      const sent = request(served.url, {
        path: '/highq-api/6/documents/1/content',
        method,
        headers: { cookie: 'user=ann', ...SAME },
        agent: false,
      });
      sent.on('error', () => undefined);
      if (method === 'PUT') sent.write(Buffer.alloc(64 * 1024));
      else sent.end();
      const { socket } = await called;
      sent.destroy();
      await closing(socket);
      expect((await send('/after')).statusCode).toBe(200);
      expect(errors).toEqual([]);
    },
  );

  it('says what is wrong when it comes without requireHighQ()', async () => {
    served = await serve(
      {},
      {
        prepare(app) {
          app.use('/highq-api', highqProxy());
          app.use(highqErrors());
        },
      },
    );
    const response = await send('/highq-api/6/sites');
    expect(response.statusCode).toBe(500);
    expect(JSON.parse(await textOf(response))).toMatchObject({ code: 'configuration' });
  });
});
