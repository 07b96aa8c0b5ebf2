import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes `<root>/.run/<timestamp>-<kind>/` for everything that one run writes, and removes the oldest folders of the
 * same kind so that `keep` are left, the new one included. Returns its absolute path.
 */
export function createRunFolder(root: string, kind: string, options: { now: Date; keep: number }): string {
  const parent = join(root, '.run');
  mkdirSync(parent, { recursive: true });
  const folder = join(parent, `${timestamp(options.now)}-${kind}`);
  // Not recursive: two runs of one millisecond must not share a folder.
  mkdirSync(folder);
  const ofThisKind = readdirSync(parent)
    .filter((name) => /^\d{8}-\d{9}-/.test(name) && name.replace(/^\d{8}-\d{9}-/, '') === kind)
    .sort();
  for (const name of ofThisKind.slice(0, -options.keep)) {
    rmSync(join(parent, name), { recursive: true, force: true });
  }
  return folder;
}

/** `20261121-093000123`, UTC, so that names sort by time. */
function timestamp(now: Date): string {
  return now
    .toISOString()
    .replace(/[-:.Z]/g, '')
    .replace('T', '-');
}
