import { describe, expect, it } from 'vitest';
import { TokenEndpointError } from './errors.ts';
import {
  answer,
  CERTIFICATE,
  endpointFor,
  expectNoSecret,
  failureOf,
  OK,
  OLD_REFRESH,
  type PeerServer,
  REFRESH,
  SECRET,
  start,
  startPeer,
  TOKENS_JSON,
  TOKENS_XML,
} from './token-endpoint.fixture.ts';

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
