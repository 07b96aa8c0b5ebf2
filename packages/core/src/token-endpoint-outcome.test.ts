import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  answer,
  endpointFor,
  MEMBERS,
  outcomeFor,
  REFRESH,
  startPeer,
  TOKENS_JSON,
  TOKENS_XML,
} from './token-endpoint.fixture.ts';
import type { TokenOutcome } from './token-outcome.ts';

const PAGE = '<!DOCTYPE html><html><body>Sign in</body></html>';
const DENIED = '<response><statuscode>403</statuscode><message>Access denied</message></response>';
const unknown = (reason: string, status: number | null, retryAfterMs: number | null = null) => {
  return { kind: 'unknown', reason, status, retryAfterMs };
};
const unrecognized = (status: number, error: string | null = null) => ({
  kind: 'unrecognized',
  status,
  error,
});
const json = (members: Record<string, unknown>): string => JSON.stringify({ ...MEMBERS, ...members });

describe('a 2xx', () => {
  it('is read as XML or JSON under any label', async () => {
    for (const [body, format] of [
      [TOKENS_JSON, 'json'],
      [TOKENS_XML, 'xml'],
    ] as const) {
      for (const label of ['application/json', 'application/xml', 'text/plain', 'text/html', '']) {
        expect(await outcomeFor(answer(200, body, label ? { 'content-type': label } : {}))).toEqual({
          kind: 'ok',
          response: {
            accessToken: MEMBERS.access_token,
            refreshToken: MEMBERS.refresh_token,
            expiresInSeconds: 18000,
            refreshExpiresInSeconds: null,
            userEmail: 'user@clientname.com',
            format,
            anomalies: [],
          },
        });
      }
    }
    expect((await outcomeFor(answer(201, TOKENS_XML))).kind).toBe('ok');
  });

  it.each([
    ['truncated JSON', TOKENS_JSON.slice(0, -2)],
    ['a trailing comma', TOKENS_JSON.replace('}', ',}')],
    ['a duplicate key', TOKENS_JSON.replace('{', '{"access_token":"x",')],
    ['an unclosed tag', TOKENS_XML.replace('</token_type>', '')],
    ['two roots', TOKENS_XML + TOKENS_XML],
    ['trailing garbage', `${TOKENS_XML}x`],
    ['a document type', `<!DOCTYPE x>${TOKENS_XML}`],
    ['plain text', 'Service temporarily unavailable'],
    ['bytes that are no text', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['nothing', ''],
  ])('F01 F02 with %s is unknown', async (_name, body) => {
    expect(await outcomeFor(answer(200, body))).toEqual(unknown('malformed', 200));
  });

  it('F03 with a page is unknown', async () => {
    expect(await outcomeFor(answer(200, PAGE, { 'content-type': 'text/html' }))).toEqual(
      unknown('unexpected_html', 200),
    );
    expect(await outcomeFor(answer(200, PAGE, { 'content-type': 'application/json' }))).toEqual(
      unknown('unexpected_html', 200),
    );
  });

  it.each([
    ['F05', 'access_token_missing', json({ access_token: undefined }), MEMBERS.refresh_token],
    ['F13', 'access_token_unusable', json({ access_token: 'a b' }), MEMBERS.refresh_token],
    ['F13', 'access_token_unusable', json({ refresh_token: 'a\r\nb: c' }), null],
    ['F14', 'token_type_unsupported', json({ token_type: 'mac' }), MEMBERS.refresh_token],
    ['F105', 'unexpected_root', `<Result>${TOKENS_XML}</Result>`, null],
    ['F105', 'unexpected_root', JSON.stringify({ data: MEMBERS }), null],
  ])('%s that holds a token but is no good (%s) is kept whole', async (_id, problem, body, refreshToken) => {
    expect(await outcomeFor(answer(200, body))).toEqual({
      kind: 'unusable',
      problem,
      body,
      refreshToken,
      refreshExpiresInSeconds: null,
    });
  });

  it.each([
    ['{"error":"invalid_grant"}', 'invalid_grant'],
    ['<ErrorResponse><error>invalid_grant</error></ErrorResponse>', 'invalid_grant'],
    ['{"error":"something else"}', 'something else'],
    ['{"status":"refused"}', null],
    ['<response><message>Not now</message></response>', null],
  ])('F117 without a token (%s) is a refusal that nobody recognizes', async (body, error) => {
    expect(await outcomeFor(answer(200, body))).toEqual(unrecognized(200, error));
  });

  it('F117 with an OAuth error is a refusal where the switch says so', async () => {
    for (const error of ['invalid_grant', 'invalid_client', 'unauthorized_client']) {
      for (const body of [
        JSON.stringify({ error }),
        `<ErrorResponse><error>${error}</error></ErrorResponse>`,
      ]) {
        expect(await outcomeFor(answer(200, body), { refusals: ['error-200'] })).toEqual({
          kind: 'rejected',
          error,
        });
      }
    }
    const other = await outcomeFor(answer(200, '{"error":"server_error"}'), { refusals: ['error-200'] });
    expect(other).toEqual(unrecognized(200, 'server_error'));
  });
});

describe('a 4xx', () => {
  const xml = (error: string): string => `<ErrorResponse><error>${error}</error></ErrorResponse>`;

  it.each([400, 401])('F15 %d with invalid_grant is a refusal, as JSON and as XML', async (status) => {
    for (const body of [
      '{"error":"invalid_grant","error_description":"It has ended"}',
      xml('invalid_grant'),
    ]) {
      expect(await outcomeFor(answer(status, body))).toEqual({ kind: 'rejected', error: 'invalid_grant' });
    }
  });

  it.each(['invalid_client', 'unauthorized_client'])('F16 %s is named under any status', async (error) => {
    for (const status of [400, 401, 403]) {
      for (const body of [JSON.stringify({ error }), xml(error)]) {
        expect(await outcomeFor(answer(status, body))).toEqual({ kind: 'rejected', error });
      }
    }
  });

  it.each(['invalid_request', 'unsupported_grant_type', 'invalid_scope'])(
    'F17 %s is passed on by name',
    async (error) => {
      expect(await outcomeFor(answer(400, JSON.stringify({ error })))).toEqual(unrecognized(400, error));
      expect(await outcomeFor(answer(400, xml(error)))).toEqual(unrecognized(400, error));
    },
  );

  it('F18 403 "Access denied" is recognized only where the switch says so', async () => {
    expect(await outcomeFor(answer(403, DENIED))).toEqual(unrecognized(403));
    expect(await outcomeFor(answer(403, DENIED), { refusals: ['xml-403'] })).toEqual({
      kind: 'rejected',
      error: 'invalid_grant',
    });
    for (const body of ['', '{"message":"Access denied"}', '<response><message>No</message></response>']) {
      expect((await outcomeFor(answer(403, body), { refusals: ['xml-403'] })).kind).toBe('unrecognized');
    }
    expect((await outcomeFor(answer(404, DENIED), { refusals: ['xml-403'] })).kind).toBe('unrecognized');
  });

  it('a bare 401 is recognized only where the switch says so', async () => {
    expect(await outcomeFor(answer(401))).toEqual(unrecognized(401));
    const rejected = { kind: 'rejected', error: 'invalid_grant' };
    expect(await outcomeFor(answer(401), { refusals: ['401'] })).toEqual(rejected);
    expect(await outcomeFor(answer(401, DENIED), { refusals: ['401'] })).toEqual(rejected);
    const client = answer(401, '{"error":"invalid_client"}');
    expect(await outcomeFor(client, { refusals: ['401'] })).toEqual({
      kind: 'rejected',
      error: 'invalid_client',
    });
  });

  it('F03 with a page is unknown, whatever is switched on', async () => {
    for (const status of [400, 401, 403, 404]) {
      const outcome = await outcomeFor(answer(status, `${PAGE}Access denied`), {
        refusals: ['401', 'xml-403'],
      });
      expect(outcome).toEqual(unknown('unexpected_html', status));
    }
  });

  it('with anything else is a refusal that nobody recognizes', async () => {
    for (const [status, body] of [
      [400, ''],
      [400, '{"error":"invalid_gr'],
      [403, '{"error":"invalid_grant"}'],
      [404, 'Not found'],
      [418, '{"error":{"code":7}}'],
    ] as const) {
      expect((await outcomeFor(answer(status, body))).kind).toBe('unrecognized');
    }
  });
});

describe('other answers', () => {
  it.each([500, 502, 503, 504, 599])('F19 %d may follow a completed rotation', async (status) => {
    for (const body of [PAGE, '{"error":"invalid_grant"}', '']) {
      expect(await outcomeFor(answer(status, body))).toEqual(unknown('server_error', status));
      expect(await outcomeFor(answer(status, body, { 'retry-after': 7 }))).toEqual(
        unknown('server_error', status, 7_000),
      );
    }
  });

  it('F20 429 was not processed', async () => {
    const date = new Date(Date.UTC(2030, 0, 1)).toUTCString();
    const later = new Date(Date.UTC(2030, 0, 1, 0, 2)).toUTCString();
    for (const [headers, ms] of [
      [{}, null],
      [{ 'retry-after': '120' }, 120_000],
      [{ 'retry-after': '-5' }, 1_000],
      [{ 'retry-after': '99999999' }, 3_600_000],
      [{ 'retry-after': 'garbage' }, null],
      [{ 'retry-after': later, date }, 120_000],
      [{ 'retry-after': later }, 3_600_000],
    ] as const) {
      expect(await outcomeFor(answer(429, PAGE, headers))).toMatchObject({
        kind: 'not_sent',
        reason: 'rate_limited',
        retryAfterMs: ms,
      });
    }
  });

  it('needs no body where the status says all', async () => {
    const open = 'content-length: 1000\r\n\r\nhalf';
    expect(await outcomeFor(`HTTP/1.1 503 Busy\r\nretry-after: 2\r\n${open}`)).toEqual(
      unknown('server_error', 503, 2_000),
    );
    expect(await outcomeFor(`HTTP/1.1 302 Found\r\nlocation: /\r\n${open}`)).toEqual(
      unknown('redirect', 302),
    );
    expect(await outcomeFor(`HTTP/1.1 429 Busy\r\n${open}`)).toMatchObject({ reason: 'rate_limited' });
  });
});

describe('answers that break off', () => {
  const head = `HTTP/1.1 200 OK\r\ncontent-length: ${TOKENS_JSON.length}\r\n\r\n`;
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  const chunk = `${TOKENS_JSON.length.toString(16)}\r\n${TOKENS_JSON}\r\n`;
  const longer = `HTTP/1.1 200 OK\r\ncontent-length: ${TOKENS_JSON.length + 1}\r\n\r\n${TOKENS_JSON}`;
  const cases: [string, string][] = [
    ['before a byte', ''],
    ['in the status line', 'HTTP/1.1 2'],
    ['after the headers', head],
    ['in the middle of the body', head + TOKENS_JSON.slice(0, 50)],
    ['one byte before its length, whole as it looks', longer],
    ['without the last chunk, whole as it looks', chunked + chunk],
    ['in a chunk', chunked + chunk.slice(0, -20)],
  ];

  it.each(cases)('F23 %s are unknown, by a close and by a reset', async (_name, text) => {
    const status = text.includes('\r\n\r\n') ? 200 : null;
    for (const keepAlive of [true, false]) {
      const sent = keepAlive ? text : text.replace('\r\n', '\r\nconnection: close\r\n');
      expect(await outcomeFor(sent)).toEqual(unknown('reset', status));
      expect(await resetAfter(sent)).toEqual(unknown('reset', status));
    }
  });

  it('F23 without a length count when the connection ends in order, and not when it is reset', async () => {
    const endless = `HTTP/1.1 200 OK\r\n\r\n${TOKENS_XML}`;
    expect((await outcomeFor(endless)).kind).toBe('ok');
    expect(await outcomeFor(endless.slice(0, -5))).toEqual(unknown('malformed', 200));
    expect(await resetAfter(endless)).toEqual(unknown('reset', 200));
  });

  it('F23 a whole answer counts although a reset comes behind it', async () => {
    expect((await resetAfter(head + TOKENS_JSON)).kind).toBe('ok');
    expect((await resetAfter(`${chunked}${chunk}0\r\n\r\n`)).kind).toBe('ok');
  });

  it('and what is no HTTP at all', async () => {
    expect(await outcomeFor('SSH-2.0-OpenSSH_9.2\r\n\r\n')).toEqual(unknown('reset', null));
    expect(await outcomeFor('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')).toEqual(
      unknown('reset', null),
    );
  });

  /** The reset follows when the answer has been read: sent at once, it would overtake it. */
  async function resetAfter(text: string): Promise<TokenOutcome> {
    const server = await startPeer();
    try {
      const { endpoint, clock } = endpointFor(server.url);
      const outcome = (await endpoint.connect()).send(REFRESH);
      const peer = await server.next();
      await peer.request;
      if (text) peer.answer(text, { keepOpen: true });
      await clock.settle(20);
      peer.reset();
      return await outcome;
    } finally {
      await server.close();
    }
  }
});

describe('answers that are too large', () => {
  it('F26 are read up to 64 KiB', async () => {
    const padded = (bytes: number): string => json({ pad: 'x'.repeat(bytes) });
    const room = 65_536 - padded(0).length;
    expect((await outcomeFor(answer(200, padded(room)))).kind).toBe('ok');
    expect(await outcomeFor(answer(200, padded(room + 1)))).toEqual(unknown('too_large', 200));
    expect(await outcomeFor(answer(400, padded(room + 1)))).toEqual(unknown('too_large', 400));
  });

  it('F26 of 100 MiB are not taken in', async () => {
    const size = 100 * 1024 * 1024;
    const server = await startPeer((peer) => {
      peer.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      const part = Buffer.alloc(64 * 1024, ' ');
      const more = (): void => {
        while (!peer.socket.destroyed && peer.socket.bytesWritten < size && peer.socket.write(part));
      };
      peer.socket.on('drain', more);
      more();
    });
    try {
      const outcome = await (await endpointFor(server.url).endpoint.connect()).send(REFRESH);
      expect(outcome).toEqual(unknown('too_large', 200));
      await server.peers[0]?.closed;
      // What the system's buffers held; the rest was never asked for.
      expect(server.peers[0]?.socket.bytesWritten).toBeLessThan(16 * 1024 * 1024);
    } finally {
      await server.close();
    }
  });

  it('F26 in their headers are unknown', async () => {
    for (const headers of [{ 'x-pad': 'x'.repeat(20_000) }, Object.fromEntries(pads(2_000))]) {
      expect(await outcomeFor(answer(200, TOKENS_JSON, headers))).toMatchObject({
        kind: 'unknown',
        reason: 'too_large',
      });
    }
  });
  const pads = (count: number): [string, string][] =>
    Array.from({ length: count }, (_, at) => [`x-${at}`, 'padding']);

  it('F26 when unpacked are unknown, and a small packed answer is read', async () => {
    const bomb = ' '.repeat(32 * 1024 * 1024);
    for (const [coding, pack] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
    ] as const) {
      const packed = pack(bomb);
      expect(packed.length).toBeLessThan(65_536);
      const heapBefore = process.memoryUsage();
      expect(await outcomeFor(answer(200, packed, { 'content-encoding': coding }))).toEqual(
        unknown('too_large', 200),
      );
      const heapAfter = process.memoryUsage();
      expect(heapAfter.external - heapBefore.external).toBeLessThan(8 * 1024 * 1024);
      const small = answer(200, pack(TOKENS_JSON), { 'content-encoding': coding.toUpperCase() });
      expect((await outcomeFor(small)).kind).toBe('ok');
      const torn = answer(200, pack(TOKENS_JSON).subarray(0, 40), { 'content-encoding': coding });
      expect(await outcomeFor(torn)).toEqual(unknown('malformed', 200));
    }
    const foreign = answer(200, TOKENS_JSON, { 'content-encoding': 'compress' });
    expect(await outcomeFor(foreign)).toEqual(unknown('malformed', 200));
    expect((await outcomeFor(answer(200, TOKENS_JSON, { 'content-encoding': 'identity' }))).kind).toBe('ok');
  }, 60_000);
});

