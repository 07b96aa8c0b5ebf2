import { memoryStore } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';
import { Instances } from './instances.ts';

const ACME = {
  HIGHQ_INSTANCE_URL_ACME: 'https://acme.highq.example/acme',
  HIGHQ_CLIENT_ID_ACME: '1012',
  HIGHQ_CLIENT_SECRET_ACME: 'secret-of-acme',
};

describe('the configuration of the Koa example', () => {
  it('gives each instance a host, a redirect URI and a registration of its own', () => {
    const { instances, port } = readConfig({ ...ACME, INSTANCES: 'acme', PORT: '4000' });
    expect(port).toBe(4000);
    expect(instances).toEqual([
      {
        name: 'acme',
        publicUrl: 'http://acme.localhost:4000',
        redirectUri: 'http://acme.localhost:4000/highq/callback',
        instanceUrl: 'https://acme.highq.example/acme',
        clientId: '1012',
        clientSecret: 'secret-of-acme',
      },
    ]);
  });

  it('lists every problem of every instance', () => {
    expect(() => readConfig(ACME)).toThrow(
      /3 problems.*URL_BOREALIS.*CLIENT_ID_BOREALIS.*CLIENT_SECRET_BOREALIS/s,
    );
    const shared = { PUBLIC_URL_ACME: 'https://one.example', PUBLIC_URL_BOREALIS: 'https://one.example' };
    expect(() => readConfig({ ...ACME, ...shared })).toThrow(
      /PUBLIC_URL_BOREALIS.*is that of acme.*FIRM_PASSWORD/s,
    );
    expect(() => readConfig({ ...ACME, INSTANCES: 'acme,Acme' })).toThrow(/INSTANCES/);
  });

  it('names the variable of the instance that a token manager refuses, and a common one once', () => {
    const [own] = readConfig({ ...ACME, INSTANCES: 'acme' }).instances;
    const wrong = { instanceUrl: 'ftp://acme.example/acme', accessTokenLifetimeMs: 1 };
    const configs = ['acme', 'borealis'].flatMap((name) => (own ? [{ ...own, name, ...wrong }] : []));
    const open = () => new Instances(configs, { store: memoryStore() });
    expect(open).toThrow(/HIGHQ_INSTANCE_URL_ACME.*HIGHQ_ACCESS_TOKEN_LIFETIME_MS_ACME.*_BOREALIS/s);
    expect(open).toThrow(
      /^(?:(?!HIGHQ_ENCRYPTION_KEYS).)*HIGHQ_ENCRYPTION_KEYS(?:(?!HIGHQ_ENCRYPTION_KEYS).)*$/s,
    );
    expect(open).not.toThrow(/secret-of-acme/);
  });
});
