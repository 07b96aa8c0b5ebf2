import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readFirmConfig } from './config.ts';

describe('the configuration of an example', () => {
  it.each([{}, { PUBLIC_URL: 'http://acme.localhost:3000' }, { PORT: '', SESSION_SECRET: '' }])(
    'needs nothing on loopback: %o',
    (env) => {
      expect(readFirmConfig(env, 3000)).toMatchObject({ port: 3000, firmPassword: 'password' });
      expect(readFirmConfig(env, 3000).sessionSecret).toHaveLength(64);
    },
  );

  it('lists every problem off loopback, and shows no secret', () => {
    const env = { PUBLIC_URL: 'http://matters.example', SESSION_SECRET: 'short-one', PORT: '0' };
    expect(() => readFirmConfig(env, 3000)).toThrow(
      /4 problems.*PORT.*PUBLIC_URL.*SESSION_SECRET.*FIRM_PASSWORD/s,
    );
    expect(() => readFirmConfig(env, 3000)).not.toThrow(/short-one/);
  });

  it.each(['matters.example', 'https://matters.example/here', 'https://notlocalhost'])(
    'wants an origin, and secrets beyond loopback: %s',
    (url) => {
      expect(() => readFirmConfig({ PUBLIC_URL: url }, 3000)).toThrow(/SESSION_SECRET.*FIRM_PASSWORD/s);
    },
  );

  it('takes what is right', () => {
    const env = {
      PUBLIC_URL: 'https://matters.example/',
      SESSION_SECRET: 's'.repeat(32),
      FIRM_PASSWORD: 'p'.repeat(12),
    };
    expect(readFirmConfig(env, 3000).redirectUri).toBe('https://matters.example/highq/callback');
  });
});

it('finds ports of its own for each example, so that all of them can run at once', () => {
  const ports = ['express', 'koa', 'nestjs'].flatMap((framework) => {
    const readme = new URL(`../../${framework}-example/README.md`, import.meta.url);
    const named = readFileSync(readme, 'utf8').matchAll(/(?:127\.0\.0\.1|localhost):(\d+)|\| `(\d{4})`, /g);
    return [...new Set([...named].map(([, ofUrl, ofTable]) => ofUrl ?? ofTable))];
  });
  expect(ports.sort()).toEqual(['3000', '3001', '3002', '4310', '4311', '4312', '4313']);
});
