import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

/** A rescue folder for the processes that are started from now on. */
export async function rescueFolder(): Promise<string> {
  const dir = await mkdtemp(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'rescue-'));
  vi.stubEnv('HIGHQ_RESCUE_DIR', dir);
  return dir;
}

export async function filesIn(dir: string): Promise<readonly string[]> {
  return (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.json'));
}
