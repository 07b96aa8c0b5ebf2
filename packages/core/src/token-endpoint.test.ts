import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from './clock.ts';
import { TokenEndpointError } from './errors.ts';
import { timings } from './timings.ts';
import {
  answer,
  CERTIFICATE,
  endpointFor,
  MEMBERS,
  OLD_REFRESH,
  type Peer,
  type PeerServer,
  REFRESH,
  SECRET,
  startPeer,
  startPeerThread,
  TOKENS_JSON,
  TOKENS_XML,
  turns,
} from './token-endpoint.fixture.ts';
import { ConnectFailedError, type TokenEndpointOptions } from './token-endpoint.ts';
import type { TokenOutcome } from './token-outcome.ts';

const servers: PeerServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(onRequest?: (peer: Peer, request: string) => void, options?: { tls?: boolean }) {
  const server = await startPeer(onRequest, options);
  servers.push(server);
  return server;
}

const OK = { kind: 'ok', response: { accessToken: MEMBERS.access_token } };

/** An outcome that carries tokens on purpose is not looked at; everything else must show none. */
function expectNoSecret(value: unknown): void {
  const text = inspect(value, { depth: 10, showHidden: true });
  const stack = value instanceof Error ? `${value.stack}${String(value.cause)}` : '';
  for (const secret of [SECRET, OLD_REFRESH, 'planted', 'proxy-password']) {
    for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]) {
      expect(text + stack).not.toContain(form);
    }
  }
}

async function failureOf(
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

describe('the request', () => {
  it('holds the documented members and nothing else', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_JSON)));
    const { endpoint } = endpointFor(`${server.url}/`, { clientSecret: async () => 'a&b=c d' });
    expect(await (await endpoint.connect()).send(REFRESH)).toMatchObject(OK);
    await (await endpoint.connect()).send({ grantType: 'authorization_code', code: 'c+1' });
    await (await endpoint.connect()).send({ grantType: 'authorization_code', code: 'c', codeVerifier: 'v~' });
    const client = 'client_id=1012&client_secret=a%26b%3Dc+d';
    expect(server.peers.map((peer) => peer.received().split('\r\n\r\n')[1])).toEqual([
      `grant_type=refresh_token&${client}&refresh_token=${OLD_REFRESH}`,
      `grant_type=authorization_code&${client}&code=c%2B1`,
      `grant_type=authorization_code&${client}&code=c&code_verifier=v%7E`,
    ]);
    const head = server.peers[0]?.received().split('\r\n\r\n')[0] ?? '';
    expect(head).toMatch(/^POST \/\/?acme\/api\/oauth2\/token HTTP\/1\.1\r\n/);
    expect(head).toMatch(/^content-type: application\/x-www-form-urlencoded$/im);
    expect(head).toMatch(/^accept-encoding: identity$/im);
    expect(head).not.toMatch(/^accept:/im);
  });

  it('F101 cannot be split by a line break in a value', async () => {
    const server = await start((peer) => peer.answer(answer(400)));
    const { endpoint } = endpointFor(server.url, { clientId: '1\r\nx: y', clientSecret: () => 'a\r\n\r\nb' });
    await (await endpoint.connect()).send({ grantType: 'authorization_code', code: 'c\r\nd' });
    const received = server.peers[0]?.received() ?? '';
    expect(received.split('\r\n\r\n')).toHaveLength(2);
    expect(received).toContain('client_id=1%0D%0Ax%3A+y&client_secret=a%0D%0A%0D%0Ab&code=c%0D%0Ad');
    expect(received).not.toMatch(/^x: y$/m);
  });

  it('asks for a format only when told to', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_XML)));
    for (const accept of ['xml', 'json'] as const) {
      await (await endpointFor(server.url, { accept }).endpoint.connect()).send(REFRESH);
      expect(server.peers.at(-1)?.received()).toMatch(new RegExp(`^accept: application/${accept}$`, 'im'));
    }
  });

  it('F28 reads JSON where XML was asked for, and back, between two requests', async () => {
    const bodies = [TOKENS_JSON, TOKENS_XML, TOKENS_JSON];
    const server = await start((peer) => peer.answer(answer(200, bodies.shift())));
    const { endpoint } = endpointFor(server.url, { accept: 'xml' });
    for (const format of ['json', 'xml', 'json']) {
      expect(await (await endpoint.connect()).send(REFRESH)).toMatchObject({
        kind: 'ok',
        response: { format },
      });
    }
  });

  it('F25 goes over a connection of its own each time, though the peer would keep it', async () => {
    const server = await start((peer) =>
      peer.answer(answer(200, TOKENS_JSON, { connection: 'keep-alive', 'keep-alive': 'timeout=600' }), {
        keepOpen: true,
      }),
    );
    const { endpoint } = endpointFor(server.url);
    for (let round = 1; round <= 3; round += 1) {
      expect(await (await endpoint.connect()).send(REFRESH)).toMatchObject(OK);
      await server.peers.at(-1)?.closed;
      expect(server.peers).toHaveLength(round);
      expect(server.peers.at(-1)?.received()).toMatch(/^connection: close$/im);
    }
  });

  it('asks for the secret anew for each connection, and before it is up', async () => {
    let asked = 0;
    const server = await start((peer) => peer.answer(answer(200, TOKENS_JSON)));
    const { endpoint } = endpointFor(server.url, {
      clientSecret: () => {
        asked += 1;
        return `secret-${asked}`;
      },
    });
    for (const round of [1, 2]) {
      const connection = await endpoint.connect();
      expect(asked).toBe(round);
      await connection.send(REFRESH);
      expect(server.peers.at(-1)?.received()).toContain(`client_secret=secret-${round}&`);
    }
  });
});

