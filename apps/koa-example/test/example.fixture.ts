import { createServer } from 'node:http';
import { followClock } from '@hq-oauth/core/testing';
import type { Emulator } from '@hq-oauth/emulator';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import {
  closeServer,
  freePort,
  managerOptions,
  type RunningExample,
  type StartExample,
  startEmulator,
} from 'example-kit/testing';
import { createApp } from '../src/app.ts';
import { BOREALIS } from '../src/borealis.ts';
import { Instances } from '../src/instances.ts';

/** One of the two, as the lists of tests know an example. */
type Served = Omit<RunningExample, 'close'>;

export interface BothInstances {
  readonly acme: Served;
  readonly borealis: Served;
  close(): Promise<void>;
}

/** Both instances on one store and one clock, each at a host of its own. */
export async function startBoth(options: Parameters<StartExample>[0] = {}): Promise<BothInstances> {
  const acme = await startEmulator(options);
  const borealis = await startEmulator({ ...BOREALIS, clock: acme.clock });
  const clock = followClock(acme.env.HIGHQ_TEST_CLOCK);
  const store = sqliteStore({ path: ':memory:' });
  const port = await freePort();
  const configOf = (emulator: Emulator, name: string) => {
    const { instanceUrl, clientId, clientSecret } = managerOptions(emulator, clock);
    const publicUrl = `http://${name}.localhost:${port}`;
    const redirectUri = `${publicUrl}/highq/callback`;
    return { name, publicUrl, redirectUri, instanceUrl, clientId, clientSecret };
  };
  const configs = [configOf(acme, 'acme'), configOf(borealis, 'borealis')];
  const { encryption, provider } = managerOptions(acme, clock);
  const instances = new Instances(configs, { store, encryption, provider, clock });
  const app = createApp({ instances, sessionSecret: 's'.repeat(32), firmPassword: 'password' });
  const server = createServer(app.callback()).listen(port, '127.0.0.1');
  const served = (emulator: Emulator, name: string): Served => {
    const found = instances.all.find((one) => one.name === name);
    if (!found) throw new Error(`no instance ${name}`);
    return { emulator, manager: found.manager, url: found.publicUrl };
  };
  return {
    acme: served(acme, 'acme'),
    borealis: served(borealis, 'borealis'),
    async close() {
      await closeServer(server);
      await instances.close(1000);
      await store.close();
      clock.close();
      await Promise.all([acme.close(), borealis.close()]);
    },
  };
}

export const startExample: StartExample = async (options) => {
  const { acme, close } = await startBoth(options);
  return { ...acme, close };
};
