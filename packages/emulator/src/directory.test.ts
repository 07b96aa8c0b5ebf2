import { describe, expect, it } from 'vitest';
import { startEmulator } from './emulator.fixture.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

describe('registrations', () => {
  it.each([
    [30 * MINUTE_MS, true],
    [30 * MINUTE_MS - 1, false],
    [30 * MINUTE_MS - 1000, false],
    [31 * DAY_MS, true],
    [31 * DAY_MS + 1, false],
    [31 * DAY_MS + 1000, false],
    [365 * DAY_MS, false],
    [Number.NaN, false],
    [Number.POSITIVE_INFINITY, false],
  ])('with a token expiration of %d ms: %s', async (tokenExpirationMs, taken) => {
    const emulator = await startEmulator();
    const add = (): unknown => emulator.registrations.add({ tokenExpirationMs });
    const update = (): unknown => emulator.registrations.update('1012', { tokenExpirationMs });
    if (taken) {
      expect(add()).toMatchObject({ tokenExpirationMs });
      expect(update()).toMatchObject({ tokenExpirationMs });
    } else {
      expect(add).toThrow('between 30 minutes and 1 month');
      expect(update).toThrow('between 30 minutes and 1 month');
      await expect(startEmulator({ registrations: [{ tokenExpirationMs }] })).rejects.toThrow('30 minutes');
    }
  });

  it('last whole seconds', async () => {
    const { registrations } = await startEmulator();
    expect(() => registrations.add({ tokenExpirationMs: 30 * MINUTE_MS + 1 })).toThrow('whole seconds');
    expect(registrations.add({ tokenExpirationMs: 30 * MINUTE_MS + 1000 }).clientId).toBe('1013');
  });

  it('are copies: changing what was read changes nothing', async () => {
    const emulator = await startEmulator();
    const registration = emulator.registrations.get('1012');
    if (registration) registration.clientSecret = 'changed';
    expect(emulator.env.HIGHQ_CLIENT_SECRET).toBe('dp3yp9zm6svZzUqduQH4CEYC2VgjwWLO');
  });

  it('refuse doubles, bad URLs and unknown members', async () => {
    const { registrations } = await startEmulator();
    expect(() => registrations.add({ clientId: '1012' })).toThrow('there already');
    expect(() => registrations.add({ redirectUrl: 'ftp://a/' })).toThrow('redirectUrl');
    expect(() => registrations.add({ clientId: 'a b' })).toThrow('clientId');
    expect(() => registrations.add({ name: ' ' })).toThrow('application name');
    expect(() => registrations.add(JSON.parse('{"expires":1}'))).toThrow('unknown expires');
    expect(() => registrations.update('9', {})).toThrow('no registration 9');
    expect(registrations.add().clientSecret).toMatch(/^[A-Za-z0-9]{32}$/);
  });
});

describe('seeds', () => {
  it('are the documented ones by default', async () => {
    const emulator = await startEmulator();
    expect(emulator.env).toEqual({
      HIGHQ_INSTANCE_URL: emulator.instanceUrl,
      HIGHQ_CLIENT_ID: '1012',
      HIGHQ_CLIENT_SECRET: 'dp3yp9zm6svZzUqduQH4CEYC2VgjwWLO',
      HIGHQ_ALLOW_LOOPBACK: '1',
      HIGHQ_TEST_CLOCK: `${emulator.url}/_emulator/clock`,
    });
    expect(emulator.registrations.list()).toMatchObject([
      { redirectUrl: null, tokenExpirationMs: 18_000_000, showAllowDeny: true, status: 'active' },
    ]);
    expect(emulator.users.list()).toMatchObject([
      { email: 'user@clientname.com', password: 'password', restricted: false },
      { email: 'limited@clientname.com', restricted: true },
    ]);
  });

  it('replace a list each', async () => {
    const emulator = await startEmulator({
      seed: {
        registrations: [{ clientId: '7', clientSecret: 's' }, { name: 'second' }],
        users: [{ email: 'a@b.example' }],
        sites: [],
      },
    });
    expect(emulator.env).toMatchObject({ HIGHQ_CLIENT_ID: '7', HIGHQ_CLIENT_SECRET: 's' });
    expect(emulator.registrations.list().map(({ clientId }) => clientId)).toEqual(['7', '1012']);
    expect(emulator.users.list()).toHaveLength(1);
    await expect(startEmulator({ seed: JSON.parse('{"people":[]}') })).rejects.toThrow('people');
    await expect(startEmulator({ instance: 'a/b' })).rejects.toThrow('instance');
  });
});
