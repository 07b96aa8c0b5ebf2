/** Memory of an application while 1 GiB streams through it, as a ratio to the size of what is streamed. */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTokenManager } from '@hq-oauth/core';
import { createEmulator } from '@hq-oauth/emulator';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import type { Order, Report } from './stream-worker.ts';

const BYTES = Number(process.argv[2] ?? 1024 * 1024 * 1024);
const MIB = 1024 * 1024;
const BLOCK = Buffer.alloc(64 * 1024, 7);

const folder = mkdtempSync(join(tmpdir(), 'hq-bench-'));
const path = join(folder, 'tokens.db');
const emulator = await createEmulator({
  clock: 'real',
  tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
});
const manager = createTokenManager({
  instanceUrl: emulator.instanceUrl,
  clientId: emulator.env.HIGHQ_CLIENT_ID,
  clientSecret: emulator.env.HIGHQ_CLIENT_SECRET,
  store: sqliteStore({ path }),
  encryption: false,
  provider: { allowLoopback: true },
});
const { code } = await emulator.authorize({ user: 'user@clientname.com' });
await manager.connection('ann').exchangeCode(code);

async function start(): Promise<{ worker: ChildProcess; port: number }> {
  const env = { ...process.env, ...emulator.env };
  const worker = fork(new URL('./stream-worker.ts', import.meta.url), [path], { env });
  const [port] = (await once(worker, 'message')) as [number];
  return { worker, port };
}

async function ask(worker: ChildProcess, order: Order): Promise<Report> {
  worker.send(order);
  const ended = once(worker, 'exit').then(() => {
    throw new Error('the application ended in the middle');
  });
  const [report] = (await Promise.race([once(worker, 'message'), ended])) as [Report];
  ended.catch(() => undefined);
  return report;
}

/** Another process renews the token on the way. */
async function renew(): Promise<void> {
  await manager.connection('ann').refresh({ force: true });
}

function throughProxy(port: number, method: 'GET' | 'PUT'): Promise<string> {
  const where = method === 'GET' ? `documents/1/content?size=${BYTES}` : 'documents/7/content';
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    const sent = request(
      {
        port,
        host: '127.0.0.1',
        method,
        path: `/highq-api/6/${where}`,
        headers: { 'sec-fetch-site': 'same-origin' },
      },
      (response) => {
        const answer: Buffer[] = [];
        response.on('data', (chunk: Buffer) => (method === 'GET' ? hash.update(chunk) : answer.push(chunk)));
        response.on('error', reject);
        response.on('end', () => {
          const digest = hash.digest('hex');
          const text = Buffer.concat(answer).toString();
          if (method === 'PUT' && !text.includes(digest))
            reject(new Error(`not what was sent: ${text.slice(0, 200)}`));
          else resolve(digest);
        });
      },
    );
    sent.on('error', reject);
    let left = method === 'GET' ? 0 : BYTES;
    const write = (): void => {
      while (left > 0) {
        const chunk = BLOCK.subarray(0, Math.min(left, BLOCK.length));
        left -= chunk.length;
        hash.update(chunk);
        if (!sent.write(chunk)) return void sent.once('drain', write);
      }
      sent.end();
    };
    write();
  });
}

type Way = readonly [name: string, run: (worker: ChildProcess, port: number) => Promise<Report>];
const proxied =
  (method: 'GET' | 'PUT') =>
  async (worker: ChildProcess, port: number): Promise<Report> => {
    const { before } = await ask(worker, { kind: 'idle' });
    const digest = await throughProxy(port, method);
    const { peak } = await ask(worker, { kind: 'idle' });
    return { peak, before, digest };
  };
const ways: readonly Way[] = [
  ['client, down', (worker) => ask(worker, { kind: 'download', bytes: BYTES })],
  ['client, up', (worker) => ask(worker, { kind: 'upload', bytes: BYTES })],
  ['proxy, down', proxied('GET')],
  ['proxy, up', proxied('PUT')],
];

console.log(`${(BYTES / MIB).toFixed(0)} MiB each way; another process renews the token meanwhile`);
for (const [name, run] of ways) {
  // Each in a process of its own: what one left behind must not hide what the next one needs.
  const { worker, port } = await start();
  await ask(worker, { kind: 'download', bytes: 8 * MIB });
  const rotations = emulator.ledger.refreshes();
  const work = run(worker, port);
  await renew();
  const from = performance.now();
  const { peak, before } = await work;
  const seconds = (performance.now() - from) / 1000;
  const grown = (peak - before) / MIB;
  console.log(
    `${name}: ${grown.toFixed(0)} MiB more than before at most, ${((grown * MIB * 100) / BYTES).toFixed(1)} % of what was streamed ` +
      `(${(BYTES / MIB / seconds).toFixed(0)} MiB/s, ${emulator.ledger.refreshes() - rotations} renewal on the way)`,
  );
  worker.disconnect();
  await once(worker, 'exit');
}
await manager.close();
await emulator.close();
rmSync(folder, { recursive: true, force: true });
