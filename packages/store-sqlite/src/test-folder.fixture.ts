import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new folder in the run's own one, where the scan for secrets looks. */
export function testFolder(): string {
  return mkdtempSync(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'hq-store-sqlite-'));
}