describe('before anything is sent', () => {
  it('sends not a byte until send(), and none when maySend says no', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_JSON)));
    const { endpoint } = endpointFor(server.url);
    const connection = await endpoint.connect();
    const peer = await server.next();
    await turns(5);
    expect(peer.received()).toBe('');
    const outcome = await connection.send(REFRESH, () => false);
    expect(outcome).toMatchObject({ kind: 'not_sent', reason: 'lease_too_short', retryAfterMs: null });
    expectNoSecret(outcome);
    await peer.closed;
    expect(peer.received()).toBe('');
  });

  it('F33 asks maySend once, in the turn of the first byte', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_JSON)));
    const connection = await endpointFor(server.url).endpoint.connect();
    const peer = await server.next();
    let asked = 0;
    let sameTurn = false;
    let written: boolean | null = null;
    const onWrite = (): void => {
      written = sameTurn;
    };
    subscribe('undici:client:sendHeaders', onWrite);
    const outcome = await connection.send(REFRESH, () => {
      asked += 1;
      sameTurn = true;
      queueMicrotask(() => {
        sameTurn = false;
      });
      expect([written, peer.received()]).toEqual([null, '']);
      return true;
    });
    unsubscribe('undici:client:sendHeaders', onWrite);
    expect(outcome).toMatchObject(OK);
    expect([asked, written]).toEqual([1, true]);
  });

  it('takes a maySend that throws for a no', async () => {
    const server = await start();
    const connection = await endpointFor(server.url).endpoint.connect();
    const outcome = await connection.send(REFRESH, () => {
      throw new Error(SECRET);
    });
    expect(outcome).toMatchObject({ kind: 'not_sent', reason: 'lease_too_short' });
    expectNoSecret(outcome);
  });

  it('is used once', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_JSON)));
    const connection = await endpointFor(server.url).endpoint.connect();
    const both = await Promise.all([connection.send(REFRESH), connection.send(REFRESH)]);
    expect(both.map((outcome) => outcome.kind)).toEqual(['ok', 'not_sent']);
    connection.close();
    expect(await connection.send(REFRESH)).toMatchObject({ kind: 'not_sent', reason: 'connect_failed' });
    expect(server.peers).toHaveLength(1);
  });

  it.each([
    ['closed the connection', (peer: Peer) => peer.socket.end()],
    ['reset the connection', (peer: Peer) => peer.reset()],
    ['spoke unasked', (peer: Peer) => peer.answer(answer(200, TOKENS_JSON), { keepOpen: true })],
    ['said that it waits no longer', (peer: Peer) => peer.answer(answer(408))],
  ])('F25 knows that nothing was sent when the peer %s meanwhile', async (_name, act) => {
    for (const tls of [false, true]) {
      const server = await start(undefined, { tls });
      const connection = await endpointFor(server.url, { http: { ca: CERTIFICATE } }).endpoint.connect();
      const peer = await server.next();
      act(peer);
      await peer.closed.then(() => turns(3));
      const outcome = await connection.send(REFRESH, () => expect.fail('asked for a dead connection'));
      expect(outcome).toMatchObject({ kind: 'not_sent', reason: 'connect_failed' });
      expectNoSecret(outcome);
      expect(peer.received()).toBe('');
    }
  });

  it('close() gives the connection up', async () => {
    const server = await start();
    const connection = await endpointFor(server.url).endpoint.connect();
    const peer = await server.next();
    connection.close();
    await peer.closed;
    expect(peer.received()).toBe('');
  });
});

