import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import {
  answer,
  CERTIFICATE,
  endpointFor,
  expectNoSecret,
  OK,
  OLD_REFRESH,
  type Peer,
  REFRESH,
  SECRET,
  start,
  TOKENS_JSON,
  TOKENS_XML,
  turns,
} from './token-endpoint.fixture.ts';

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
