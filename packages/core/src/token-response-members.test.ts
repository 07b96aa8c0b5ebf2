import { describe, expect, it } from 'vitest';
import { ACCESS, json, MEMBERS, no, ok, problem, REFRESH, xml } from './token-response.fixture.ts';
import { parseTokenResponse } from './token-response.ts';

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