describe('a page of somebody else', () => {
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  const deep = `<section>${'<a></a>'.repeat(1_200)}</section>`;

  it.each([
    [
      'in another encoding',
      bytes('<html><body>Für Sie gesperrt</body></html>'),
      { 'content-type': 'text/html;charset=ISO-8859-1' },
    ],
    [
      'that begins with an unusual tag and goes on and on',
      Buffer.from(deep),
      { 'content-type': 'text/html' },
    ],
    [
      'in a coding that nobody asked for',
      Buffer.from('x'),
      { 'content-type': 'text/html', 'content-encoding': 'zstd' },
    ],
  ])('F19 F18 %s is no refusal, whatever its status', async (_, body, headers) => {
    for (const status of [400, 401, 403, 404]) {
      for (const refusals of [[], ['401']] as const) {
        const given = await outcomeFor(answer(status, body, headers), { refusals });
        expect(given.kind).toBe('unknown');
      }
    }
  });

  it('F15 a refusal in another encoding is one', async () => {
    const body = bytes(
      '<error><error>invalid_grant</error><error_description>gel\u00f6scht</error_description></error>',
    );
    expect(await outcomeFor(answer(400, body))).toEqual({ kind: 'rejected', error: 'invalid_grant' });
  });

  it('F04 a token answer in another encoding that says so is read', async () => {
    const text = TOKENS_XML.replace(
      /^(<\?xml[^>]*>)?/,
      '<?xml version="1.0" encoding="ISO-8859-1"?>',
    ).replace('user@clientname.com', 'andr\u00e9@clientname.com');
    const given = await outcomeFor(answer(200, bytes(text)));
    expect(given).toMatchObject({ kind: 'ok', response: { userEmail: 'andr\u00e9@clientname.com' } });
    const silent = text.replace(' encoding="ISO-8859-1"', '');
    expect(await outcomeFor(answer(200, bytes(silent)))).toMatchObject({
      kind: 'unknown',
      reason: 'malformed',
    });
    const labelled = { 'content-type': 'application/xml; charset=iso-8859-1' };
    expect((await outcomeFor(answer(200, bytes(silent), labelled))).kind).toBe('ok');
  });

  it.each([
    '{"timestamp":"2026-11-25T10:00:00.000+00:00","message":"maintenance"}',
    '{"requestId":"3f2b8a52-7d33-4c1e-9a59-0a2c2b1f4d11","message":"maintenance"}',
    '{"status":"MAINTENANCE_IN_PROGRESS"}',
    '{"status":"Service-Temporarily-Unavailable."}',
    '{"path":"/acme/api/oauth2/token","produces":"application/problem+json"}',
    '<status><traceId>0af7651916cd43dd8448eb211c80319c</traceId></status>',
  ])('F105 F117 %s holds nothing that could be a token', async (body) => {
    expect(await outcomeFor(answer(200, body))).toEqual(unrecognized(200));
  });

  it.each([
    '{"value":"3f2b8a52-7d33-4c1e-9a59-0a2c2b1f4d11"}',
    '{"result":{"a":"Zm9vYmFyYmF6cXV4MTIz"}}',
    '<answer><code>0af7651916cd43dd8448eb211c80319c</code></answer>',
  ])('F105 %s may hold one', async (body) => {
    expect(await outcomeFor(answer(200, body))).toMatchObject({ kind: 'unusable' });
  });

  it.each(['invalid_client', 'unauthorized_client'])(
    'F16 %s is about the registration in a 200 too',
    async (error) => {
      expect(await outcomeFor(answer(200, JSON.stringify({ error })))).toEqual({ kind: 'rejected', error });
    },
  );
});
