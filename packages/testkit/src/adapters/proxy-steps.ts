import type { IncomingMessage } from 'node:http';
import type { App, Bench } from './bench.ts';
import { exchange, type Sent } from './exchange.ts';
import type { HostProxy, HostSetup } from './host.ts';
import type { Upstream, UpstreamHandler } from './upstream.ts';

export const PROXY = '/highq-api';
export const SAME = { 'sec-fetch-site': 'same-origin' };

/** An application with a proxy, and a visitor `ann` who is connected at the emulator. */
export async function openProxy(
  bench: Bench,
  options: Partial<HostProxy> = {},
  setup: Partial<HostSetup> = {},
): Promise<App> {
  const mount = { proxy: { path: PROXY, ...options } };
  const app = await bench.open({ mount, setup: () => setup });
  await app.connect();
  return app;
}

/** The same, in front of an API that the behaviour writes itself. */
export async function openBefore(
  bench: Bench,
  handler: UpstreamHandler,
  options: Partial<HostProxy> = {},
  setup: Partial<HostSetup> = {},
): Promise<{ readonly app: App; readonly upstream: Upstream }> {
  const upstream = await bench.upstream(handler);
  const mount = { proxy: { path: PROXY, ...options } };
  const app = await bench.open({ mount, manager: { instanceUrl: upstream.instanceUrl }, setup: () => setup });
  await upstream.grant(app.manager);
  return { app, upstream };
}

/** What the visitor `ann` gets for a call below the proxy. */
export function call(app: App, path: string, { headers, ...sent }: Sent = {}): Promise<IncomingMessage> {
  return exchange(`${app.url}${PROXY}/${path}`, { ...sent, headers: { cookie: 'user=ann', ...headers } });
}
