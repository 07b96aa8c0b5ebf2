import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const folders: string[] = [];

/** A new folder: in the run's own one, where the scan for secrets looks, or else one that goes after the tests. */
export function testFolder(run = process.env.HQ_RUN_DIR): string {
  const folder = mkdtempSync(join(run || tmpdir(), 'hq-store-sqlite-'));
  if (!run) folders.push(folder);
  return folder;
}

/** One that another user can reach, wherever the run's own is. */
export function sharedFolder(): string {
  return testFolder('');
}

afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