describe('connect', () => {
  it('F24 rejects when nobody listens, and when the name has no address', async () => {
    const gone = await startPeer();
    await gone.close();
    expect(await failureOf({ url: gone.url })).toMatchObject({ reason: 'unreachable', code: 'ECONNREFUSED' });
    expect((await failureOf({ url: `http://${'a'.repeat(64)}.invalid` })).reason).toBe('dns');
  });

  it('F24 rejects a certificate that nobody vouches for, another name, and a peer without TLS', async () => {
    const server = await start(undefined, { tls: true });
    expect(await failureOf({ url: server.url })).toMatchObject({ reason: 'tls' });
    const byAddress = server.url.replace('localhost', '127.0.0.1');
    expect(await failureOf({ url: byAddress, http: { ca: CERTIFICATE } })).toMatchObject({
      reason: 'tls',
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    const plain = await start((peer) => peer.answer(answer(400)));
    plain.next().then((peer) => peer.answer('nothing of TLS\r\n'));
    expect((await failureOf({ url: plain.url.replace('http:', 'https:') })).reason).toBe('tls');
    expect(server.peers.map((peer) => peer.received()).join('')).toBe('');
  });

  it('trusts an authority of its own, beside the usual ones', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_JSON)), { tls: true });
    for (const ca of [CERTIFICATE, Buffer.from(CERTIFICATE), [CERTIFICATE]]) {
      const connection = await endpointFor(server.url, { http: { ca } }).endpoint.connect();
      expect(await connection.send(REFRESH)).toMatchObject(OK);
    }
  });

  it.each(['TLS that is never answered', 'a proxy that is never done', 'a secret that never comes'])(
    'F24 gives up after the connect deadline, not a millisecond earlier: %s',
    async (what) => {
      const server = await start();
      const url = what.startsWith('TLS') ? server.url.replace('http:', 'https:') : 'http://highq.invalid';
      const { endpoint, clock } = endpointFor(url, {
        ...(what.startsWith('a proxy') ? { http: { proxy: server.url } } : {}),
        ...(what.startsWith('a secret') ? { clientSecret: () => new Promise<string>(() => {}) } : {}),
      });
      let failure: unknown = null;
      const connecting = endpoint.connect().catch((error: unknown) => {
        failure = error;
      });
      const peer = what.startsWith('a secret') ? null : await server.next();
      await clock.advance(4_999);
      expect(failure).toBeNull();
      await clock.advance(1);
      await connecting;
      expect(failure).toMatchObject({ name: 'ConnectFailedError', reason: 'timeout' });
      expectNoSecret(failure);
      await peer?.closed;
      expect(clock.pendingTimers).toBe(0);
    },
  );

  it.each([
    [
      'throws',
      () => {
        throw new Error(`no access to ${SECRET}`);
      },
    ],
    ['rejects', () => Promise.reject(new TypeError(SECRET))],
    ['gives nothing', () => ''],
    ['gives no text', () => null as never],
  ])('says nothing of the secret when its function %s, and dials nobody', async (_name, clientSecret) => {
    const server = await start();
    expect((await failureOf({ url: server.url, clientSecret })).reason).toBe('secret_unavailable');
    expect(server.peers).toHaveLength(0);
  });

  it('passes on an error of this library from the secret function', async () => {
    const error = new TokenEndpointError('the vault is closed', { reason: 'client_secret_unavailable' });
    const { endpoint } = endpointFor('http://127.0.0.1:1', { clientSecret: () => Promise.reject(error) });
    await expect(endpoint.connect()).rejects.toBe(error);
  });

  it('close() gives up what has sent nothing and leaves a request under way alone', async () => {
    const server = await start();
    const { endpoint } = endpointFor(server.url);
    const [sending, idle] = [await endpoint.connect(), await endpoint.connect()];
    const [busy, quiet] = [await server.next(), await server.next()];
    const silent = await start();
    const other = endpointFor(silent.url.replace('http:', 'https:'));
    const connecting = other.endpoint.connect();
    connecting.catch(() => {});
    await silent.next();

    const outcome = sending.send(REFRESH);
    await busy.request;
    await Promise.all([endpoint.close(), other.endpoint.close()]);
    await quiet.closed;
    await expect(connecting).rejects.toMatchObject({ reason: 'closing' });
    expect(await idle.send(REFRESH)).toMatchObject({ kind: 'not_sent', reason: 'closing' });
    await expect(endpoint.connect()).rejects.toMatchObject({ reason: 'closing' });
    busy.answer(answer(200, TOKENS_JSON));
    expect(await outcome).toMatchObject(OK);
    expect(quiet.received()).toBe('');
  });
});

