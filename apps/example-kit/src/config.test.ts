import { describe, expect, it } from 'vitest';
import { readFirmConfig } from './config.ts';

describe('the configuration of an example', () => {
  it.each([{}, { PUBLIC_URL: 'http://acme.localhost:3000' }, { PORT: '', SESSION_SECRET: '' }])(
    'needs nothing on loopback: %o',
    (env) => {
      expect(readFirmConfig(env)).toMatchObject({ port: 3000, firmPassword: 'password' });
      expect(readFirmConfig(env).sessionSecret).toHaveLength(64);
    },
  );

  it('lists every problem off loopback, and shows no secret', () => {
    const env = { PUBLIC_URL: 'http://matters.example', SESSION_SECRET: 'short-one', PORT: '0' };
    expect(() => readFirmConfig(env)).toThrow(/4 problems.*PORT.*PUBLIC_URL.*SESSION_SECRET.*FIRM_PASSWORD/s);
    expect(() => readFirmConfig(env)).not.toThrow(/short-one/);
  });

  it.each(['matters.example', 'https://matters.example/here', 'https://notlocalhost'])(
    'wants an origin, and secrets beyond loopback: %s',
    (url) => {
      expect(() => readFirmConfig({ PUBLIC_URL: url })).toThrow(/SESSION_SECRET.*FIRM_PASSWORD/s);
    },
  );

  it('takes what is right', () => {
    const env = {
      PUBLIC_URL: 'https://matters.example/',
      SESSION_SECRET: 's'.repeat(32),
      FIRM_PASSWORD: 'p'.repeat(12),
    };
    expect(readFirmConfig(env).redirectUri).toBe('https://matters.example/highq/callback');
  });
});
