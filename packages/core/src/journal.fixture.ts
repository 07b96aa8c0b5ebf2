import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalEntry } from './journal.ts';

export const REGISTRATION = 'a'.repeat(64);
export const CONNECTION = 'user-1';

export function entryAt(generation: number, members: Partial<JournalEntry> = {}): JournalEntry {
  return {
    registration: REGISTRATION,
    connectionId: CONNECTION,
    epoch: 1,
    generation,
    at: 1_800_000_000_000 + generation,
    body: JSON.stringify({ v: 1, generation, tokens: 'sealed' }),
    ...members,
  };
}

export function generationsOf(entries: readonly JournalEntry[]): number[] {
  return entries.map(({ generation }) => generation);
}

/** A new folder in the run's own one, where the scan for secrets looks. Others may pass through it. */
export function journalFolder(): string {
  const folder = mkdtempSync(join(process.env.HQ_RUN_DIR ?? tmpdir(), 'hq-journal-'));
  chmodSync(folder, 0o755);
  return folder;
}
