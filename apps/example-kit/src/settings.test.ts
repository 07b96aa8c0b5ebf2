import { describe, expect, it } from 'vitest';
import { type Environment, Settings } from './settings.ts';

function read(env: Environment) {
  const settings = new Settings(env);
  const port = settings.port(3000);
  const publicUrl = settings.publicUrl('PUBLIC_URL', `http://127.0.0.1:${port}`);
  const secrets = { sessionSecret: settings.sessionSecret(), firmPassword: settings.firmPassword() };
  return settings.complete({ port, publicUrl, ...secrets });
}

describe('the settings of an example', () => {
  it.each([{}, { PUBLIC_URL: 'http://acme.localhost:3000' }, { PORT: '', SESSION_SECRET: '' }])(
    'need nothing on loopback: %o',
    (env) => {
      expect(read(env)).toMatchObject({ port: 3000, firmPassword: 'password' });
      expect(read(env).sessionSecret).toHaveLength(64);
    },
  );

  it('list every problem off loopback, and show no secret', () => {
    const env = { PUBLIC_URL: 'http://matters.example', SESSION_SECRET: 'short-one', PORT: '0' };
    expect(() => read(env)).toThrow(/4 problems.*PORT.*PUBLIC_URL.*SESSION_SECRET.*FIRM_PASSWORD/s);
    expect(() => read(env)).not.toThrow(/short-one/);
  });

  it.each(['matters.example', 'https://matters.example/here', 'https://notlocalhost'])(
    'want an origin, and secrets beyond loopback: %s',
    (url) => {
      expect(() => read({ PUBLIC_URL: url })).toThrow(/SESSION_SECRET.*FIRM_PASSWORD/s);
    },
  );

  it('take what is right', () => {
    const env = {
      PUBLIC_URL: 'https://matters.example/',
      SESSION_SECRET: 's'.repeat(32),
      FIRM_PASSWORD: 'p'.repeat(12),
    };
    expect(read(env).publicUrl).toBe('https://matters.example');
  });
});
