import { systemClock } from '@hq-oauth/core';
import type { Deadline } from './deadline.ts';
import { isAnswer } from './postgres-errors.ts';
import type { PgClient, PgPool } from './postgres-pool.ts';
import { TransactionWatch } from './transaction-watch.ts';

/**
 * Runs `work` on a connection of the pool and gives it back at once. Rejects, and closes the connection, where that is in
 * a transaction that somebody has left open: nothing is written then. Without the listener, a connection that is lost
 * while nobody asks it anything would end the program.
 */
export async function withConnection<T>(
  pool: PgPool,
  deadline: Deadline | null,
  work: (client: PgClient) => Promise<T>,
): Promise<T> {
  const client = await connect(pool, deadline);
  let destroy = true;
  client.on('error', ignore);
  const watch = new TransactionWatch(client);
  try {
    if (watch.isOpen) await caughtUp(client, deadline);
    if (watch.isOpen) throw leftOpen();
    const working = work(client);
    const result = await (deadline ? deadline.bound(working) : working);
    // Older drivers tell only then. With the connection goes what was written.
    if (watch.isOpen) throw leftOpen();
    destroy = false;
    return result;
  } catch (error) {
    // A connection that is still busy, or broken, is of no use to the next one.
    destroy = !isAnswer(error);
    throw error;
  } finally {
    watch.end();
    client.removeListener('error', ignore);
    client.release(destroy);
  }
}

/** One listener for all who wait for the same pool: Node warns of more than ten. */
const waitingFor = new WeakMap<PgPool, number>();

/**
 * A new connection may say farewell in the same piece in which it says that it is ready. The pool has let go of it by
 * then, and whoever waits for it, or has given up, has not been told yet: an error that nobody listens to would end the program.
 */
async function guarded(pool: PgPool): Promise<PgClient> {
  const waiting = waitingFor.get(pool) ?? 0;
  if (waiting === 0) pool.on?.('connect', guard);
  waitingFor.set(pool, waiting + 1);
  try {
    return await pool.connect();
  } finally {
    const left = (waitingFor.get(pool) ?? 1) - 1;
    waitingFor.set(pool, left);
    if (left === 0) pool.removeListener?.('connect', guard);
  }
}

/** Until the code that waits for `client` has had its turn. */
function guard(client: PgClient): void {
  client.on('error', ignore);
  systemClock.afterIo(() => client.removeListener('error', ignore));
}

async function connect(pool: PgPool, deadline: Deadline | null): Promise<PgClient> {
  const connecting = guarded(pool);
  if (!deadline) return connecting;
  let given = false;
  try {
    const client = await deadline.bound(connecting);
    given = true;
    return client;
  } finally {
    // One that comes after the deadline belongs to nobody.
    if (!given) connecting.then((client) => client.release()).catch(() => {});
  }
}

/**
 * Its last holder may have sent the end of its transaction without waiting for it: that answer comes first. To close the
 * connection before would fail a promise that nobody may be looking at, which ends the program.
 */
async function caughtUp(client: PgClient, deadline: Deadline | null): Promise<void> {
  const asking = client.query({ text: 'SELECT 1', values: [] }).catch(ignore);
  await (deadline ? deadline.bound<unknown>(asking) : asking);
}

function leftOpen(): Error {
  return new Error(
    'a connection came back to the pool inside a transaction that is still open. It was closed, and nothing was written. Whoever begins a transaction must end it before `release`',
  );
}

function ignore(): void {}
