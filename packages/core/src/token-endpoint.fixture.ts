import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterEach, expect } from 'vitest';
import { systemClock } from './clock.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { timings } from './timings.ts';
import { ConnectFailedError, createTokenEndpoint, type TokenEndpointOptions } from './token-endpoint.ts';
import type { TokenOutcome, TokenRequest } from './token-outcome.ts';

const pem = (name: string): string =>
  readFileSync(new URL(`../test/fixtures/tls/${name}`, import.meta.url), 'utf8');
/** For `localhost`, signed by itself. */
export const CERTIFICATE = pem('localhost.cert.pem');
export const TLS = { cert: CERTIFICATE, key: pem('localhost.key.pem') };

export const SECRET = 'planted-client-secret-8Vq2';
export const OLD_REFRESH = 'planted-refresh-token-31xK';
export const REFRESH: TokenRequest = { grantType: 'refresh_token', refreshToken: OLD_REFRESH };
export const MEMBERS = {
  access_token: 'planted-new-access-token-77aB',
  expires_in: 18000,
  refresh_token: 'planted-new-refresh-token-42cD',
  token_type: 'bearer',
  useremail: 'user@clientname.com',
};
export const TOKENS_JSON = JSON.stringify(MEMBERS);
export const TOKENS_XML = `<TokenResponse>${Object.entries(MEMBERS)
  .map(([name, value]) => `<${name}>${value}</${name}>`)
  .join('')}</TokenResponse>`;

/** One connection as the peer sees it. */
export interface Peer {
  readonly socket: Socket;
  /** Everything received so far, byte for byte. */
  received(): string;
  /** Resolves when a whole request is there. */
  readonly request: Promise<string>;
  readonly closed: Promise<void>;
  /** Writes and, unless told otherwise, ends. */
  answer(text: string | Buffer, options?: { keepOpen?: boolean }): void;
  /** RST; over TLS, where there is no way to it, an end without `close_notify`. */
  reset(): void;
}

export interface PeerServer {
  readonly port: number;
  readonly url: string;
  readonly peers: readonly Peer[];
  /** The next connection that nobody has asked for yet. */
  next(): Promise<Peer>;
  close(): Promise<void>;
}

