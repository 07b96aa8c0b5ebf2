import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { expect } from 'vitest';
import { type App, type Behaviour, type Bench, HOUR_MS, LIMITED, MIB } from './bench.ts';
import { answerTo, start, textOf } from './exchange.ts';
import type { HostProxy, HostSetup } from './host.ts';
import { call, openBefore, openProxy, PROXY, SAME } from './proxy-steps.ts';

const BINARY = { 'content-type': 'application/octet-stream' };
const SIZE = 10 * MIB;
const BLOCK = 64 * 1024;

async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

/** Blocks that differ, so that one in a wrong place is seen. */
function* blocks(): Generator<Buffer> {
  for (let index = 0; index < SIZE / BLOCK; index += 1) yield Buffer.alloc(BLOCK, index);
}

/** A call at the API that the behaviour answers itself. */
interface Pair {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Opened {
  readonly app: App;
  /** The next call that comes to the API. */
  readonly came: Promise<Pair>;
}

async function openAnswered(
  bench: Bench,
  options?: Partial<HostProxy>,
  setup?: Partial<HostSetup>,
): Promise<Opened> {
  const { promise: came, resolve } = Promise.withResolvers<Pair>();
  const { app } = await openBefore(
    bench,
    (request, response) => resolve({ request, response }),
    options,
    setup,
  );
  return { app, came };
}

/** The same, where the API has begun to answer the visitor, who has its first bytes. */
async function openInAnswer(
  bench: Bench,
): Promise<{ app: App; api: ServerResponse; response: IncomingMessage }> {
  const { app, came } = await openAnswered(bench);
  const asked = call(app, '6/documents/1/content');
  const { response: api } = await came;
  api.writeHead(200, BINARY).write('first');
  const response = await asked;
  const [first] = (await once(response, 'data')) as [Buffer];
  expect(first.toString()).toBe('first');
  return { app, api, response };
}

/** The same, where the visitor has begun an upload, and the API has its first bytes. */
async function openInUpload(
  bench: Bench,
): Promise<Pair & { readonly app: App; readonly outgoing: ClientRequest }> {
  const { app, came } = await openAnswered(bench, { allow: ['PUT'] });
  const headers = { cookie: 'user=ann', ...SAME, ...BINARY };
  const outgoing = start(`${app.url}${PROXY}/6/documents/1/content`, { method: 'PUT', headers });
  outgoing.write('first');
  const { request, response } = await came;
  const [first] = (await once(request, 'data')) as [Buffer];
  expect(first.toString()).toBe('first');
  return { app, outgoing, request, response };
}

/** Bodies through the proxy: streams, and what becomes of them when one side leaves. */
export const STREAM_BEHAVIOURS: readonly Behaviour[] = [
  {
    title:
      'F113 proxy: a body that something has read already is a mistake of the set-up, and nothing is sent',
    async run(bench) {
      const app = await openProxy(bench, { allow: ['GET', 'POST'] }, { bodies: 'consumed' });
      const before = app.emulator.requests.count();
      const headers = { ...SAME, 'content-type': 'application/json' };
      const response = await call(app, '6/sites', { method: 'POST', headers, body: '{"sitename":"x"}' });
      expect([response.statusCode, JSON.parse(await textOf(response))]).toMatchObject([
        500,
        { code: 'configuration' },
      ]);
      expect(app.emulator.requests.count()).toBe(before);
      expect((await call(app, '6/sites')).statusCode).toBe(200);
    },
  },
  {
    title: "F113 proxy: behind the framework's usual parsers a body arrives whole, or not at all",
    async run(bench) {
      const app = await openProxy(bench, { allow: ['GET', 'PUT', 'DELETE'] }, { bodies: 'parsed' });
      for (const type of ['application/json', 'application/octet-stream']) {
        const body = '{"sitename":"Closing binder"}';
        const before = app.emulator.requests.count({ method: 'PUT' });
        const headers = { ...SAME, 'content-type': type, accept: 'application/json' };
        const response = await call(app, '6/documents/7/content', { method: 'PUT', headers, body });
        const text = await textOf(response);
        if (response.statusCode === 500) {
          expect(JSON.parse(text)).toMatchObject({ code: 'configuration' });
          expect(app.emulator.requests.count({ method: 'PUT' })).toBe(before);
        } else {
          expect([response.statusCode, text]).toEqual([
            200,
            expect.stringContaining(createHash('sha256').update(body).digest('hex')),
          ]);
        }
      }
      // Where there is no body, none is missing.
      expect((await call(app, '6/sites')).statusCode).toBe(200);
      expect((await call(app, '6/sites/1', { method: 'DELETE', headers: SAME })).statusCode).not.toBe(500);
    },
  },
  {
    title: 'proxy: streams down, the browser has the first bytes before the API has sent the last',
    async run(bench) {
      const { api, response } = await openInAnswer(bench);
      api.end(' last');
      expect(await textOf(response)).toBe(' last');
    },
  },
  {
    title: 'proxy: streams up, the API has the first bytes before the browser has sent the last',
    async run(bench) {
      const { outgoing, request, response: api } = await openInUpload(bench);
      const answered = answerTo(outgoing);
      outgoing.end(' last');
      expect(await textOf(request)).toBe(' last');
      api.writeHead(200, BINARY).end('stored');
      expect(await textOf(await answered)).toBe('stored');
    },
  },
  {
    title: 'proxy: 10 MiB come down byte for byte, while another caller renews the token',
    async run(bench) {
      const app = await openProxy(bench);
      const path = `6/documents/1/content?size=${SIZE}`;
      const response = await call(app, path);
      expect(response.headers).toMatchObject({
        'content-length': String(SIZE),
        'content-disposition': 'attachment; filename="document.bin"',
      });
      await app.manager.connection('ann').refresh({ force: true });
      // The same 64 KiB over and over.
      const block = await app.manager.connection('ann').fetch(`6/documents/1/content?size=${BLOCK}`);
      const expected = Array<Buffer>(SIZE / BLOCK).fill(Buffer.from(await block.arrayBuffer()));
      expect(await digestOf(response)).toBe(await digestOf(Readable.from(expected)));
    },
  },
  {
    title: 'proxy: 10 MiB go up byte for byte',
    async run(bench) {
      const app = await openProxy(bench, { allow: ['PUT'] });
      const headers = { ...SAME, ...BINARY, accept: 'application/json' };
      const body = Readable.from(blocks(), { objectMode: false });
      const response = await call(app, '6/documents/7/content', { method: 'PUT', headers, body });
      const answer = JSON.parse(await textOf(response)) as Record<string, unknown>;
      expect(answer).toMatchObject({ size: SIZE, sha256: await digestOf(Readable.from(blocks())) });
    },
  },
  {
    title: 'proxy: an upload whose token ended meanwhile is 409, and is not sent twice',
    async run(bench) {
      const app = await openProxy(bench, { allow: ['GET', 'PUT', 'DELETE'] });
      await app.connect('ann', LIMITED);
      await bench.advance(HOUR_MS);
      // A call that this user may not make has shown which call always answers while the token lives.
      expect((await call(app, '6/organisations')).statusCode).toBe(403);
      app.emulator.revoke({ what: 'access' });
      const headers = { ...SAME, ...BINARY };
      const sent = { method: 'PUT', headers, body: Readable.from(['one', 'two'], { objectMode: false }) };
      const response = await call(app, '6/documents/7/content', sent);
      expect([response.statusCode, JSON.parse(await textOf(response))]).toMatchObject([
        409,
        { code: 'body_not_replayable' },
      ]);
      expect(app.emulator.requests.count({ method: 'PUT' })).toBe(1);
      expect((await call(app, '6/sites')).statusCode).toBe(200);
      // What came without a body is.
      app.emulator.revoke({ what: 'access' });
      const bodiless = await call(app, '6/sites/1', { method: 'DELETE', headers: SAME });
      bodiless.resume();
      expect(bodiless.statusCode).not.toBe(409);
      expect(app.emulator.requests.count({ method: 'DELETE' })).toBe(2);
    },
  },
  {
    title: 'proxy: a browser that leaves in the middle of an answer ends the call to the API',
    async run(bench) {
      const { api, response } = await openInAnswer(bench);
      const ended = once(api, 'close');
      response.destroy();
      await ended;
      expect(api.writableFinished).toBe(false);
    },
  },
  {
    title:
      'proxy: a browser that leaves before the answer ends the call to the API, and is no error of the application',
    async run(bench) {
      const errors: unknown[] = [];
      const onError = (error: unknown) => errors.push(error);
      const { app, came } = await openAnswered(bench, {}, { onError });
      const outgoing = start(`${app.url}${PROXY}/6/sites`, { headers: { cookie: 'user=ann' } });
      outgoing.on('error', () => undefined);
      outgoing.end();
      const { response: api } = await came;
      const ended = once(api, 'close');
      outgoing.destroy();
      await ended;
      expect(api.headersSent).toBe(false);
      expect((await app.ask('/', 'ann')).status).toBe(200);
      expect(errors).toEqual([]);
    },
  },
  {
    title: 'proxy: a browser that leaves in the middle of an upload ends the call to the API',
    async run(bench) {
      const { app, outgoing, request } = await openInUpload(bench);
      outgoing.on('error', () => undefined);
      request.on('error', () => undefined);
      const ended = new Promise((resolve) => request.once('close', resolve));
      outgoing.destroy();
      await ended;
      // A part of a file must not look like all of it.
      expect(request.complete).toBe(false);
      expect((await app.ask('/', 'ann')).status).toBe(200);
    },
  },
  {
    title: 'proxy: an answer that breaks off at the API breaks off at the browser, and looks whole to nobody',
    async run(bench) {
      const { app, api, response } = await openInAnswer(bench);
      api.destroy();
      await expect(textOf(response)).rejects.toThrow();
      expect(response.complete).toBe(false);
      expect((await app.ask('/', 'ann')).status).toBe(200);
    },
  },
];
