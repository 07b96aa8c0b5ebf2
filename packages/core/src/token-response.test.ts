import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { TokenResponse, TokenResponseProblem } from './token-outcome.ts';
import { ACCESS, json, MEMBERS, no, ok, problem, REFRESH, xml } from './token-response.fixture.ts';
import { parseTokenObject, parseTokenResponse } from './token-response.ts';

const FIXTURES = new URL('../test/fixtures/token-responses/', import.meta.url);

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
    const crowded = (comments: number): string => xml({}).replace('</T', `${'<!-- -->'.repeat(comments)}</T`);
    expect(ok(parseTokenResponse(crowded(988))).accessToken).toBe(ACCESS);
    expect(problem(crowded(989))).toBe('too_deep');
  });

  it.each(['1', 'null', 'true', '"text"', '[]', '[1]', '{}', '{"a":1}'])('sees no token in %s', (body) => {
    expect(no(parseTokenResponse(body)).holdsToken).toBe(false);
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
