import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { TokenResponse, TokenResponseProblem } from './token-outcome.ts';
import { type ParsedTokenResponse, parseTokenObject, parseTokenResponse } from './token-response.ts';

const FIXTURES = new URL('../test/fixtures/token-responses/', import.meta.url);
const ACCESS = 'E_MIswtXKgu123456RlueUXQqFvyTCxw';
const REFRESH = 'nincFU9Jv8612343rsvgPlsv6tAc0Nks';
const MEMBERS = {
  access_token: ACCESS,
  expires_in: 18000,
  refresh_token: REFRESH,
  token_type: 'bearer',
  useremail: 'user@clientname.com',
};

function ok(parsed: ParsedTokenResponse): TokenResponse {
  if (parsed.kind !== 'ok') throw new Error(`refused: ${parsed.problem}`);
  return parsed.response;
}
function no(parsed: ParsedTokenResponse): Extract<ParsedTokenResponse, { kind: 'refused' }> {
  if (parsed.kind !== 'refused') throw new Error('not refused');
  return parsed;
}
function problem(body: string | Uint8Array, contentType?: string): TokenResponseProblem {
  return no(parseTokenResponse(body, contentType)).problem;
}
const json = (members: Record<string, unknown>): string => JSON.stringify({ ...MEMBERS, ...members });
function xml(members: Record<string, string | null>): string {
  const all: Record<string, unknown> = { ...MEMBERS, ...members };
  const inner = Object.entries(all).flatMap(([name, text]) =>
    text === null ? [] : `<${name}>${text}</${name}>`,
  );
  return `<TokenResponse>${inner.join('')}</TokenResponse>`;
}

