import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** `wanted` when nobody listens there, otherwise any free port. */
export async function freePort(wanted: number): Promise<number> {
  for (const port of [wanted, 0]) {
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    } catch {
      continue;
    }
    const { port: found } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return found;
  }
  throw new Error('no free port on 127.0.0.1');
}
