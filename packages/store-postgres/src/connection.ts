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

async function connect(pool: PgPool, deadline: Deadline | null): Promise<PgClient> {
  const connecting = pool.connect();
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

function leftOpen(): Error {
  return new Error(
    'a connection came back to the pool inside a transaction that is still open. It was closed, and nothing was written. Whoever begins a transaction must end it before `release`',
  );
}

function ignore(): void {}
