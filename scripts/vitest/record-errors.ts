/**
 * Appends every error that hq-oauth publishes to `errors.log` in `$HQ_RUN_DIR`, in each form in which a program could
 * log it, for the secret scan that ends the test run. Runs in every vitest worker, and by `--import` in every Node
 * that a test starts with the worker's environment: an error inside an example's process is scanned as well.
 */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';

const CHANNEL = 'hq-oauth:error';
const LONGEST_CAUSE_CHAIN = 20;
const MAX_REMEMBERED = 10_000;

const folder = process.env.HQ_RUN_DIR;
if (folder) {
  const file = join(folder, 'errors.log');
  const seen = new Set<string>();
  subscribe(CHANNEL, (message) => {
    const text = describeError(message);
    if (seen.has(text)) return;
    if (seen.size < MAX_REMEMBERED) seen.add(text);
    // One write with O_APPEND, so that the entries of several processes do not mix.
    appendFileSync(file, text);
  });
  const importThis = `--import=${import.meta.url}`;
  const options = process.env.NODE_OPTIONS ?? '';
  if (!options.includes(importThis)) process.env.NODE_OPTIONS = `${options} ${importThis}`.trim();
}

/** `util.inspect` with hidden members, JSON, string, stack, and the same for each cause. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current = error;
  for (let depth = 0; depth < LONGEST_CAUSE_CHAIN && current !== undefined && current !== null; depth += 1) {
    parts.push(
      `--- ${depth === 0 ? 'error' : `cause ${depth}`}`,
      inspect(current, {
        depth: 10,
        showHidden: true,
        getters: true,
        maxStringLength: null,
        maxArrayLength: null,
      }),
      attempt(() => JSON.stringify(current)),
      attempt(() => String(current)),
    );
    if (current instanceof Error) parts.push(attempt(() => current instanceof Error && current.stack));
    current = (current as { cause?: unknown }).cause;
  }
  return `${parts.join('\n')}\n`;
}

function attempt(read: () => unknown): string {
  try {
    return String(read());
  } catch (error) {
    return `(${error instanceof Error ? error.message : 'not readable'})`;
  }
}