describe('redirects', () => {
  it.each([301, 302, 303, 307, 308, 300, 304])(
    'F21 never follows a %d, and the other origin gets 0 bytes',
    async (status) => {
      const other = await start((peer) => peer.answer(answer(200, TOKENS_JSON)));
      for (const location of [`${other.url}/acme/api/oauth2/token`, '/acme/login.action']) {
        const server = await start((peer) => peer.answer(answer(status, TOKENS_JSON, { location })));
        const connection = await endpointFor(server.url).endpoint.connect();
        const outcome = await connection.send(REFRESH);
        expect(outcome).toEqual({ kind: 'unknown', reason: 'redirect', status, retryAfterMs: null });
        await turns(5);
        expect([server.peers.length, other.peers.length]).toEqual([1, 0]);
      }
    },
  );
});

describe('the response deadline', () => {
  it.each([25_000, 85_000, 89_999])('F22 reads an answer that comes after %d ms', async (ms) => {
    const server = await start();
    const { endpoint, clock } = endpointFor(server.url);
    const outcome = (await endpoint.connect()).send(REFRESH);
    const peer = await server.next();
    await peer.request;
    await clock.advance(ms);
    peer.answer(answer(200, TOKENS_JSON));
    expect(await outcome).toMatchObject(OK);
    expect(clock.pendingTimers).toBe(0);
    expect(server.peers).toHaveLength(1);
  });

  it('F22 counts from the first byte and gives up after 90 s, whatever has come by then', async () => {
    for (const part of ['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{']) {
      const server = await start();
      const { endpoint, clock } = endpointFor(server.url);
      const connection = await endpoint.connect();
      await clock.advance(60_000);
      let outcome: TokenOutcome | null = null;
      const sending = connection.send(REFRESH).then((result) => {
        outcome = result;
      });
      const peer = await server.next();
      await peer.request;
      if (part) peer.answer(part, { keepOpen: true });
      await clock.advance(89_999);
      expect(outcome).toBeNull();
      await clock.advance(1);
      await sending;
      const status = part.endsWith('{') ? 200 : null;
      expect(outcome).toEqual({ kind: 'unknown', reason: 'timeout', status, retryAfterMs: null });
      await peer.closed;
      expect(server.peers).toHaveLength(1);
    }
  });

  it('F26 gives up on one byte a second, and on interim answers without end', async () => {
    for (const drip of ['x', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n']) {
      const server = await start();
      const { endpoint, clock } = endpointFor(server.url);
      let outcome: TokenOutcome | null = null;
      const sending = (await endpoint.connect()).send(REFRESH).then((result) => {
        outcome = result;
      });
      const peer = await server.next();
      await peer.request;
      if (drip === 'x') peer.answer('HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n', { keepOpen: true });
      for (let second = 0; second < 90; second += 1) {
        expect(outcome).toBeNull();
        peer.answer(drip, { keepOpen: true });
        await clock.advance(1_000);
      }
      await sending;
      expect(outcome).toMatchObject({ kind: 'unknown', reason: 'timeout' });
      await peer.closed;
    }
  });

  it('F26 does not wait through a flood of interim answers', async () => {
    const server = await start((peer) =>
      peer.answer('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1_000), { keepOpen: true }),
    );
    const outcome = await (await endpointFor(server.url).endpoint.connect()).send(REFRESH);
    expect(outcome).toMatchObject({ kind: 'unknown', reason: 'too_large', status: null });
  });

  it('reads past a few interim answers', async () => {
    const server = await start((peer) =>
      peer.answer(`HTTP/1.1 102 Processing\r\n\r\n${answer(200, TOKENS_XML).toString()}`),
    );
    expect(await (await endpointFor(server.url).endpoint.connect()).send(REFRESH)).toMatchObject(OK);
  });

  it('F115 reads an answer that lies in the buffer when the deadline fires', async () => {
    for (const tls of [false, true]) {
      const server = await start(undefined, { tls });
      const timers: (() => void)[] = [];
      const { endpoint } = endpointFor(server.url, {
        http: { ca: CERTIFICATE },
        clock: {
          now: () => 0,
          monotonic: () => 0,
          setTimer(fn) {
            timers.push(fn);
            return () => {};
          },
          afterIo: (fn) => systemClock.afterIo(fn),
        },
      });
      const outcome = (await endpoint.connect()).send(REFRESH);
      const peer = await server.next();
      await peer.request;
      // All in one turn: the bytes are with the system, nobody here has read them, and the deadline is over.
      peer.answer(answer(200, TOKENS_JSON), { keepOpen: true });
      timers.at(-1)?.();
      expect(await outcome).toMatchObject(OK);
    }
  });

  it.each([false, true])('F115 reads it after a real stop of this thread, TLS: %s', async (tls) => {
    const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
    const peer = await startPeerThread(tls, [head, ...chunksOf(TOKENS_XML, 40)]);
    try {
      const { endpoint } = endpointFor(peer.url, {
        http: { ca: CERTIFICATE },
        clock: systemClock,
        timings: { ...timings(), responseMs: 20 },
      });
      const connection = await endpoint.connect();
      const outcome = await connection.send(REFRESH, () => {
        // Behind the write of the request, which follows in this turn.
        process.nextTick(() => peer.stopUntilAnswered(30));
        return true;
      });
      expect(outcome).toMatchObject(OK);
    } finally {
      await peer.close();
    }
  });
});

function chunksOf(text: string, size: number): string[] {
  const chunks: string[] = [];
  for (let at = 0; at < text.length; at += size) {
    const part = text.slice(at, at + size);
    chunks.push(`${part.length.toString(16)}\r\n${part}\r\n`);
  }
  return [...chunks, '0\r\n\r\n'];
}

describe('a proxy', () => {
  async function startProxy(status = 200): Promise<PeerServer> {
    const { connect } = await import('node:net');
    return start((peer, request) => {
      const [, port] = /^CONNECT [^ :]+:(\d+) /.exec(request) ?? [];
      if (status !== 200 || port === undefined) return peer.answer(answer(status === 200 ? 400 : status));
      const upstream = connect(Number(port), '127.0.0.1', () => {
        peer.socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        upstream.pipe(peer.socket);
        peer.socket.pipe(upstream);
      });
      upstream.on('error', () => peer.socket.destroy());
    });
  }

  it('is tunnelled through before anything is sent, and sees neither secret nor token', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_JSON)), { tls: true });
    const proxy = await startProxy();
    const { endpoint } = endpointFor(server.url, {
      http: { proxy: proxy.url.replace('//', '//me:proxy-password%21@'), ca: CERTIFICATE },
    });
    const connection = await endpoint.connect();
    const target = await server.next();
    expect(target.received()).toBe('');
    const seen = proxy.peers[0]?.received() ?? '';
    expect(seen).toContain(`CONNECT localhost:${server.port} HTTP/1.1\r\n`);
    const credentials = Buffer.from('me:proxy-password!').toString('base64');
    expect(seen).toContain(`proxy-authorization: Basic ${credentials}\r\n`);
    expect(await connection.send(REFRESH)).toMatchObject(OK);
    expect(target.received()).toContain(OLD_REFRESH);
    expect(target.received()).not.toContain('proxy-authorization');
    for (const secret of [SECRET, OLD_REFRESH]) expect(proxy.peers[0]?.received()).not.toContain(secret);
    expect(proxy.peers).toHaveLength(1);
  });

  it('serves an instance on http too', async () => {
    const server = await start((peer) => peer.answer(answer(200, TOKENS_XML)));
    const proxy = await startProxy();
    const { endpoint } = endpointFor(server.url, { http: { proxy: proxy.url } });
    expect(await (await endpoint.connect()).send(REFRESH)).toMatchObject(OK);
  });

  it('F24 that refuses, or is not there, is named without its credentials', async () => {
    const proxy = await startProxy(407);
    const url = 'https://highq.invalid';
    const refusing = proxy.url.replace('//', '//me:proxy-password@');
    expect(await failureOf({ url, http: { proxy: refusing } })).toMatchObject({
      reason: 'proxy',
      code: '407',
    });
    await proxy.close();
    expect((await failureOf({ url, http: { proxy: refusing } })).reason).toBe('unreachable');
  });
});
