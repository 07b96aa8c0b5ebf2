/** The application whose memory is measured: a manager, a client, and an Express server with the proxy. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTokenManager, systemClock } from '@hq-oauth/core';
import { highq, highqErrors, highqProxy, requireHighQ } from '@hq-oauth/express';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import express from 'express';

export type Order =
  | { readonly kind: 'download' | 'upload'; readonly bytes: number }
  | { readonly kind: 'idle' };
export interface Report {
  /** The most that this process had in memory while it worked, bytes, and what it had before. */
  readonly peak: number;
  readonly before: number;
  readonly digest: string;
}

const BLOCK = Buffer.alloc(64 * 1024, 7);
const [path = ''] = process.argv.slice(2);
const manager = createTokenManager({
  store: sqliteStore({ path }),
  encryption: false,
});
const connection = manager.connection('ann');
const app = express();
app.use(highq({ manager: withRedirect(), connectionId: 'ann', authorize: () => true }));
app.use('/highq-api', requireHighQ(), highqProxy({ allow: ['GET', 'PUT'] }));
app.use(highqErrors());
const server = createServer(app);
server.listen(0, '127.0.0.1');
await once(server, 'listening');

/** The proxy is all that is asked for; the sign-in routes want an address to come back to. */
function withRedirect(): typeof manager {
  return createTokenManager({
    store: sqliteStore({ path }),
    encryption: false,
    redirectUri: 'http://127.0.0.1/highq/callback',
  });
}

let peak = 0;
function sample(): void {
  peak = Math.max(peak, process.memoryUsage.rss());
  systemClock.setTimer(sample, 20);
}
sample();

async function download(bytes: number): Promise<string> {
  // ky's time limit is for an answer that is awaited, and this one takes as long as it takes.
  const response = await connection.client.get(`6/documents/1/content?size=${bytes}`, { timeout: false });
  const hash = createHash('sha256');
  for await (const chunk of response.body ?? []) hash.update(chunk);
  return hash.digest('hex');
}

async function upload(bytes: number): Promise<string> {
  let left = bytes;
  const hash = createHash('sha256');
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left === 0) return controller.close();
      const chunk = BLOCK.subarray(0, Math.min(left, BLOCK.length));
      left -= chunk.length;
      hash.update(chunk);
      // A transferred block is gone; the next one must not be the same memory.
      controller.enqueue(Uint8Array.from(chunk));
    },
  });
  const headers = { accept: 'application/json' };
  const response = await connection.client.put('6/documents/7/content', { body, headers });
  const answer = await response.text();
  const digest = hash.digest('hex');
  if (!answer.includes(digest)) throw new Error(`the provider received something else (${response.status})`);
  return digest;
}

process.on('message', async (order: Order) => {
  const before = process.memoryUsage.rss();
  const since = peak;
  peak = before;
  const digest =
    order.kind === 'idle'
      ? ''
      : order.kind === 'download'
        ? await download(order.bytes)
        : await upload(order.bytes);
  // Between two orders to idle, the proxy may have worked.
  process.send?.({ peak: order.kind === 'idle' ? since : peak, before, digest } satisfies Report);
});
process.once('disconnect', () => process.exit());
process.send?.((server.address() as AddressInfo).port);
