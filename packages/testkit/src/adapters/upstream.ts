import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { TokenManager } from '@hq-oauth/core';

export type UpstreamHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

/** An API on loopback whose answers a behaviour writes itself, for what an emulator of the provider does not send. */
export interface Upstream {
  readonly instanceUrl: string;
  readonly requests: readonly IncomingMessage[];
  /** A grant at this instance, without a sign-in. */
  grant(manager: TokenManager, user?: string): Promise<void>;
  close(): Promise<void>;
}

export async function openUpstream(handler: UpstreamHandler): Promise<Upstream> {
  const requests: IncomingMessage[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(request);
    handler(request, response);
  };
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the upstream has no port');
  return {
    instanceUrl: `http://127.0.0.1:${address.port}/acme`,
    requests,
    async grant(manager, user = 'ann') {
      const tokens = { access_token: 'a-token', refresh_token: 'r-token', expires_in: 18_000 };
      await manager.connection(user).importTokens(tokens);
    },
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
