import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTokenManager, type TokenManager } from '@hq-oauth/core';
import { followClock } from '@hq-oauth/core/testing';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';
import { Client } from 'pg';
import { Tokens } from '../src/tokens.module.ts';
import { freePort } from './example.fixture.ts';

export const SERVER = fileURLToPath(new URL('../dist/server.js', import.meta.url));
export const POSTGRES_URL = process.env.HQ_POSTGRES_URL ?? '';

/** The built example as a process of its own, and a manager of this one on the same database. */
export interface RunningServer {
  readonly emulator: Emulator;
  readonly url: string;
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Opens the database for as long as `work` takes. */
  withManager<T>(work: (manager: TokenManager) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export async function startServer(database: 'sqlite' | 'postgres'): Promise<RunningServer> {
  const emulator = await createEmulator({
    clock: 'virtual',
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
  });
  const folder = mkdtempSync(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'nestjs-example-'));
  const databasePath = join(folder, 'matters.db');
  const databaseUrl = database === 'postgres' ? await newDatabase() : undefined;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const key = randomBytes(32);
  const child = spawn(process.execPath, [SERVER], {
    env: {
      PATH: process.env.PATH,
      ...emulator.env,
      HIGHQ_ENCRYPTION_KEYS: `test:${key.toString('base64')}`,
      DATABASE_PATH: databasePath,
      ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
      PORT: String(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const listening = new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      if (output.includes(`Matter browser: ${url}`)) resolve();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${output}`)));
  });
  await listening;
  return {
    emulator,
    url,
    child,
    output: () => output,
    async withManager(work) {
      const tokens = await Tokens.open({ databasePath, databaseUrl });
      const clock = followClock(emulator.env.HIGHQ_TEST_CLOCK);
      const manager = createTokenManager({
        clock,
        instanceUrl: emulator.instanceUrl,
        clientId: emulator.env.HIGHQ_CLIENT_ID,
        clientSecret: emulator.env.HIGHQ_CLIENT_SECRET,
        store: tokens.store,
        encryption: { keys: [{ id: 'test', key }] },
        provider: { allowLoopback: true },
      });
      try {
        return await work(manager);
      } finally {
        await manager.close({ timeoutMs: 1000 });
        await tokens.onApplicationShutdown();
        clock.close();
      }
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      await emulator.close();
      if (process.env.HQ_RUN_DIR === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A database of its own on the run's server: the example's schema has one name. */
async function newDatabase(): Promise<string> {
  const name = `matters_${randomUUID().replaceAll('-', '')}`;
  const client = new Client({ connectionString: POSTGRES_URL });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  const url = new URL(POSTGRES_URL);
  url.pathname = `/${name}`;
  return url.href;
}
