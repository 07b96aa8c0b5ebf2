import type { Deadline } from './deadline.ts';
import { isAnswer } from './postgres-errors.ts';
import type { PgClient, PgPool } from './postgres-pool.ts';

/**
 * Runs `work` on a connection of the pool and gives it back at once. Without this listener, a connection that is lost
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
  try {
    const working = work(client);
    const result = await (deadline ? deadline.bound(working) : working);
    destroy = false;
    return result;
  } catch (error) {
    // A connection that is still busy, or broken, is of no use to the next one.
    destroy = !isAnswer(error);
    throw error;
  } finally {
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

function ignore(): void {}