describe('the fixtures', () => {
  const documented = {
    accessToken: ACCESS,
    refreshToken: REFRESH,
    expiresInSeconds: 18000,
    refreshExpiresInSeconds: null,
    userEmail: 'user@clientname.com',
    format: 'xml',
    anomalies: [],
  };
  const expected: Record<string, Partial<TokenResponse> | TokenResponseProblem> = {
    'documented.xml': { ...documented, expiresInSeconds: 2419200 } as TokenResponse,
    'documented-with-declaration.xml': { ...documented, refreshExpiresInSeconds: 31536000 } as TokenResponse,
    'string-numbers.json': {
      ...documented,
      refreshExpiresInSeconds: 31536000,
      format: 'json',
    } as TokenResponse,
    'numeric-looking-tokens.xml': {
      ...documented,
      accessToken: '0012e3',
      refreshToken: '00000000000000000000000000000042',
      expiresInSeconds: 1800,
    } as TokenResponse,
    'login-page.html': 'unexpected_html',
    'doctype-bomb.xml': 'doctype_refused',
    'truncated.json': 'malformed_json',
  };

  it('are all looked at', () => {
    expect(readdirSync(FIXTURES).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))(
    'F04 %s is read, or refused by its own code, under any label',
    (name, want) => {
      const bytes = readFileSync(new URL(name, FIXTURES));
      for (const label of [undefined, null, 'application/xml', 'application/json', 'text/plain', '']) {
        for (const body of [bytes, bytes.toString('utf8'), Buffer.concat([Buffer.from('\uFEFF'), bytes])]) {
          const parsed = parseTokenResponse(body, label);
          if (typeof want === 'string') {
            expect(parsed).toEqual({
              kind: 'refused',
              problem: want,
              holdsToken: false,
              refreshToken: null,
              refreshExpiresInSeconds: null,
              error: null,
            });
          } else {
            expect({ ...ok(parsed), anomalies: [] }).toEqual(want);
            expect(ok(parsed).anomalies).toEqual(body.length === bytes.length ? [] : ok(parsed).anomalies);
          }
        }
      }
    },
  );

  it('notes a byte order mark', () => {
    expect(ok(parseTokenResponse(`\uFEFF${json({})}`)).anomalies).toEqual(['byte_order_mark']);
    expect(problem(Buffer.from(`\uFEFF${json({})}`, 'utf16le'))).toBe('not_utf8');
  });
});

describe('broken bodies', () => {
  it.each([
    ['truncated', json({}).slice(0, -1)],
    ['a trailing comma', json({}).replace(/}$/, ',}')],
    ['text after the end', `${json({})}x`],
    ['a duplicate key', json({}).replace('{', '{"access_token":"other",')],
    ['a duplicate key behind an escape', json({}).replace('{', '{"access\\u005ftoken":"other",')],
    ['a duplicate key further down', json({ more: 1 }).replace('1}', '{"a":1,"a":2}}')],
    ['single quotes', json({}).replaceAll('"', "'")],
  ])('F01 refuses JSON with %s and sees no token in it', (_name, body) => {
    expect(no(parseTokenResponse(body))).toMatchObject({
      problem: 'malformed_json',
      holdsToken: false,
      refreshToken: null,
    });
  });

  it('takes a repeated key of two objects for what it is', () => {
    expect(
      ok(parseTokenResponse(json({ more: [{ a: ',"a":{' }, { a: '\\' }], last: { a: 1 } }))),
    ).toBeTruthy();
  });

  it.each([
    ['truncated', xml({}).slice(0, -3)],
    ['an unclosed tag', xml({}).replace('</token_type>', '')],
    ['two roots', `${xml({})}${xml({})}`],
    ['two empty roots', '<TokenResponse/><TokenResponse/>'],
    ['text after the end', `${xml({})}x`],
    ['text before the start', `<!-- x --><a/>x${xml({})}`],
    ['an attribute without quotes', xml({}).replace('<TokenResponse>', '<TokenResponse a=1>')],
    ['an undeclared entity', xml({ useremail: '&nbsp;' })],
    ['a bare ampersand', xml({ useremail: 'a & b' })],
    ['a reference to no character', xml({ useremail: '&#9999999;' })],
    ['a reference to a surrogate', xml({ useremail: '&#xD800;' })],
    ['a control character', xml({ useremail: '\u0001' })],
    ['a tag named like a prototype', xml({ useremail: '<__proto__>x</__proto__>' })],
  ])('F02 refuses XML with %s and sees no token in it', (_name, body) => {
    expect(no(parseTokenResponse(body))).toMatchObject({ problem: 'malformed_xml', holdsToken: false });
  });

  it('F02 refuses a repeated member but says that it holds a token', () => {
    const body = xml({}).replace('</TokenResponse>', '<access_token>other</access_token></TokenResponse>');
    expect(no(parseTokenResponse(body))).toMatchObject({ problem: 'malformed_xml', holdsToken: true });
  });

  it.each([
    ['a page', '<html><body>Sign in</body></html>'],
    ['a page in capitals', '  \n<HTML lang="en">'],
    ['XHTML', '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x"><html/>'],
    ['a page behind a comment', '<!-- maintenance --><!DOCTYPE\nHTML><html>'],
    ['a page with a token in it', `<html><input name="access_token" value="${ACCESS}"/></html>`],
  ])('F03 knows %s', (_name, body) => {
    expect(no(parseTokenResponse(body))).toMatchObject({ problem: 'unexpected_html', holdsToken: false });
  });

  it('F03 believes the label text/html only about what is refused anyway', () => {
    expect(problem('<section>Back soon</section>', 'text/html; charset=utf-8')).toBe('unexpected_html');
    expect(problem('<section>Back <br> soon', 'text/html')).toBe('unexpected_html');
    expect(problem('Back soon', 'text/html')).toBe('unexpected_html');
    expect(problem('Back soon')).toBe('unknown_format');
    expect(ok(parseTokenResponse(xml({}), 'text/html')).accessToken).toBe(ACCESS);
    expect(no(parseTokenResponse(`<w>${xml({})}</w>`, 'text/html'))).toMatchObject({
      problem: 'unexpected_root',
      holdsToken: true,
    });
  });

  it('names what is empty, too large or not UTF-8', () => {
    for (const body of ['', ' \r\n\t', '\uFEFF', new Uint8Array()]) expect(problem(body)).toBe('empty');
    const padded = (bytes: number): string => json({ pad: '' }).replace(/""}$/, `"${'x'.repeat(bytes)}"}`);
    const room = 65536 - Buffer.byteLength(padded(0));
    expect(ok(parseTokenResponse(padded(room))).accessToken).toBe(ACCESS);
    expect(problem(padded(room + 1))).toBe('too_large');
    expect(problem(Buffer.from(padded(room + 1)))).toBe('too_large');
    expect(problem('é'.repeat(40_000))).toBe('too_large');
    expect(problem(Buffer.from([0x7b, 0xc3, 0x28, 0x7d]))).toBe('not_utf8');
  });

  it('names a refused depth', () => {
    const nested = (depth: number): string =>
      json({ more: 0 }).replace('0}', `${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(ok(parseTokenResponse(nested(31))).accessToken).toBe(ACCESS);
    expect(problem(nested(32))).toBe('too_deep');
    const deep = (depth: number): string => `${'<a>'.repeat(depth)}x${'</a>'.repeat(depth)}`;
    expect(problem(deep(32))).toBe('unexpected_root');
    expect(problem(deep(33))).toBe('too_deep');
  });

  it.each(['1', 'null', 'true', '"text"', '[]', '[1]', '{}', '{"a":1}'])('sees no token in %s', (body) => {
    expect(no(parseTokenResponse(body)).holdsToken).toBe(false);
  });
});

describe('tokens', () => {
  it('F05 keeps a valid refresh token where the access token is missing', () => {
    for (const body of [
      json({ access_token: null, refresh_token_expires_in: '60' }),
      xml({ access_token: null, refresh_token_expires_in: '60' }),
    ]) {
      expect(no(parseTokenResponse(body))).toEqual({
        kind: 'refused',
        problem: 'access_token_missing',
        holdsToken: true,
        refreshToken: REFRESH,
        refreshExpiresInSeconds: 60,
        error: null,
      });
    }
    for (const body of [
      '{"expires_in":18000}',
      '<TokenResponse><expires_in>1</expires_in></TokenResponse>',
    ]) {
      expect(no(parseTokenResponse(body))).toMatchObject({ problem: 'no_token', holdsToken: false });
    }
  });

  it('F06 reads an answer without a refresh token and says so', () => {
    for (const body of [
      json({ refresh_token: undefined }),
      json({ refresh_token: null }),
      xml({ refresh_token: null }),
    ]) {
      expect(ok(parseTokenResponse(body))).toMatchObject({
        accessToken: ACCESS,
        refreshToken: null,
        anomalies: ['refresh_token_missing'],
      });
    }
  });

  const unusable = {
    'inner white space': 'abc def',
    'a line break': 'abc\r\nX-Injected: 1',
    NUL: 'abc\u0000def',
    'non-ASCII': 'abcdéf',
    '64 KiB': 'x'.repeat(60_000),
    '8193 characters': 'x'.repeat(8193),
    'nothing in it': '',
  };
  it.each(Object.entries(unusable))('F13 F101 refuses a JSON token with %s', (_name, token) => {
    expect(no(parseTokenResponse(json({ access_token: token })))).toMatchObject({
      problem: 'access_token_unusable',
      holdsToken: true,
      refreshToken: REFRESH,
    });
    expect(no(parseTokenResponse(json({ refresh_token: token })))).toMatchObject({
      problem: 'access_token_unusable',
      holdsToken: true,
      refreshToken: null,
    });
  });

  it.each(Object.entries(unusable).filter(([name]) => name !== 'NUL'))(
    'F13 F101 refuses an XML token with %s',
    (_name, token) => {
      expect(no(parseTokenResponse(xml({ access_token: token })))).toMatchObject({
        problem: 'access_token_unusable',
        holdsToken: true,
        refreshToken: REFRESH,
      });
    },
  );

  it('F13 keeps what cannot be used although nothing of it is a valid token', () => {
    const body = json({ access_token: 'a b', refresh_token: 'c d' });
    expect(no(parseTokenResponse(body))).toMatchObject({ holdsToken: true, refreshToken: null });
    const empty = json({ access_token: '', refresh_token: '' });
    expect(no(parseTokenResponse(empty))).toMatchObject({ holdsToken: false, refreshToken: null });
  });

  it('F13 trims XML text, and JSON not', () => {
    expect(
      ok(parseTokenResponse(xml({ access_token: `\n  ${ACCESS}\t\r\n`, expires_in: ' 60 ' }))),
    ).toMatchObject({
      accessToken: ACCESS,
      expiresInSeconds: 60,
    });
    expect(problem(json({ access_token: ` ${ACCESS}` }))).toBe('access_token_unusable');
  });

  it('takes tokens of any printable ASCII, up to 8192 characters, as text', () => {
    const all = Array.from({ length: 94 }, (_, at) => String.fromCharCode(0x21 + at)).join('');
    const long = 'x'.repeat(8192);
    const read = ok(parseTokenResponse(json({ access_token: all, refresh_token: long })));
    expect([read.accessToken, read.refreshToken]).toEqual([all, long]);
    const escaped = all.replaceAll('&', '&amp;').replaceAll('<', '&#60;').replaceAll('>', '&#x3e;');
    expect(ok(parseTokenResponse(xml({ access_token: escaped }))).accessToken).toBe(all);
    expect(ok(parseTokenResponse(xml({ access_token: `<![CDATA[${all}]]>` }))).accessToken).toBe(all);
    expect(
      ok(parseTokenResponse(xml({ access_token: 'a<![CDATA[&lt;]]>b<!-- c -->&lt;d' }))).accessToken,
    ).toBe('a&lt;b<d');
    for (const token of ['0012e3', '1e5', '0x10', 'true', 'null', '-0']) {
      expect(ok(parseTokenResponse(xml({ access_token: token }))).accessToken).toBe(token);
    }
  });

  it.each([123456, true, [ACCESS], { value: ACCESS }])('refuses a token that is %j', (token) => {
    expect(problem(json({ access_token: token }))).toBe('access_token_unusable');
    expect(problem(json({ refresh_token: token }))).toBe('access_token_unusable');
  });

  it('F14 wants bearer in any case, tolerates none, and keeps the refresh token under another type', () => {
    for (const type of ['bearer', 'BEARER', 'Bearer']) {
      expect(ok(parseTokenResponse(json({ token_type: type }))).anomalies).toEqual([]);
      expect(ok(parseTokenResponse(xml({ token_type: type }))).anomalies).toEqual([]);
    }
    for (const body of [
      json({ token_type: undefined }),
      xml({ token_type: null }),
      xml({ token_type: '' }),
    ]) {
      expect(ok(parseTokenResponse(body)).anomalies).toEqual(['token_type_missing']);
    }
    for (const body of [json({ token_type: 'mac' }), json({ token_type: 1 }), xml({ token_type: 'mac' })]) {
      expect(no(parseTokenResponse(body))).toMatchObject({
        problem: 'token_type_unsupported',
        holdsToken: true,
        refreshToken: REFRESH,
      });
    }
  });

  it.each([
    ['another root', `<Result>${xml({})}</Result>`, 'unexpected_root'],
    ['a prefixed root', xml({}).replaceAll('TokenResponse', 'ns2:TokenResponse'), 'unexpected_root'],
    ['a root in JSON', JSON.stringify({ TokenResponse: MEMBERS }), 'unexpected_root'],
    ['a list in JSON', JSON.stringify([MEMBERS]), 'unexpected_root'],
    ['renamed members', JSON.stringify({ accessToken: 'short' }), 'unexpected_root'],
    ['renamed members in XML', xml({}).replaceAll('access_token', 'accessToken'), 'access_token_missing'],
    ['foreign names', JSON.stringify({ a: { b: [ACCESS] } }), 'unexpected_root'],
    ['attributes', `<TokenResponse access_token="${ACCESS}"/>`, 'access_token_missing'],
  ])('F105 says that a token is held under %s', (_name, body, want) => {
    expect(no(parseTokenResponse(body))).toMatchObject({ problem: want, holdsToken: true });
  });

  it('does not take addresses, sentences and short words for tokens', () => {
    const body = {
      message: 'Service temporarily unavailable',
      status: 'unavailable',
      by: 'someone@clientname.com',
    };
    expect(
      no(parseTokenResponse(JSON.stringify({ ...body, see: 'https://acme.highq.com/acme' }))),
    ).toMatchObject({
      problem: 'no_token',
      holdsToken: false,
    });
    expect(
      no(parseTokenResponse('<r xmlns="http://schemas.highq.com/x"><m>Please wait a little</m></r>')),
    ).toMatchObject({
      problem: 'unexpected_root',
      holdsToken: false,
    });
  });
});

describe('errors', () => {
  it.each([
    ['{"error":"invalid_grant","error_description":"expired_expired_expired_x"}', 'invalid_grant'],
    ['{"error":{"code":"invalid_grant","message":"It has ended"}}', 'invalid_grant'],
    ['{"error":{"code":17}}', null],
    ['{"error":400}', null],
    [`{"error":"${ACCESS}"}`, null],
    ['<error>invalid_client</error>', 'invalid_client'],
    ['<OAuthError><error>invalid_grant</error></OAuthError>', 'invalid_grant'],
    ['<TokenResponse><error>invalid_grant</error></TokenResponse>', 'invalid_grant'],
    ['<response><error><code>invalid_grant</code></error></response>', 'invalid_grant'],
    ['<Error><Code>403</Code><Message>Access denied</Message></Error>', 'Access denied'],
  ])('reads %s as an error document', (body, error) => {
    expect(no(parseTokenResponse(body))).toEqual({
      kind: 'refused',
      problem: 'error_document',
      holdsToken: false,
      refreshToken: null,
      refreshExpiresInSeconds: null,
      error,
    });
  });

  it('does not use tokens beside an error, and says that they are there', () => {
    for (const body of [json({ error: 'partial' }), xml({ error: 'partial' } as never)]) {
      expect(no(parseTokenResponse(body))).toMatchObject({
        problem: 'error_document',
        holdsToken: true,
        refreshToken: null,
        error: 'partial',
      });
    }
    for (const none of [null, '', false]) {
      expect(ok(parseTokenResponse(json({ error: none }))).accessToken).toBe(ACCESS);
    }
  });
});

describe('lifetimes', () => {
  it('F07 reads a missing life as missing', () => {
    for (const body of [
      json({ expires_in: undefined }),
      json({ expires_in: null }),
      xml({ expires_in: null }),
    ]) {
      expect(ok(parseTokenResponse(body))).toMatchObject({
        expiresInSeconds: null,
        anomalies: ['expires_in_missing'],
      });
    }
  });

  it.each([
    '0',
    '-1',
    '-2147483648',
    '0.5',
    '"0"',
    '"-1"',
    '"18,000"',
    '"0x10"',
    '"1e3"',
    '"18000.7"',
    'true',
    '[]',
    '{}',
    '""',
    '"1 8"',
    '"١"',
  ])('F08 F10 does not believe %s', (value) => {
    expect(ok(parseTokenResponse(json({ expires_in: 0 }).replace(':0', `:${value}`)))).toMatchObject({
      expiresInSeconds: null,
      anomalies: ['expires_in_unusable'],
    });
    expect(
      ok(parseTokenResponse(json({ refresh_token_expires_in: 0 }).replace(':0', `:${value}`))),
    ).toMatchObject({
      refreshExpiresInSeconds: null,
      anomalies: ['refresh_token_expires_in_unusable'],
    });
  });

  it.each([
    ['18000', 18000],
    ['"18000"', 18000],
    ['" 18000 "', 18000],
    ['"018000"', 18000],
    ['18000.7', 18000],
    ['1', 1],
    ['1.8e4', 18000],
    ['18000000', 18000000],
    ['9e15', 9e15],
    ['9007199254740993', Number.MAX_SAFE_INTEGER],
    ['1e309', Number.MAX_SAFE_INTEGER],
    [`"${'9'.repeat(400)}"`, Number.MAX_SAFE_INTEGER],
  ])('F09 F10 reads %s', (value, seconds) => {
    expect(ok(parseTokenResponse(json({ expires_in: 0 }).replace(':0', `:${value}`)))).toMatchObject({
      expiresInSeconds: seconds,
      anomalies: [],
    });
  });
});

describe('the e-mail address', () => {
  it('is left out, with a note, where it cannot be shown', () => {
    const at320 = `${'x'.repeat(308)}@example.com`;
    expect(ok(parseTokenResponse(json({ useremail: at320 }))).userEmail).toBe(at320);
    for (const email of [`x${at320}`, 'a\nb@example.com', 'a\u0000', 'a\u202eb@example.com', 7, { a: 1 }]) {
      expect(ok(parseTokenResponse(json({ useremail: email })))).toMatchObject({
        userEmail: null,
        anomalies: ['email_unusable'],
      });
    }
    expect(ok(parseTokenResponse(json({ useremail: undefined })))).toMatchObject({
      userEmail: null,
      anomalies: [],
    });
  });
});

describe('parseTokenObject', () => {
  it('reads an object by the same rules', () => {
    expect(ok(parseTokenObject(MEMBERS))).toEqual(ok(parseTokenResponse(json({}))));
    expect(no(parseTokenObject({ ...MEMBERS, access_token: 'a b' })).problem).toBe('access_token_unusable');
    expect(no(parseTokenObject({})).problem).toBe('no_token');
    expect(no(parseTokenObject(Object.create(MEMBERS))).problem).toBe('no_token');
    expect(ok(parseTokenObject({ ...MEMBERS, expires_in: Number.NaN })).expiresInSeconds).toBeNull();
  });

  it('never throws, not for objects that do, nor for circles', () => {
    const circle: Record<string, unknown> = { a: 'x' };
    Object.assign(circle, { b: circle, c: [circle, circle], d: circle });
    expect(no(parseTokenObject(circle)).problem).toBe('no_token');
    const hostile = {
      get access_token(): string {
        throw new Error('from a getter');
      },
    };
    expect(no(parseTokenObject(hostile)).problem).toBe('no_token');
    expect(no(parseTokenObject(null as never)).problem).toBe('no_token');
  });
});
