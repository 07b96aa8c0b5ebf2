import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Emulator } from '@hq-oauth/emulator';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Http, httpTo, withCookies } from './http.fixture.ts';
import { freePort, startEmulator } from './running-example.fixture.ts';
import { type RunningServer, startServer } from './server.fixture.ts';

const HOUR = 3_600_000;
const ANSWER_MS = 3000;
const END_MS = 30_000;

type Variables = Readonly<Record<string, string | undefined>>;

export interface ServerWalkOptions {
  /** Of the tokens, in test titles. */
  readonly database: string;
  /** Why this one cannot run: the database's server is not there. */
  readonly missing?: boolean;
  /** Path of the built server. */
  readonly server: string;
  /** Where browsers reach it. @default (port) => `http://127.0.0.1:${port}` */
  readonly url?: (port: number) => string;
  /** What it is told beside its port, its secrets and the path of a database file. */
  readonly variables?: (emulator: Emulator) => Variables | Promise<Variables>;
  /** What a health check answers. */
  readonly health: string;
}

/** What each of the examples does as a process of its own. */
export function serverWalk(options: ServerWalkOptions): void {
  const { database, missing = false, server, variables, health } = options;

  describe.skipIf(missing)(`as a process, on ${database}`, () => {
    let emulator: Emulator;
    let url: string;
    let http: Http;
    let folder: string;
    let env: Variables;
    let running: RunningServer;

    beforeEach(async () => {
      emulator = await startEmulator();
      // It moves only when told: a slow machine must not let an answer go that is to be held back.
      emulator.clock.setRate(0);
      const port = await freePort();
      url = options.url?.(port) ?? `http://127.0.0.1:${port}`;
      http = httpTo(url);
      folder = mkdtempSync(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'example-'));
      env = {
        ...emulator.env,
        HIGHQ_ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
        SESSION_SECRET: randomBytes(32).toString('hex'),
        DATABASE_PATH: join(folder, 'matters.db'),
        PORT: String(port),
        ...(await variables?.(emulator)),
      };
      running = await startServer(server, env);
    });
    afterEach(async () => {
      await running?.kill();
      await emulator.close();
      // A test run keeps what was stored, to look for secrets in it.
      if (process.env.HQ_RUN_DIR === undefined) rmSync(folder, { recursive: true, force: true });
    });

    /** The pages of a sign-in, but for the emulator's own, in a browser that has these cookies. */
    async function connect(cookie: string): Promise<void> {
      const begun = await http.send('/highq/connect', {
        method: 'POST',
        headers: { cookie, origin: url },
        form: { returnTo: '/matters' },
      });
      const { code } = await emulator.authorize({});
      const transaction = withCookies(cookie, begun);
      const back = await http.page(`/highq/callback?code=${encodeURIComponent(code)}`, transaction);
      const confirmed = await http.send('/highq/confirm', {
        method: 'POST',
        headers: { cookie: withCookies(transaction, back), origin: url, accept: 'text/html' },
        form: { decision: 'confirm' },
      });
      expect([confirmed.status, confirmed.headers.get('location')]).toEqual([303, '/matters']);
    }

    const matters = (cookie: string) => http.page('/matters', cookie);

    /** Tells the server to end while the emulator holds its answer to a refresh back, and lets the answer go. */
    async function endInRefresh(refreshes: number): Promise<void> {
      await vi.waitFor(() => expect(emulator.ledger.refreshes()).toBe(refreshes), 10_000);
      const exited = once(running.child, 'exit');
      running.child.kill('SIGTERM');
      const toldAt = performance.now();
      // It has heard the signal as soon as it takes no new visitors.
      await vi.waitFor(() => expect(http.send('/health')).rejects.toThrow(), 10_000);
      expect(running.child.exitCode).toBeNull();
      emulator.clock.advance(ANSWER_MS);
      expect(await exited).toEqual([0, null]);
      expect(performance.now() - toldAt).toBeLessThan(END_MS);
      expect(running.output()).not.toMatch(/error/i);
    }

    /** Nobody signs in again, and no refresh token was spent for nothing. */
    async function servesAfterTheNextStart(cookie: string, refreshes: number): Promise<void> {
      running = await startServer(server, env);
      const page = await matters(cookie);
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Harbour Wind Farm')]);
      const { ledger } = emulator;
      const codes = ledger.count({ kind: 'presented', tokenType: 'code' });
      expect([ledger.refreshes(), ledger.presentedTwice(), codes]).toEqual([refreshes, 0, 1]);
    }

    it('F60f stores a refresh that is under way at SIGTERM, whether somebody waits for it or not, and serves after the next start', async () => {
      const cookie = await http.session();
      await connect(cookie);
      // PostgreSQL keeps its own time, which no emulator moves: what is in memory ages by the emulator's.
      expect((await matters(cookie)).status).toBe(200);
      const up = await http.send('/health');
      expect([up.status, await up.json()]).toEqual([200, expect.objectContaining({ status: health })]);

      emulator.clock.advance(6 * HOUR);
      const match = { endpoint: 'token', grantType: 'refresh_token' } as const;
      emulator.faults.add({ match, kind: 'delay', delayMs: ANSWER_MS });
      const page = matters(cookie);
      await endInRefresh(1);
      expect((await page).status).toBe(200);
      expect(await (await page).text()).toContain('Harbour Wind Farm');
      await servesAfterTheNextStart(cookie, 1);

      // Near its end the token is renewed behind the visitor's back, with an answer that came before.
      emulator.clock.advance(4.5 * HOUR);
      expect((await matters(cookie)).status).toBe(200);
      await endInRefresh(2);
      await servesAfterTheNextStart(cookie, 2);
    }, 90_000);
  });
}

/** `said`: what a server without any configuration says is missing. */
export function refusesToStart(server: string, said: RegExp): void {
  it('lists every problem of its configuration, and ends with 1', async () => {
    const env = { PATH: process.env.PATH, DATABASE_PATH: ':memory:' };
    const run = promisify(execFile)(process.execPath, [server], { env });
    await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(said) });
  }, 60_000);
}
