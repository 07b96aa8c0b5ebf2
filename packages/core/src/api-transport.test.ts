import { createServer, type IncomingHttpHeaders, type Server, setGlobalProxyFromEnv } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection, TokenManager } from './contracts.ts';
import { memoryStore } from './memory-store.ts';
import { createTestManager } from './testing/test-manager.ts';

const TOKENS = { access_token: 'a-token', refresh_token: 'r-token', expires_in: 18_000 };
const TEXT = JSON.stringify({ text: 'x'.repeat(5_000) });
let server: Server;
let instanceUrl: string;
let manager: TokenManager;
let connection: Connection;
let seen: IncomingHttpHeaders[];
let ports: (number | undefined)[];
let reply: { readonly coding?: string; readonly body: Buffer | string };

beforeEach(async () => {
  seen = [];
  ports = [];
  reply = { body: TEXT };
  server = createServer(async (request, response) => {
    seen.push(request.headers);
    ports.push(request.socket.remotePort);
    for await (const _ of request);
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

const streamed = (headers: Record<string, string> = {}): RequestInit =>
  ({ method: 'PUT', body: new Blob(['streamed']).stream(), duplex: 'half', headers }) as RequestInit;

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
      await (await connection.fetch('6/x')).text();
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
