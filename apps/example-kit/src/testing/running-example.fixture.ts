import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import type { Clock, TokenManager } from '@hq-oauth/core';
import { createEmulator, type Emulator, type EmulatorOptions } from '@hq-oauth/emulator';

/** An example on a real port, with an emulator on the same virtual clock. */
export interface RunningExample {
  readonly emulator: Emulator;
  readonly manager: TokenManager;
  /** Origin, without a slash at the end, as browsers know it. It leads to 127.0.0.1, whatever its name. */
  readonly url: string;
  close(): Promise<void>;
}

export type StartExample = (options?: EmulatorOptions) => Promise<RunningExample>;

export function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  return createEmulator({
    clock: 'virtual',
    tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '',
    ...options,
  });
}

/** How a token manager reaches an emulator. */
export function managerOptions({ env, instanceUrl }: Emulator, clock: Clock) {
  return {
    instanceUrl,
    clientId: env.HIGHQ_CLIENT_ID,
    clientSecret: env.HIGHQ_CLIENT_SECRET,
    encryption: false,
    clock,
    provider: { allowLoopback: true },
  } as const;
}

/** Redirect URIs name the port, so it is wanted before the example is there. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Browsers keep connections open: they are not waited for. */
export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