/** A real server on loopback. `onRequest` answers each whole request; without it a test does by itself. */
export async function startPeer(
  onRequest?: (peer: Peer, request: string) => void,
  options: { tls?: boolean } = {},
): Promise<PeerServer> {
  const peers: Peer[] = [];
  const arrivals: PromiseWithResolvers<Peer>[] = [];
  let taken = 0;
  const arrival = (index: number): PromiseWithResolvers<Peer> => {
    arrivals[index] ??= Promise.withResolvers<Peer>();
    return arrivals[index];
  };
  const accept = (socket: Socket): void => {
    const request = Promise.withResolvers<string>();
    const closed = Promise.withResolvers<void>();
    let text = '';
    const peer: Peer = {
      socket,
      received: () => text,
      request: request.promise,
      closed: closed.promise,
      answer(body, { keepOpen = false } = {}) {
        if (keepOpen) socket.write(body);
        else socket.end(body);
      },
      reset() {
        if (options.tls) socket.destroy();
        else socket.resetAndDestroy();
      },
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const [head, body] = text.split('\r\n\r\n');
      const length = /^content-length: (\d+)$/im.exec(head ?? '')?.[1] ?? '0';
      if (body !== undefined && body.length >= Number(length)) request.resolve(text);
    });
    socket.on('error', () => {});
    socket.on('close', () => closed.resolve());
    request.promise.then((whole) => onRequest?.(peer, whole));
    peers.push(peer);
    arrival(peers.length - 1).resolve(peer);
  };
  const server: Server = options.tls ? createTlsServer(TLS, accept) : createServer(accept);
  const raw = new Set<Socket>();
  server.on('connection', (socket: Socket) => raw.add(socket));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${options.tls ? 'https' : 'http'}://${options.tls ? 'localhost' : '127.0.0.1'}:${port}`,
    peers,
    next: () => arrival(taken++).promise,
    async close() {
      for (const socket of raw) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A whole HTTP answer with the right length. */
export function answer(
  status: number,
  body: string | Buffer = '',
  headers: Record<string, string | number> = {},
): Buffer {
  const bytes = Buffer.from(body);
  const lines = Object.entries({ 'content-length': bytes.length, ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Whatever\r\n${lines.join('\r\n')}\r\n\r\n`), bytes]);
}

export function endpointFor(url: string, options: Partial<TokenEndpointOptions> = {}) {
  const clock = new ManualClock();
  const endpoint = createTokenEndpoint({
    instanceUrl: `${url}/acme`,
    clientId: '1012',
    clientSecret: () => SECRET,
    timings: timings(),
    clock,
    ...options,
  });
  return { endpoint, clock };
}

/** What a request comes to when the peer answers it with `text`. */
export async function outcomeFor(
  text: string | Buffer,
  options: Partial<TokenEndpointOptions> & { request?: TokenRequest } = {},
): Promise<TokenOutcome> {
  const { request = REFRESH, ...rest } = options;
  const server = await startPeer((peer) => peer.answer(text));
  try {
    const connection = await endpointFor(server.url, rest).endpoint.connect();
    return await connection.send(request);
  } finally {
    await server.close();
  }
}

/** Turns of the event loop in which pending I/O is delivered. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => systemClock.afterIo(resolve));
  }
}

const PEER_THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { createServer } = require(workerData.tls ? 'node:tls' : 'node:net');
const flags = new Int32Array(workerData.shared);
const server = createServer(workerData.tls ?? {}, (socket) => {
  socket.setNoDelay(true).on('error', () => {});
  socket.once('data', async () => {
    Atomics.store(flags, 0, 1);
    Atomics.wait(flags, 1, 0);
    for (const part of workerData.parts) await new Promise((resolve) => socket.write(part, resolve));
    Atomics.store(flags, 2, 1);
  });
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

/** A peer that answers the first data it gets with `parts`, also while this thread stands still. */
export async function startPeerThread(tls: boolean, parts: readonly string[]) {
  const shared = new SharedArrayBuffer(12);
  const [asked, told, answered] = [0, 1, 2] as const;
  const flags = new Int32Array(shared);
  const worker = new Worker(PEER_THREAD, {
    eval: true,
    workerData: { shared, parts, tls: tls ? TLS : null },
  });
  const port = await new Promise<number>((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  );
  return {
    url: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    /**
     * As soon as the request is there, keeps this thread from its events, as SIGSTOP does: until the whole answer is written, and
     * `ms` more.
     */
    stopUntilAnswered(ms: number): void {
      if (Atomics.load(flags, asked) === 0) {
        systemClock.afterIo(() => this.stopUntilAnswered(ms));
        return;
      }
      Atomics.store(flags, told, 1);
      Atomics.notify(flags, told);
      while (Atomics.load(flags, answered) === 0);
      const until = systemClock.monotonic() + ms;
      while (systemClock.monotonic() < until);
    },
    close: () => worker.terminate(),
  };
}

const servers: PeerServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** A server that is closed after the test. */
export async function start(onRequest?: (peer: Peer, request: string) => void, options?: { tls?: boolean }) {
  const server = await startPeer(onRequest, options);
  servers.push(server);
  return server;
}

export const OK = { kind: 'ok', response: { accessToken: MEMBERS.access_token } };

/** An outcome that carries tokens on purpose is not looked at; everything else must show none. */
export function expectNoSecret(value: unknown): void {
  const text = inspect(value, { depth: 10, showHidden: true });
  const stack = value instanceof Error ? `${value.stack}${String(value.cause)}` : '';
  for (const secret of [SECRET, OLD_REFRESH, 'planted', 'proxy-password']) {
    for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]) {
      expect(text + stack).not.toContain(form);
    }
  }
}

/** What `connect()` rejects with, and shows no secret. */
export async function failureOf(
  options: Partial<TokenEndpointOptions> & { url: string },
): Promise<ConnectFailedError> {
  const { url, ...rest } = options;
  const error: unknown = await endpointFor(url, rest)
    .endpoint.connect()
    .then(
      () => new Error('it connected'),
      (reason: unknown) => reason,
    );
  if (!(error instanceof ConnectFailedError)) throw error;
  expectNoSecret(error);
  return error;
}
