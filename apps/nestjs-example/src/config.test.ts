import { describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';

describe('the configuration of the example', () => {
  it('needs nothing on loopback', () => {
    expect(readConfig({})).toMatchObject({
      port: 3000,
      publicUrl: 'http://127.0.0.1:3000',
      redirectUri: 'http://127.0.0.1:3000/highq/callback',
    });
  });

  it('lists every problem off loopback, and shows no secret', () => {
    const env = { PUBLIC_URL: 'http://matters.example', SESSION_SECRET: 'short-one', PORT: '0' };
    expect(() => readConfig(env)).toThrow(/4 problems.*PORT.*PUBLIC_URL.*SESSION_SECRET.*FIRM_PASSWORD/s);
    expect(() => readConfig(env)).not.toThrow(/short-one/);
  });

  it('takes what is right', () => {
    const env = {
      PUBLIC_URL: 'https://matters.example/',
      SESSION_SECRET: 's'.repeat(32),
      FIRM_PASSWORD: 'p'.repeat(12),
    };
    expect(readConfig(env).redirectUri).toBe('https://matters.example/highq/callback');
  });
});
