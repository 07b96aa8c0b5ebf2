import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { POSTGRES_URL, type RunningServer, SERVER, startServer } from './server.fixture.ts';

const HOUR = 3_600_000;

describe.each([
  { database: 'sqlite', missing: false },
  { database: 'postgres', missing: POSTGRES_URL === '' },
] as const)('the server of the example on $database', ({ database, missing }) => {
  let server: RunningServer;

  describe.skipIf(missing)('as a process', () => {
    beforeEach(async () => {
      server = await startServer(database);
    });
    afterEach(() => server.close());

    async function session(): Promise<string> {
      const response = await fetch(`${server.url}/login`, {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams({ email: 'amara@hartwell-lyle.example', password: 'password' }),
        headers: { origin: server.url },
      });
      return response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    }

    it('F60f answers and stores a refresh that is under way at SIGTERM, and ends with 0', async () => {
      const { emulator, child } = server;
      const { code } = await emulator.authorize({});
      await server.withManager((manager) => manager.connection('amara').exchangeCode(code));
      const visit = async () => fetch(`${server.url}/matters`, { headers: { cookie: await session() } });
      // PostgreSQL keeps its own time, which no emulator moves: what is in memory ages by the emulator's.
      expect((await visit()).status).toBe(200);
      emulator.clock.advance(6 * HOUR);
      emulator.faults.add({
        match: { endpoint: 'token', grantType: 'refresh_token' },
        kind: 'delay',
        delayMs: 3000,
      });
      const page = visit();
      await vi.waitFor(() => expect(emulator.ledger.refreshes()).toBe(1), 10_000);
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      // It has heard the signal as soon as it takes no new visitors.
      await vi.waitFor(() => expect(fetch(`${server.url}/health`)).rejects.toThrow(), 10_000);
      expect(child.exitCode).toBeNull();
      emulator.clock.advance(3000);

      expect((await page).status).toBe(200);
      expect(await (await page).text()).toContain('Harbour Wind Farm');
      expect(await exited).toEqual([0, null]);
      const used = await server.withManager(async (manager) => {
        const connection = manager.connection('amara');
        const response = await connection.fetch('6/sites');
        return [response.status, (await connection.status()).generation];
      });
      expect(used).toEqual([200, 2]);
      expect(emulator.ledger.refreshes()).toBe(1);
    }, 60_000);

    it('tells its health, and keeps connections in its database', async () => {
      const health = await fetch(`${server.url}/health`);
      expect([health.status, await health.json()]).toEqual([200, expect.objectContaining({ status: 'ok' })]);
      const { code } = await server.emulator.authorize({});
      await server.withManager((manager) => manager.connection('amara').exchangeCode(code));
      const page = await fetch(`${server.url}/connection`, { headers: { cookie: await session() } });
      expect(await page.text()).toContain('user@clientname.com');
      expect(server.output()).not.toMatch(/error/i);
    }, 60_000);
  });
});

it('lists every problem of its configuration, and ends with 1', async () => {
  const env = { PATH: process.env.PATH, DATABASE_PATH: ':memory:' };
  const run = promisify(execFile)(process.execPath, [SERVER], { env });
  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/HIGHQ_INSTANCE_URL.*HIGHQ_CLIENT_ID.*HIGHQ_ENCRYPTION_KEYS/s),
  });
}, 60_000);
