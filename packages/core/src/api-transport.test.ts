import { createServer, type IncomingHttpHeaders, type Server, setGlobalProxyFromEnv } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection, TokenManager } from './contracts.ts';
import { memoryStore } from './memory-store.ts';
import { createTestManager } from './testing/test-manager.ts';
import { CERTIFICATE } from './token-endpoint.fixture.ts';

const TOKENS = { access_token: 'a-token', refresh_token: 'r-token', expires_in: 18_000 };
const TEXT = JSON.stringify({ text: 'x'.repeat(5_000) });
let server: Server;
let instanceUrl: string;
let manager: TokenManager;
let connection: Connection;
let seen: IncomingHttpHeaders[];
let bytes: number[];
let ports: (number | undefined)[];
let reply: { readonly coding?: string; readonly body: Buffer | string };

beforeEach(async () => {
  seen = [];
  bytes = [];
  ports = [];
  reply = { body: TEXT };
  server = createServer(async (request, response) => {
    seen.push(request.headers);
    ports.push(request.socket.remotePort);
    let size = 0;
    for await (const chunk of request) size += (chunk as Buffer).byteLength;
    bytes.push(size);
    if (request.method === 'GET') return void Readable.from(blocks()).pipe(response);
    const { coding, body } = reply;
    response.writeHead(200, {
      'content-type': 'application/json',
      ...(coding === undefined ? {} : { 'content-encoding': coding }),
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  instanceUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/acme`;
  manager = createTestManager(
    { HIGHQ_INSTANCE_URL: instanceUrl, HIGHQ_CLIENT_ID: '1012', HIGHQ_CLIENT_SECRET: 'secret' },
    { store: memoryStore(), encryption: false },
  );
  connection = manager.connection('ann');
  await connection.importTokens(TOKENS);
});
afterEach(async () => {
  await manager.close();
  server.closeAllConnections();
  server.close();
});

const MIB = 1024 * 1024;
const STREAMED_MIB = 24;
const BLOCK = MIB / 16;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is held in buffers besides `before`, MiB, once nothing is left that nobody needs. */
function heldMib(before = 0): number {
  collect();
  collect();
  return process.memoryUsage().arrayBuffers / MIB - before;
}

function* blocks(): Generator<Buffer> {
  for (let sent = 0; sent < STREAMED_MIB * MIB; sent += BLOCK) yield Buffer.alloc(BLOCK, 7);
}

describe('a stream', () => {
  const upload = (body: ReadableStream): RequestInit =>
    ({ method: 'PUT', body, duplex: 'half' }) as RequestInit;
  it.each<[string, (body: ReadableStream) => Promise<Response>]>([
    ['connection.fetch', (body) => connection.fetch('6/x', upload(body))],
    ['connection.client', (body) => connection.client.put('6/x', { body })],
    [
      'connection.client with a request',
      (body) => connection.client(new Request(`${instanceUrl}/api/6/x`, upload(body))),
    ],
  ])('F67 goes up by %s without being kept', async (_, send) => {
    const before = heldMib();
    let held = Number.NaN;
    const source = blocks();
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const { done, value } = source.next();
        if (!done) return controller.enqueue(value);
        held = heldMib(before);
        controller.close();
      },
    });
    expect((await send(body)).status).toBe(200);
    expect(held).toBeLessThan(STREAMED_MIB / 3);
  });

  it('comes down by connection.client without being kept', async () => {
    const before = heldMib();
    const response = await connection.client.get('6/x');
    let bytes = 0;
    let held = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes === STREAMED_MIB * MIB) held = heldMib(before);
    }
    expect(bytes).toBe(STREAMED_MIB * MIB);
    expect(held).toBeLessThan(STREAMED_MIB / 3);
  });
});

const streamed = (headers: Record<string, string> = {}): RequestInit =>
  ({ method: 'PUT', body: new Blob(['streamed']).stream(), duplex: 'half', headers }) as RequestInit;

describe('a body in memory', () => {
  const form = (): FormData => {
    const one = new FormData();
    one.set('name', 'caf\u00e9');
    one.set('file', new File(['<x/>'], 'x.xml', { type: 'application/xml' }));
    return one;
  };
  it.each<[string, () => NonNullable<RequestInit['body']>]>([
    ['text', () => 'a \u20ac'],
    ['parameters', () => new URLSearchParams({ a: 'b c' })],
    ['bytes', () => new Uint8Array([1, 2, 3])],
    ['a blob', () => new Blob(['{}'], { type: 'application/json' })],
    ['a form', form],
  ])('goes with its length and type also where `http` names a CA: %s', async (_, body) => {
    const trusting = createTestManager(
      { HIGHQ_INSTANCE_URL: instanceUrl, HIGHQ_CLIENT_ID: '1012', HIGHQ_CLIENT_SECRET: 'secret' },
      { store: memoryStore(), encryption: false, http: { ca: CERTIFICATE } },
    );
    const other = trusting.connection('ann');
    await other.importTokens(TOKENS);
    for (const one of [connection, other]) {
      await (await one.fetch('6/x', { method: 'PUT', body: body() })).text();
    }
    await trusting.close();
    const types = seen.map((headers) => headers['content-type']?.split(';')[0]);
    expect(types[1]).toBe(types[0]);
    expect(seen.map((headers) => Number(headers['content-length']))).toEqual(bytes);
    // Boundaries of forms are as long as Node's and undici's versions make them.
    if (!types[0]?.startsWith('multipart')) expect(bytes[1]).toBe(bytes[0]);
  });
});

describe('an upload of a stream', () => {
  it('asks for an answer without a coding, and names what other calls name', async () => {
    await (await connection.fetch('6/x', streamed())).text();
    await (await connection.fetch('6/x', { method: 'PUT', body: 'text' })).text();
    const [upload, other] = seen;
    expect(upload).toMatchObject({
      'accept-encoding': 'identity',
      accept: other?.accept,
      'user-agent': other?.['user-agent'],
    });
    await (await connection.fetch('6/x', streamed({ Accept: 'application/json' }))).text();
    expect(seen[2]?.accept).toBe('application/json');
  });

  it.each([
    ['gzip', gzipSync(TEXT)],
    ['X-GZIP', gzipSync(TEXT)],
    ['deflate', deflateSync(TEXT)],
    ['br', brotliCompressSync(TEXT)],
    ['deflate, gzip', gzipSync(deflateSync(TEXT))],
    ['identity', Buffer.from(TEXT)],
  ])('F113 unpacks an answer that comes in %s all the same', async (coding, body) => {
    reply = { coding, body };
    const response = await connection.fetch('6/x', streamed());
    expect([await response.text(), response.headers.get('content-encoding')]).toEqual([TEXT, coding]);
    reply = { coding, body };
    expect(await connection.client.put('6/x', streamed()).json()).toEqual(JSON.parse(TEXT));
  });

  it('gives an unknown coding as it is, and says of a broken one that it is broken', async () => {
    reply = { coding: 'rot13', body: 'abc' };
    expect(await (await connection.fetch('6/x', streamed())).text()).toBe('abc');
    reply = { coding: 'gzip', body: 'abc' };
    await expect((await connection.fetch('6/x', streamed())).text()).rejects.toThrow();
  });

  it('goes by the proxy that the application has given to all of Node, as other calls do', async () => {
    const tunnels: (number | undefined)[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, socket) => {
      const [host, port] = (request.url ?? '').split(':');
      const through = connect(Number(port), host, () => {
        tunnels.push(through.localPort);
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        through.pipe(socket).pipe(through);
      });
      for (const end of [socket, through]) end.on('error', () => end.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const restore = setGlobalProxyFromEnv({
      http_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    });
    try {
      await (await connection.fetch('6/x', { method: 'DELETE' })).text();
      expect(await (await connection.fetch('6/x', streamed())).text()).toBe(TEXT);
      expect(ports).toHaveLength(2);
      for (const port of ports) expect(tunnels).toContain(port);
    } finally {
      restore();
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});
