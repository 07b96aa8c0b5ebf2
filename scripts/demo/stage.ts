import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Emulator, EmulatorOptions } from '../../packages/emulator/dist/index.js';
import { Browser } from './browser.ts';
import { Example } from './example.ts';
import { freePort } from './ports.ts';

const EMULATOR_PORT = 4310;
const EXAMPLE_PORT = 3000;

/** An emulator and the example on one virtual clock, and a person's browser. */
export interface Stage {
  readonly emulator: Emulator;
  readonly example: Example;
  readonly browser: Browser;
  close(): Promise<void>;
}

/** `usual`: on the ports that the README names, when they are free. */
export async function openStage(
  root: string,
  { usual, emulator: options }: { readonly usual: boolean; readonly emulator: EmulatorOptions },
): Promise<Stage> {
  // Only there once the packages are built.
  const { createEmulator } = await import('../../packages/emulator/dist/index.js');
  const emulator = await createEmulator({
    port: await freePort(usual ? EMULATOR_PORT : 0),
    clock: 'virtual',
    ...options,
  });
  // A test run keeps what was stored and printed, to look for secrets in it.
  const kept = process.env.HQ_RUN_DIR;
  const folder = mkdtempSync(join(kept ?? tmpdir(), 'hq-oauth-demo-'));
  const example = new Example({
    server: join(root, 'apps/express-example/dist/server.js'),
    port: await freePort(usual ? EXAMPLE_PORT : 0),
    env: {
      ...emulator.env,
      DATABASE_PATH: join(folder, 'matters.db'),
      HIGHQ_ENCRYPTION_KEYS: `demo:${randomBytes(32).toString('base64')}`,
      SESSION_SECRET: randomBytes(32).toString('hex'),
    },
  });
  return {
    emulator,
    example,
    browser: new Browser(),
    async close() {
      await example.stop();
      await emulator.close();
      if (kept) writeFileSync(join(folder, 'example.log'), example.output);
      else rmSync(folder, { recursive: true, force: true });
    },
  };
}
