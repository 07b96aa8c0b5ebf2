import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTokenManager } from '@hq-oauth/core';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';
import { afterEach, expect, it } from 'vitest';
import type { Order, Report } from './herd-worker.fixture.ts';
import { sqliteStore } from './index.ts';

const PROCESSES = 8;
const CALLERS = 125;
const ROUNDS = 20;
const HOUR = 3_600_000;

let emulator: Emulator | undefined;
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  await emulator?.close();
});

function order(child: ChildProcess, message: Order): Promise<Report> {
  const answer = once(child, 'message') as Promise<[Report]>;
  child.send(message);
  return answer.then(([report]) => report);
}

it('F38 8 processes with 125 callers each on one SQLite file: one refresh a round, no failed call, 20 rounds', async () => {
  const marker = process.env.HQ_EMULATOR_TOKEN_MARKER;
  emulator = await createEmulator(marker ? { tokenMarker: marker } : {});
  const folder = await mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'herd-'));
  const path = join(folder, 'tokens.db');
  const env = { ...process.env, ...emulator.env, HIGHQ_ENCRYPTION_KEYS: `k1:${'0102'.repeat(16)}` };

  const store = sqliteStore({ path });
  const keys = [{ id: 'k1', key: '0102'.repeat(16) }];
  const {
    HIGHQ_INSTANCE_URL: instanceUrl,
    HIGHQ_CLIENT_ID: clientId,
    HIGHQ_CLIENT_SECRET: clientSecret,
  } = emulator.env;
  const manager = createTokenManager({
    instanceUrl,
    clientId,
    clientSecret,
    store,
    encryption: { keys },
    provider: { allowLoopback: true },
  });
  const { code } = await emulator.authorize();
  await manager.connection('shared').exchangeCode(code);
  await manager.close();
  await store.close();

  for (let index = 0; index < PROCESSES; index += 1) {
    children.push(
      fork(new URL('./herd-worker.fixture.ts', import.meta.url), [path], { env, stdio: 'inherit' }),
    );
  }
  await Promise.all(children.map((child) => once(child, 'message')));

  const failures: string[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    emulator.clock.advance(6 * HOUR);
    const reports = await Promise.all(
      children.map((child) => order(child, { kind: 'call', callers: CALLERS })),
    );
    failures.push(...reports.flatMap((report) => report.failures));
    // Every caller of every process was handed the same token.
    expect(new Set(reports.flatMap((report) => report.fingerprints)).size).toBe(1);
    expect(reports.every((report) => report.fingerprints.length === 1)).toBe(true);
    expect(emulator.ledger.count({ kind: 'presented', tokenType: 'refresh' })).toBe(round);
  }
  expect(failures).toEqual([]);
  expect(emulator.ledger.refreshes()).toBe(ROUNDS);
  expect(emulator.ledger.presentedTwice()).toBe(0);
  await Promise.all(children.map((child) => order(child, { kind: 'end' })));
}, 120_000);
