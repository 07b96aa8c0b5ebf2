import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createNetServer, type LookupFunction } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection, TokenManager } from './contracts.ts';
import { memoryStore } from './memory-store.ts';
import { createTestManager } from './testing/test-manager.ts';
import { CERTIFICATE, TLS } from './token-endpoint.fixture.ts';

const TOKENS = { access_token: 'a-token', refresh_token: 'r-token', expires_in: 18_000 };
const usual = getGlobalDispatcher();
let seen: { readonly at: string; readonly authorization: string | undefined }[];
let front: { readonly port: number; close(): void };
let location: string;
let manager: TokenManager | undefined;

/** With and without TLS on one port, under every name: only the address tells them apart. */
async function listen(): Promise<typeof front> {
  const answer: RequestListener = (request: IncomingMessage, response) => {
    const scheme = request.socket instanceof TLSSocket ? 'https' : 'http';
    seen.push({ at: `${scheme}://${request.headers.host}`, authorization: request.headers.authorization });
    if (request.url?.endsWith('/moved')) response.writeHead(302, { location }).end('body');
    else response.end('arrived');
  };
  const servers: readonly Server[] = [createServer(answer), createTlsServer(TLS, answer)];
  const [plain, tls] = servers;
  const both = createNetServer((socket) => {
    socket.once('data', (first) => {
      socket.pause();
      socket.unshift(first);
      // The first byte of a TLS handshake. TLS reads what is there by itself.
      if (first[0] === 0x16) tls?.emit('connection', socket);
      else {
        plain?.emit('connection', socket);
        socket.resume();
      }
    });
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => both.listen(0, '127.0.0.1', resolve));
  return {
    port: (both.address() as AddressInfo).port,
    close() {
      for (const server of servers) server.closeAllConnections();
      both.close();
    },
  };
}

async function open(scheme: 'http' | 'https'): Promise<Connection> {
  manager = createTestManager(
    {
      HIGHQ_INSTANCE_URL: `${scheme}://localhost:${front.port}/acme`,
      HIGHQ_CLIENT_ID: '1012',
      HIGHQ_CLIENT_SECRET: 'secret',
    },
    { store: memoryStore(), encryption: false, ...(scheme === 'https' && { http: { ca: CERTIFICATE } }) },
  );
  const connection = manager.connection('ann');
  await connection.importTokens(TOKENS);
  return connection;
}

beforeEach(async () => {
  seen = [];
  front = await listen();
  const lookup: LookupFunction = (_name, { all }, found) =>
    all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4);
  setGlobalDispatcher(new Agent({ connect: { lookup } }));
});
afterEach(async () => {
  await manager?.close();
  await getGlobalDispatcher().close();
  setGlobalDispatcher(usual);
  front.close();
});

describe('a redirect, where somebody listens at the other end', () => {
  it.each([
    ['a sub-domain', (port: number) => `http://sub.localhost:${port}`],
    ['a domain that begins like it', (port: number) => `http://localhost.evil.example:${port}`],
    ['a domain that ends like it', (port: number) => `http://evil-localhost:${port}`],
  ])('F94 to %s never takes the token there', async (_, origin) => {
    const connection = await open('http');
    const other = origin(front.port);
    // Somebody does listen.
    expect(await (await fetch(`${other}/acme/api/6/sites`)).text()).toBe('arrived');
    location = `${other}/acme/api/6/sites`;
    const response = await connection.fetch('6/moved');
    expect([response.status, await response.text()]).toEqual([302, 'body']);
    expect(seen).toEqual([
      { at: other, authorization: undefined },
      { at: `http://localhost:${front.port}`, authorization: 'Bearer a-token' },
    ]);
  });

  it('F94 to http, on the same host and port, never takes the token there', async () => {
    const connection = await open('https');
    const plain = `http://localhost:${front.port}`;
    expect(await (await fetch(`${plain}/acme/api/6/sites`)).text()).toBe('arrived');
    location = `${plain}/acme/api/6/sites`;
    const response = await connection.fetch('6/moved');
    expect([response.status, await response.text()]).toEqual([302, 'body']);
    expect(seen).toEqual([
      { at: plain, authorization: undefined },
      { at: `https://localhost:${front.port}`, authorization: 'Bearer a-token' },
    ]);
    location = `https://localhost:${front.port}/acme/api/6/sites`;
    expect(await (await connection.fetch('6/moved')).text()).toBe('arrived');
  });
});
