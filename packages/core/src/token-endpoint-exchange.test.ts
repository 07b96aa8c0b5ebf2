import { describe, expect, it, vi } from 'vitest';
import { systemClock } from './clock.ts';
import { timings } from './timings.ts';
import {
  answer,
  CERTIFICATE,
  endpointFor,
  OK,
  REFRESH,
  start,
  startPeerThread,
  TOKENS_JSON,
  TOKENS_XML,
} from './token-endpoint.fixture.ts';
import type { TokenOutcome } from './token-outcome.ts';

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
      // The deadline is armed behind the write: after that of the connection, which is over.
      await vi.waitFor(() => expect(timers).toHaveLength(2));
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
        timings: { ...timings(), responseMs: 500 },
      });
      const connection = await endpoint.connect();
      const outcome = await connection.send(REFRESH, () => {
        // Behind the write of the request, which follows in this turn, and behind the deadline, armed in the next.
        systemClock.afterIo(() => systemClock.afterIo(() => peer.stopUntilAnswered(600)));
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
